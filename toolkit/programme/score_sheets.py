"""Score sheets of a panel: out without names, back with every fault at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from toolkit.data.accounts.spreadsheet import Workbook
from toolkit.errors import InputError, together
from toolkit.frames import groups_of
from toolkit.programme.panel import asked_of, scale_of
from toolkit.programme.systems import System
from toolkit.programme.tables import NO, YES, file_name, read_values
from toolkit.running.publish import write_atomically
from toolkit.running.scratch import scratch

ABOUT, SCORES = "声明", "评分"
SHEET = ("项目代号", "编号", "指标", "要求", "取值", "分值", "意见")
AVOID, EXPERT = "回避", "专家编号"


def write_sheets(system: System, assigned: pd.DataFrame, folder: Path) -> list[Path]:
    """One workbook an expert: projects by their codes, no name of a hospital."""
    folder.mkdir(parents=True, exist_ok=True)
    items, written = asked_of(system), []
    for expert, own in groups_of(assigned.groupby("expert", sort=True)):
        path = folder / f"{file_name(str(expert), '专家')}.xlsx"
        with scratch() as work:
            made = Path(work) / "sheet.xlsx"
            with Workbook(made) as book:
                book.sheet(ABOUT, ("项目代号", AVOID, "说明", EXPERT), (14, 10, 60, 14))
                book.current.data_validation(1, 1, len(own), 1, {"validate": "list", "source": [YES]})
                for code in own["code"]:
                    book.row((code, None, None, str(expert)))
                book.sheet(SCORES, SHEET, (12, 18, 24, 46, 12, 10, 30))
                line = 1
                for code in own["code"]:
                    for item in items:
                        low, high = scale_of(item, system)
                        book.row((code, item.id, item.title, item.help, f"{low:g}–{high:g}", None, None))
                        allowed = {"validate": "decimal", "criteria": "between", "minimum": low, "maximum": high}
                        book.current.data_validation(line, 5, line, 5, allowed)
                        line += 1
            write_atomically(path, made.read_bytes())
        written.append(path)
    return written


def read_sheets(system: System, assigned: pd.DataFrame, files: Sequence[Path]) -> pd.DataFrame:
    """Scores of filled sheets.

    Parameters
    ----------
    files
        Named by the expert, as they were written.

    Returns
    -------
    pd.DataFrame
        `expert, applicant, code, item, score, comment`; what is left empty, and projects that an expert withdrew from, are not
        in it.

    Raises
    ------
    InputError
        All faults at once: an unknown expert, a sheet written for another, a project that is not the expert's, one scored twice
        or in spite of a withdrawal, a score off its scale.
    """
    faults: list[InputError] = []
    rows: list[tuple[object, ...]] = []
    seen: set[str] = set()
    for path in files:
        expert = path.stem
        own = assigned[assigned["expert"] == expert]
        if own.empty or expert in seen:
            says = "同一专家有两份评分表" if expert in seen else "没有分派给这名专家"
            faults.append(_fault(says, "an expert twice, or unknown", str(path), "文件名须为专家编号，一人一份"))
            continue
        seen.add(expert)
        try:
            about, sheet = read_values(path, ABOUT), read_values(path, SCORES)[list(SHEET)]
            away = _withdrawn(about, path, faults)
            line = _not_by(about, expert)
        except (InputError, KeyError):
            faults.append(
                _fault("不是本工具写出的评分表", "not a score sheet", str(path), "用 speceval panel sheets 重新写出")
            )
            continue
        if line:
            where = f"{path.name} {ABOUT} D{line}"
            says = "表内专家编号与文件名不符或缺失"
            faults.append(_fault(says, "the sheet is not this expert's", where, "用写给本人的评分表，不改文件名和编号"))
            continue
        codes = dict(zip(own["code"], own["applicant"], strict=True))
        rows += [(expert, *row) for row in _of_sheet(system, sheet, codes, away, path, faults)]
    if faults:
        raise together(faults)
    return pd.DataFrame(rows, columns=["expert", "applicant", "code", "item", "score", "comment"])


def _not_by(about: pd.DataFrame, expert: str) -> int:
    """First line whose expert is another one's or missing, else 0: a copy under another name is not a second expert."""
    if EXPERT not in about or about.empty:
        return 1
    wrong = (about[EXPERT].str.strip() != expert).to_numpy()
    return int(wrong.argmax()) + 2 if wrong.any() else 0


def _withdrawn(about: pd.DataFrame, path: Path, faults: list[InputError]) -> set[str]:
    """Codes of the projects that the expert withdraws from; a word that says neither yes nor no is a fault, never a no."""
    said = about[AVOID].str.strip()
    for line, word in enumerate(said, start=2):
        if word not in (YES, NO, ""):
            where = f"{path.name} {ABOUT} 第 {line} 行"
            faults.append(_fault("回避一栏看不懂", "neither yes nor no", where, f"填 {YES} 或 {NO}，留空为 {NO}"))
    return set(about.loc[said == YES, "项目代号"])


def _fault(problem: str, english: str, where: str, remedy: str) -> InputError:
    return InputError(problem, english, where=where, remedy=remedy)


def _of_sheet(
    system: System, sheet: pd.DataFrame, codes: dict[str, str], away: set[str], path: Path, faults: list[InputError]
) -> Iterator[tuple[object, ...]]:
    items, seen = {item.id: item for item in asked_of(system)}, set[tuple[str, str]]()
    for line, cells in enumerate(sheet.apply(lambda c: c.str.strip()).to_numpy(str), start=2):
        code, id_, score, comment = cells[0], cells[1], cells[5], cells[6]
        where = f"{path.name} {SCORES} 第 {line} 行"
        if not score:
            continue
        if code not in codes or id_ not in items:
            faults.append(
                _fault("不是分派给本人的项目或指标", "not this expert's to score", where, "代号与编号列不要改动")
            )
            continue
        if (code, id_) in seen:
            faults.append(_fault("同一项目的同一指标评了两次", "scored twice", where, "只留一个"))
            continue
        seen.add((code, id_))
        low, high = scale_of(items[id_], system)
        number = pd.to_numeric(score, errors="coerce")
        if code in away:
            faults.append(
                _fault("声明回避的项目有分值", "a withdrawn project was scored", where, "删去分值，或撤回声明")
            )
        elif not low <= number <= high:
            faults.append(_fault("分值不是数，或超出取值", "a score off its scale", where, f"{low:g} 至 {high:g}"))
        else:
            yield codes[code], code, id_, float(number), comment
