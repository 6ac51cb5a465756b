"""Random input for both engines, all 合成数据: cells as hospitals write them, and discharges full of gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import rows

from toolkit.data.reading.formats import FormatMap, resolve

# what stands in a cell: right, wrong, and what only looks like a number or a day to one of the engines
CELLS = (
    None,
    "",
    "-",
    " ",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "9",
    "12",
    "61",
    "3.7",
    "-1",
    "+5",
    ".5",
    "5.",
    "1e3",
    "5d",
    "5f",
    "5D",
    "5L",
    "1_000",
    "0x10",
    "nan",
    "NaN",
    "inf",
    "Infinity",
    "-inf",
    "1e300",
    "1e400",
    "0.29",
    "1234.565",
    "99999999999999999999",
    "29,000.50",
    "########",
    "120 +",
    "1234567.00",
    "2022",
    "2022.0",
    "2022-05-01",
    "2022-02-30",
    "2022-5-3",
    "20220510",
    "2022/5/3",
    "2022年05月01日",
    "2022-05-01 13:45:00",
    "2022-05-01T08:00",
    "2023-01-05 24:00",
    "01/02/2023",
    "5-1-23",
    "45000",
    "00000000",
    "0000-01-01",
    "12022-01-01",
    "I21.0",
    "o80.0",
    "Z53.901",
    "C61.x00",
    "F20",
    "Expired",
    "Home or Self Care",
    "M",
    "F",
    "Surgical",
    "0000",
    "FQY",
    "FA11",
    " FA11 ",
    "true",
    "false",
    "T",
    "１２",
    "全角",
    'it\'s "x"; --',
    "a\tb",
    "\u00a0x",
    "é",
    "FALLECIDO",
    "|",
    "\\d",
    "%",
    "_",
)


def text_of(form: FormatMap, seed: int, size: int) -> tuple[pa.Table, dict[str, list[str]]]:
    """Rows of cells under the columns that a format wants, with `file`, `line` and `source_content`."""
    random = np.random.default_rng(seed)
    header = [
        name.replace("*", number) for name in form.wanted() for number in (("01", "02") if "*" in name else ("",))
    ]
    header = list(dict.fromkeys(header))
    columns = {name: resolve(name, header) for name in form.wanted()}
    cells = np.array(CELLS, dtype=object)
    drawn = {name: pa.array(cells[random.integers(0, len(cells), size)], pa.string()) for name in header}
    numbers = {
        "file": pa.array([0] * size, pa.int32()),
        "line": pa.array(range(2, size + 2), pa.int64()),
        "source_content": pa.array(range(size), pa.int64()),
    }
    return pa.table(drawn | numbers), columns


CHOICES = {
    "hospital": ["A", "B", "C"],
    "year": ["2019", "2020", "2021", "2022", "2023", "2024"],
    "month": ["1", "12", ""],
    "los_days": ["1", "2", "3", "5", "8", "13", "60", "61", "400", ""],
    "cost_fen": ["0", "499", "500", "12345", "99999", "100001", "3000000", "200000000", "200000001", ""],
    "died": ["true", "false", "false", "false", ""],
    "surgical": ["true", "false", ""],
    "surgery_level": ["1", "3", "4", ""],
    "drg": ["FA11", "FB21", "FC31", "GA11", "0000", ""],
    "drg_weight": ["0.5", "1.2345", "2.1", ""],
    "department": ["D1", "D2", "D9"],
    "tier": ["市"],
}
LEVEL_GROUP = {"A": "三级", "B": "三级", "C": "二级"}


def discharges_of(seed: int, size: int) -> pd.DataFrame:
    """Discharges as `rows.received` gives them; some hospitals, years and DRGs are empty, most amounts are missing somewhere."""
    random = np.random.default_rng(seed)
    drawn = {}
    for name, values in CHOICES.items():
        share = random.dirichlet(
            np.full(len(values), 0.7)
        )  # lopsided: some values hardly ever, so some groups are empty
        drawn[name] = random.choice(np.array(values, dtype=object), size, p=share)
    frame = pd.DataFrame({**{k: [v] * size for k, v in rows.DEFAULTS.items()}, **drawn})
    return frame.assign(
        level_group=frame["hospital"].map(LEVEL_GROUP), record=[f"r{i}" for i in range(size)], visit="1"
    )
