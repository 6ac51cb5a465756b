"""Tables of the programme as files: read as text, checked for their columns, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from python_calamine import CalamineError

from toolkit.data.accounts.spreadsheet import SHEET_ROWS, Workbook, defused
from toolkit.errors import InputError, nearest
from toolkit.frames import names_of
from toolkit.running.publish import write_atomically
from toolkit.running.scratch import scratch

WORKBOOKS = (".xlsx", ".xls", ".ods")
YES, NO = "是", "否"


def read_values(path: Path, sheet: str | int = 0) -> pd.DataFrame:
    """A table from csv or xlsx, everything as text, cells without a value empty."""
    try:
        if path.suffix.lower() in WORKBOOKS:
            return pd.read_excel(path, sheet_name=sheet, dtype=str, engine="calamine", keep_default_na=False)
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except UnicodeDecodeError:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="gb18030")
    except (OSError, ValueError, pd.errors.ParserError, CalamineError) as error:
        raise InputError(
            f"数值表读不出来: {type(error).__name__}",
            "the table of values cannot be read",
            where=str(path),
            remedy="给出 csv（UTF-8 或 GB18030）或 xlsx，一行一个单位，一列一项",
            remedy_english="csv or xlsx, a row a unit, a column an item",
        ) from None


def read_table(path: Path, what: str, needed: Sequence[str], *, key: Sequence[str] = ()) -> pd.DataFrame:
    """A table of which some columns must be there.

    Parameters
    ----------
    what
        Name of the table in messages, e.g. 申报名单.
    key
        Columns that tell rows apart: not empty, and no two rows alike.

    Raises
    ------
    InputError
        A column is absent, a key is empty or stands twice; with the lines.
    """
    frame = read_values(path).rename(columns=lambda c: str(c).strip())
    frame = frame.apply(lambda column: column.str.strip())
    known = names_of(frame)
    if lacking := [c for c in needed if c not in known]:
        near = [f"{c} 是否为 {n}?" for c in lacking if (n := nearest(c, known))]
        raise InputError(
            f"{what}缺少列 {'、'.join(lacking)}",
            "columns are missing",
            where=str(path),
            remedy="；".join(near) or f"补上这些列；现有: {'、'.join(known)}",
            remedy_english="add them",
        )
    if key:
        empty = (frame[list(key)] == "").any(axis=1)
        twice = frame.duplicated(list(key), keep=False) & ~empty
        faults = [
            f"{says}: 第 {'、'.join(str(i + 2) for i, bad in enumerate(rows) if bad)[:60]} 行"
            for says, rows in ((f"{'、'.join(key)} 为空", empty), (f"{'、'.join(key)} 重复", twice))
            if rows.any()
        ]
        if faults:
            raise InputError(
                f"{what}: {'；'.join(faults)}",
                "rows without a key, or twice",
                where=str(path),
                remedy="每行填写且不重复",
                remedy_english="one row each",
            )
    return frame


def number_of(frame: pd.DataFrame, column: str, what: str, where: str) -> pd.Series:
    """A text column as numbers, missing where empty.

    Raises
    ------
    InputError
        A cell is no number; the lines are named, the cells are not.
    """
    text = frame[column].astype(str).str.strip()
    numbers = pd.to_numeric(text.where(text != ""), errors="coerce")
    wrong = (text != "") & ~numbers.between(-1e300, 1e300)
    if wrong.any():
        lines = "、".join(str(i + 2) for i, bad in enumerate(wrong) if bad)
        raise InputError(
            f"{what}的列 {column} 有 {int(wrong.sum())} 格不是数（第 {lines[:60]} 行）",
            "not a number",
            where=where,
            remedy="改为数字，没有的留空",
            remedy_english="a number, or empty",
        )
    return numbers.astype(float)


def file_name(id_: str, what: str) -> str:
    """An id that may name a file.

    Raises
    ------
    InputError
        It is empty or would lead out of its folder.
    """
    if not id_ or id_.startswith(".") or any(c in id_ for c in '/\\:*?"<>|\0'):
        raise InputError(
            f"{what}的编号不能作文件名",
            "an id cannot name a file",
            where=what,
            remedy="编号不含 / \\ : * ? 等符号，不以点开头",
            remedy_english="without such signs",
        )
    return id_


@contextmanager
def all_or_none(*files: Path) -> Iterator[None]:
    """Files that are written together, or none: where one fails, all stand as they stood before."""
    before = {path: path.read_bytes() if path.is_file() else None for path in files}
    try:
        yield
    except BaseException:
        for path, raw in before.items():
            if raw is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != raw:
                write_atomically(path, raw)
        raise


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """One table as csv (UTF-8 with its mark, so that spreadsheets read it) or, by the name, as xlsx."""
    write_tables({path.stem: frame}, path)


def write_tables(frames: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Tables as the sheets of one workbook, or, of a single one, as csv; formulas are text.

    Raises
    ------
    ReportFailed, InputError
        The folder is closed or absent, or the disk full; nothing is written.
    """
    if not path.parent.is_dir():
        raise InputError(
            "写不进结果: 没有文件夹",
            "the folder does not exist",
            where=str(path.parent),
            remedy="先建文件夹，或换一个位置",
            remedy_english="make it, or choose another",
        )
    if path.suffix.lower() == ".xlsx":
        with scratch() as work:
            made = Path(work) / "table.xlsx"
            with Workbook(made) as book:
                for name, frame in frames.items():
                    book.sheet(name[:31], names_of(frame), [16] * len(frame.columns))
                    for row in frame.head(SHEET_ROWS - 1).astype(object).to_numpy():
                        book.row([None if cell is None or cell is pd.NA else defused(cell) for cell in row])
            write_atomically(path, made.read_bytes())
        return
    [frame] = frames.values()
    ready = frame.assign(**{c: frame[c].map(defused) for c in names_of(frame) if frame[c].dtype.kind not in "biuf"})
    text = ready.to_csv(index=False, float_format="%.12g", lineterminator="\r\n")
    write_atomically(path, text.encode("utf-8-sig"))
