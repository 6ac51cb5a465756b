"""Small discharges as text tables: what a test does not name gets a plain default. All are 合成数据."""

from __future__ import annotations

import datetime as dt
from itertools import count
from typing import Any

import pandas as pd
import pyarrow as pa

from toolkit.data.discharge.schema import BY_NAME, STORED, TECHNIQUES
from toolkit.params import RunParams

DEFAULTS = {
    "hospital": "A",
    "year": "2022",
    "month": "6",
    "los_days": "5",
    "cost_fen": "100000",
    "died": "false",
    "exit_mode": "1",
    "admission_route": "2",
    "sex": "1",
    "age_years": "50",
    "department": "D1",
    "principal_diagnosis": "I21.0",
    "principal_procedure": "",
    "surgery_level": "",
    "surgical": "false",
    "drg": "FA11",
    "drg_weight": "",
    "tier": "市",
    "level_group": "三级",
    "county": "",
}
OF_HOSPITAL = ("tier", "level_group", "county")
WORDS = {"T": "true", "F": "false"}
FLAGS = ("cost_usable", "los_usable", "death_known", "grouped", "surgery_usable")
ARROW = {
    "string": pa.string(),
    "codes": pa.string(),
    "timestamp": pa.timestamp("us"),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


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
    """The hospitals of `received` rows, as `toolkit.data.lists.registry.read_registry` gives them."""
    first = frame.groupby("hospital", sort=True)[list(OF_HOSPITAL)].first().reset_index()
    return first.rename(columns={"hospital": "code"}).assign(name=first["hospital"], level="")


def stored(frame: pd.DataFrame) -> pa.Table:
    """`received` rows as the store holds them, typed by hand: no rule of the toolkit is asked."""
    typed: dict[str, list[Any]] = {}
    if "patient" in frame:  # any number will do for a person
        numbers = pd.factorize(frame["patient"])[0]
        known = [str(p + 1) if text else "" for p, text in zip(numbers, frame["patient"], strict=True)]
        frame = frame.assign(patient=known)
    for name in STORED:
        kind = BY_NAME[name].type
        typed[name] = [_value(text, kind) for text in frame[name]] if name in frame else [None] * len(frame)
    typed["specialty"] = [{"D1": "s1", "D2": "s2"}.get(code) for code in frame["department"]]
    typed["drg"] = [None if code is None or code == "0000" or code.endswith("QY") else code for code in typed["drg"]]
    costs, stays = typed["cost_fen"], typed["los_days"]
    short = [days is not None and days <= 60 for days in stays]
    typed["cost_usable"] = [c is not None and 500 <= c <= 200_000_000 and s for c, s in zip(costs, short, strict=True)]
    typed["los_usable"] = [d is not None and d <= 60 for d in stays]
    typed["death_known"] = [died is not None for died in typed["died"]]
    typed["grouped"] = [code is not None for code in typed["drg"]]
    typed["surgery_usable"] = [flag is not None for flag in typed["surgical"]]
    typed |= _derived(typed, frame)
    types = {name: ARROW[BY_NAME[name].type] for name in STORED} | dict.fromkeys(FLAGS, pa.bool_())
    columns = {name: pa.array(values, types[name]) for name, values in typed.items()}
    columns |= {"file": pa.array([0] * len(frame), pa.int32()), "line": pa.array(range(2, len(frame) + 2), pa.int64())}
    return pa.table(columns)


def _derived(typed: dict[str, list[Any]], frame: pd.DataFrame) -> dict[str, list[Any]]:
    """What intake derives without any list, row by row."""
    homes, counties = typed["residence"], list(frame["county"]) if "county" in frame else [""] * len(frame)
    asked = [
        bool(operated) and route == "2" and not (code or "").startswith(("O", "P")) and (days is None or days >= 28)
        for operated, route, code, days in zip(
            typed["surgical"], typed["admission_route"], typed["principal_diagnosis"], typed["age_days"], strict=True
        )
    ]
    complication = [c if a else None for c, a in zip(typed["complication"], asked, strict=True)]
    pairs = list(zip(homes, counties, strict=True))
    return {
        "reported_hospital": typed["hospital"],
        "judged_level": typed["surgery_level"],
        "judged_level_frozen": typed["surgery_level"],
        "level34": [None if level is None else level >= 3 for level in typed["surgery_level"]],
        "level34_frozen": [None if level is None else level >= 3 for level in typed["surgery_level"]],
        "operation_asked": [bool(flag) for flag in typed["surgical"]],
        **{f"{name}_frozen": typed[name] for name in TECHNIQUES},
        "day_surgery": [
            days <= 1 if operated and route == "2" and days is not None else None
            for operated, route, days in zip(
                typed["surgical"], typed["admission_route"], typed["los_days"], strict=True
            )
        ],
        "transferred_in": [None if route is None else route == "3" for route in typed["admission_route"]],
        "minimally_invasive_frozen": typed["minimally_invasive"],
        "complication": complication,
        "complication_frozen": complication,
        "residence_known": [home is not None for home in homes] if "residence" in frame else [None] * len(frame),
        "outside_county": [home != county if home and county else None for home, county in pairs],
        "outside_city": [home[:4] != county[:4] if home and county else None for home, county in pairs],
        "readmitted": _readmitted(typed),
    }


def _readmitted(typed: dict[str, list[Any]]) -> list[bool | None]:
    came = list(zip(typed["hospital"], typed["patient"], typed["admission_date"], strict=True))
    found: list[bool | None] = []
    for who, day, died, planned in zip(
        came, typed["discharge_date"], typed["died"], typed["readmission_planned"], strict=True
    ):
        told = None not in (*who, day, died, planned) and not died and day <= dt.date(day.year, 11, 30)
        waits = [(c[2] - day).days for c in came if c[:2] == who[:2] and c[2] > who[2]] if told else []
        found.append(any(0 <= wait <= 31 for wait in waits) and not planned if told else None)
    return found


def _value(text: str, kind: str) -> Any:
    if text in ("", None):
        return None
    if kind == "boolean":
        return text == "true"
    if kind == "date":
        return dt.date.fromisoformat(text)
    return float(text) if kind == "float64" else int(text) if kind.startswith("int") else text


SPECIALTIES = [
    {"id": "s1", "name_zh": "合成外科", "surgical": True, "departments": ["D1"]},
    {"id": "s2", "name_zh": "合成内科", "surgical": False, "departments": ["D2"]},
]
# nothing trimmed, one reference case enough, one region: what an example shows is then arithmetic alone
PLAIN = {
    "run": "t",
    "title": "合成",
    "specialties": SPECIALTIES,
    "trimming": {"method": "none"},
    "reference": {"scope": "region", "minimum_cases": 1},
    "risk_grades": {"minimum_cases": 1, "minimum_deaths": 0, "minimum_deaths_low": 0},
}
CYCLES = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}


def params(*, files: tuple[str, ...] = ("unused.csv",), format: str = "canonical", **more: Any) -> RunParams:
    """Parameters of a run over 2022, or over the two cycles where `cycles=CYCLES` is given."""
    data = {"format": format, "files": list(files), **more.pop("data", {})}
    time = {} if "cycles" in more else {"years": more.pop("years", {"first": 2022, "last": 2022})}
    return RunParams.model_validate({**PLAIN, "data": data, **time, **more})
