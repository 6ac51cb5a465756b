"""Small discharges as text tables: what a test does not name gets a plain default. All are 合成数据."""

from __future__ import annotations

from itertools import count
from typing import Any

import pandas as pd
import pyarrow as pa

from toolkit.data.schema import BY_NAME, STORED
from toolkit.params import RunParams

DEFAULTS = {
    "hospital": "A", "year": "2022", "month": "6", "los_days": "5", "cost_fen": "100000", "died": "false", "exit_mode": "1",
    "admission_route": "2", "sex": "1", "age_years": "50", "department": "D1", "principal_diagnosis": "I21.0",
    "principal_procedure": "", "surgery_level": "", "surgical": "false", "drg": "FA11", "drg_weight": "",
    "tier": "市", "level_group": "三级",
}  # fmt: skip
OF_HOSPITAL = ("tier", "level_group")
WORDS = {"T": "true", "F": "false"}
FLAGS = ("cost_usable", "los_usable", "death_known", "grouped")
ARROW = {
    "string": pa.string(), "codes": pa.string(), "timestamp": pa.timestamp("us"),
    "int8": pa.int8(), "int16": pa.int16(), "int32": pa.int32(), "int64": pa.int64(),
    "float64": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(),
}  # fmt: skip


def received(text: str, **defaults: str) -> pd.DataFrame:
    """A text table `a | b` as the text that a canonical CSV holds, one row a discharge; `cases` repeats a row."""
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines() if line.strip()]
    header, *body = lines
    assert all(len(cells) == len(header) for cells in body), "ragged text table"
    rows, number = [], count(1)
    for cells in body:
        given = {name: WORDS.get(cell, cell) for name, cell in zip(header, cells, strict=True)}
        times = int(given.pop("cases", "1"))
        rows += [{**DEFAULTS, **defaults, **given, "record": f"r{next(number)}", "visit": "1"} for _ in range(times)]
    return pd.DataFrame(rows)


def csv_of(frame: pd.DataFrame) -> bytes:
    """The columns of the canonical format as CSV."""
    return frame.drop(columns=list(OF_HOSPITAL), errors="ignore").to_csv(index=False).encode()


def registry_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The hospitals of `received` rows, as `toolkit.data.registry.read_registry` gives them."""
    first = frame.groupby("hospital", sort=True)[list(OF_HOSPITAL)].first().reset_index()
    return first.rename(columns={"hospital": "code"}).assign(name=first["hospital"], level="", county="")


def stored(frame: pd.DataFrame) -> pa.Table:
    """`received` rows as the store holds them, typed by hand: no rule of the toolkit is asked."""
    typed: dict[str, list[Any]] = {}
    for name in STORED:
        kind = BY_NAME[name].type
        typed[name] = [_value(text, kind) for text in frame[name]] if name in frame else [None] * len(frame)
    typed["specialty"] = [{"D1": "s1", "D2": "s2"}.get(code) for code in frame["department"]]
    typed["drg"] = [None if code in (None, "0000") else code for code in typed["drg"]]
    costs, stays = typed["cost_fen"], typed["los_days"]
    short = [days is not None and days <= 60 for days in stays]
    typed["cost_usable"] = [c is not None and 500 <= c <= 200_000_000 and s for c, s in zip(costs, short, strict=True)]
    typed["los_usable"] = [d is not None and d <= 60 for d in stays]
    typed["death_known"] = [died is not None for died in typed["died"]]
    typed["grouped"] = [code is not None for code in typed["drg"]]
    types = {name: ARROW[BY_NAME[name].type] for name in STORED} | dict.fromkeys(FLAGS, pa.bool_())
    columns = {name: pa.array(values, types[name]) for name, values in typed.items()}
    columns |= {"file": pa.array([0] * len(frame), pa.int32()), "line": pa.array(range(2, len(frame) + 2), pa.int64())}
    return pa.table(columns)


def _value(text: str, kind: str) -> Any:
    if text in ("", None):
        return None
    if kind == "boolean":
        return text == "true"
    return float(text) if kind == "float64" else int(text) if kind.startswith("int") else text


SPECIALTIES = [
    {"id": "s1", "name_zh": "合成外科", "surgical": True, "departments": ["D1"]},
    {"id": "s2", "name_zh": "合成内科", "surgical": False, "departments": ["D2"]},
]
# nothing trimmed, one reference case enough, one region: what an example shows is then arithmetic alone
PLAIN = {
    "run": "t", "title": "合成", "specialties": SPECIALTIES, "trimming": {"method": "none"},
    "reference": {"scope": "region", "minimum_cases": 1},
    "risk_grades": {"minimum_cases": 1, "minimum_deaths": 0, "minimum_deaths_low": 0},
}  # fmt: skip
CYCLES = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}


def params(*, files: tuple[str, ...] = ("unused.csv",), format: str = "canonical", **more: Any) -> RunParams:
    """Parameters of a run over 2022, or over the two cycles where `cycles=CYCLES` is given."""
    data = {"format": format, "files": list(files), **more.pop("data", {})}
    time = {} if "cycles" in more else {"years": more.pop("years", {"first": 2022, "last": 2022})}
    return RunParams.model_validate({**PLAIN, "data": data, **time, **more})
