"""The review of cases: a form to fill in, its answers read back, and the number once more without the coding errors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data.accounts.spreadsheet import Workbook, defused
from toolkit.data.lists.listing import read_listing
from toolkit.documents import Entries, Plain
from toolkit.errors import InputError
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE, Direction
from toolkit.indicators.table import finish
from toolkit.running.scratch import scratch
from toolkit.runs.cases import COLUMNS

HEADERS = {
    "file": "文件",
    "line": "行号",
    "pseudonym": "假名",
    "record": "病案号",
    "hospital": "机构",
    "specialty": "专科",
    "year": "年",
    "month": "月",
    "drg": "DRG",
    "risk_grade": "风险分级",
    "principal_diagnosis": "主要诊断",
    "principal_procedure": "主要手术操作",
    "sex": "性别",
    "age_years": "年龄",
    "los_days": "住院天数",
    "exit_mode": "离院方式",
    "admission_route": "入院途径",
    "department": "出院科别",
}
ANSWERS = ("可避免", "编码错误", "病情危重", "说明")
YES, NO = "是", "否"


def write_form(cases: pd.DataFrame, path: Path, title: str) -> None:
    """The review form as .xlsx, or as .csv: one row a case, and the questions to be answered with 是 or 否."""
    header = [HEADERS[c] for c in COLUMNS] + list(ANSWERS)
    rows = [
        [*("" if pd.isna(v) else v for v in row), *[""] * len(ANSWERS)]
        for row in cases[COLUMNS].astype(object).to_numpy()
    ]
    if path.suffix == ".xlsx":
        with Workbook(path) as book:
            book.sheet("病例讨论", header, [14] * len(header))
            for row in rows:
                book.row([defused(_plain(cell)) for cell in row])
            book.sheet("说明", ["项目", "填法"], [16, 80])
            for line in (
                (title, ""),
                *((a, "填“是”或“否”，不能判断的留空") for a in ANSWERS[:-1]),
                (ANSWERS[-1], "自由填写，不写患者身份"),
            ):
                book.row(line)
        return
    frame = pd.DataFrame([[defused(_plain(cell)) for cell in row] for row in rows], columns=header)
    frame.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")


def _plain(cell: Plain) -> object:
    """Whole numbers as such, everything else as text."""
    number = isinstance(cell, int | float | np.integer | np.floating) and not isinstance(cell, bool)
    return int(cell) if number and float(cell).is_integer() else str(cell)


def read_form(path: Path, cases: pd.DataFrame) -> pd.DataFrame:
    """The answers of a filled-in form: `file, line`, and a column of True, False or missing for each question.

    Raises
    ------
    InputError
        The form cannot be read, names a case that is not of the list or one twice, or has another answer than 是, 否, nothing.
    """
    with scratch() as work:
        text = _as_csv(path, Path(work)) if path.suffix == ".xlsx" else path
        needed = [HEADERS["file"], HEADERS["line"]]
        optional = [HEADERS[c].lower() for c in COLUMNS if HEADERS[c] not in needed] + list(ANSWERS)
        listed = [
            (row.where.replace(str(text), str(path)), row.cells)
            for row in read_listing(text, "病例讨论表", needed, optional)
        ]
    known = set(zip(cases["file"], cases["line"].astype(int), strict=True))
    seen, rows = set(), []
    for where, cells in listed:
        at = (cells[HEADERS["file"]], int(cells[HEADERS["line"]]) if cells[HEADERS["line"]].isdigit() else -1)
        if at not in known or at in seen:
            raise InputError(
                "该行不是清单中的病例，或重复" if at not in known else "同一病例填了两行",
                "no case of the list, or one twice",
                where=where,
                remedy="文件与行号两列不要改动；用同一次运行、同一指标的清单",
                remedy_english="leave the columns of file and line as they are",
            )
        seen.add(at)
        rows.append({"file": at[0], "line": at[1], **{a: _answer(cells[a], where, a) for a in ANSWERS[:-1]}})
    return pd.DataFrame(rows, columns=["file", "line", *ANSWERS[:-1]]).astype(dict.fromkeys(ANSWERS[:-1], "boolean"))


def _answer(cell: str, where: str, column: str) -> bool | None:
    if cell in (YES, NO, ""):
        return {YES: True, NO: False}.get(cell)
    raise InputError(
        f"{column}须填“{YES}”、“{NO}”或留空",
        "an answer is yes, no or nothing",
        where=f"{where} {column}",
        remedy="改正该格",
        remedy_english="mend the cell",
    )


def _as_csv(path: Path, work: Path) -> Path:
    """The first sheet as CSV, read in a limited child as every workbook that comes from outside."""
    command = [sys.executable, "-m", "toolkit.data.reading.workbook", str(path), str(2 << 30), "60"]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  own module
    said = json.loads(done.stderr.splitlines()[-1]) if done.returncode == 0 and done.stderr else {}
    first = (said.get("sheets") or [{}])[0]
    if "end" not in first:
        raise InputError(
            "工作簿不可读",
            "the workbook cannot be read",
            where=str(path),
            remedy="另存为 .xlsx 或 .csv",
            remedy_english="save it anew",
        )
    target = work / "form.csv"
    target.write_bytes(done.stdout[first["start"] : first["end"]])
    return target


# --- the number once more -------------------------------------------------------------------------------------------------


def without_errors(
    results: Results, indicator: str, hospital: str, cases: pd.DataFrame, answers: pd.DataFrame, period: str = ""
) -> pd.DataFrame:
    """The indicator of the hospital and its units as it is, and without the cases that the review found wrongly coded.

    A wrongly coded case leaves both sums: nobody knows yet where it belongs.

    Returns
    -------
    pd.DataFrame
        `level, specialty, counted` (原值, 剔除编码错误), `x, y, value, low, high`; rows of levels without a case are left out.
    """
    one = CATALOGUE[indicator]
    wrong = cases.merge(answers[answers["编码错误"].fillna(False)][["file", "line"]], on=["file", "line"])
    cells = results.cells
    cells = cells[
        (cells["indicator"] == indicator)
        & (cells["basis"] == "contemporaneous")
        & (cells["period"] == (period or results.last_period))
        & (cells["hospital"] == hospital)
        & cells["level"].isin(["hospital", "unit"])
        & (cells["y"] > 0)
    ]
    parts = []
    for cell in cells.itertuples():
        mine = (
            wrong
            if cell.level == "hospital"
            else wrong[[cell.specialty in str(s).split("+") for s in wrong["specialty"]]]
        )
        sign = 0 if one.direction is Direction.HIGHER else 1  # of survival, a death is in the denominator alone
        for counted, out in (("原值", 0), ("剔除编码错误", len(mine))):
            sums = pd.DataFrame({"x": [cell.x - sign * out], "y": [cell.y - out]}).assign(
                xx=np.nan, xy=np.nan, yy=np.nan, all_y=np.nan, own_y=np.nan, rows=1.0
            )
            made = finish(sums, one, results.params.change.confidence).iloc[0].copy()
            if pd.isna(cell.value):  # what has no rate (too few cases, grades that are not stable) gets none here
                made[["value", "low", "high"]] = np.nan
            parts.append(
                {
                    "level": cell.level,
                    "specialty": cell.specialty,
                    "counted": counted,
                    **{c: made[c] for c in ("x", "y", "value", "low", "high")},
                }
            )
    return pd.DataFrame(parts, columns=["level", "specialty", "counted", "x", "y", "value", "low", "high"])


def answered(answers: pd.DataFrame) -> Iterable[tuple[str, int, int, int]]:
    """Of each question: how many said yes, no, nothing."""
    for name in ANSWERS[:-1]:
        column = answers[name]
        yield name, int(column.fillna(False).sum()), int((~column).fillna(False).sum()), int(column.isna().sum())


def as_text(cases: pd.DataFrame, content: Entries) -> str:
    """What a person reads: the list, and what a review made of the number."""
    lines = [f"{len(cases)} 例 cases"]
    for row in cases.itertuples():
        known = f"，病案号 {row.record}" if row.record else ""
        lines.append(
            f"{row.file} 第 {row.line} 行，假名 {row.pseudonym}{known}，{row.specialty}，{row.year} 年，DRG {row.drg}"
        )
    for name, counts in content.get("answers", {}).items():
        lines.append(f"{name}: " + "，".join(f"{word} {n}" for word, n in counts.items()))
    for row in content.get("indicator", []):
        place = row["specialty"] or "全院"
        limits = "" if pd.isna(row["low"]) else f"（{row['low']:.3g}–{row['high']:.3g}）"
        rate = "" if pd.isna(row["value"]) else f"：{row['value']:.3g}{limits}"
        lines.append(f"{place} {row['counted']} {row['x']:.0f} 例 / {row['y']:.6g}{rate}")
    return "\n".join(lines)
