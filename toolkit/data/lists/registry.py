"""医疗机构名录: the hospitals of a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit.data.reading.opening import open_source
from toolkit.data.reading.text_rows import frame
from toolkit.errors import InputError

COLUMNS = ("code", "name", "level", "level_group", "tier", "county")


def read_registry(path: Path, work: Path) -> pd.DataFrame:
    """`code, name, level, level_group, tier (市/县), county`, all text, from a CSV with at least code and name.

    Raises
    ------
    InputError
        The file cannot be read, lacks `code` or `name`, or repeats a code.
    """
    work.mkdir(parents=True, exist_ok=True)
    source = open_source(99_998, path, work)
    if source.stored == "parquet":
        source.rejected = "请用 CSV 或 xlsx"
    table = frame(source) if not source.rejected else pd.DataFrame()
    if source.rejected:
        raise InputError("机构名录不可读", "the registry cannot be read", where=str(path), remedy=source.rejected)
    if source.refused:
        raise InputError(
            "机构名录有结构错误的行",
            "ragged or unclosed lines in the registry",
            where=f"{path}:{source.refused[0].line}",
            remedy="修正列数或引号",
            remedy_english="mend the number of cells or close the quotation mark",
        )
    table = table.rename(columns=str.strip).apply(lambda column: column.str.strip())
    if missing := [c for c in ("code", "name") if c not in table]:
        raise InputError(
            f"机构名录缺少列 {'、'.join(missing)}",
            "the registry lacks columns",
            where=f"{path}:1",
            remedy=f"列: {','.join(COLUMNS)} (后四列可缺)",
            remedy_english="the last four may be absent",
        )
    repeated = table["code"].duplicated() | (table["code"] == "")
    if repeated.any():
        line = int(repeated.to_numpy().argmax()) + 2
        raise InputError(
            "机构代码为空或重复", "hospital code empty or repeated", where=f"{path}:{line} code", remedy="修正该行"
        )
    return _complete(table)


def from_codes(codes: list[str]) -> pd.DataFrame:
    """A registry of bare codes, where the run has none."""
    return _complete(pd.DataFrame({"code": sorted(codes), "name": sorted(codes)}))


def _complete(table: pd.DataFrame) -> pd.DataFrame:
    for column in COLUMNS:
        if column not in table:
            table[column] = "全部" if column == "level_group" else ""
    table["level_group"] = table["level_group"].where(table["level_group"] != "", "全部")
    return table[list(COLUMNS)].sort_values("code", ignore_index=True).astype(str)
