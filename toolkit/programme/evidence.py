"""佐证材料: what no discharge record holds. A workbook for each applicant, read back row by row, kept in versions.

A store is a folder: `evidence.csv` and `targets.csv` (every version of every applicant), `files/` (each workbook by its
hash). Nothing of a set of workbooks is taken where any of them has a fault; all faults are told at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from toolkit.data.accounts.spreadsheet import Workbook
from toolkit.errors import InputError, together
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE
from toolkit.programme.systems import Item, Rating, System
from toolkit.programme.tables import all_or_none, file_name, read_values, write_table
from toolkit.running.publish import write_atomically
from toolkit.running.scratch import scratch

ABOUT, ITEMS, PLAN = "说明", "佐证材料", "建设方案"
ITEM_COLUMNS = ("编号", "指标", "填写要求", "取值", "数值", "佐证文件", "页码或文号", "备注")
PLAN_COLUMNS = ("编号", "指标", "单位", "基线值", "第1年目标", "第2年目标", "第3年目标")
TARGETS = PLAN_COLUMNS[4:]
EVIDENCE_FILE, TARGETS_FILE, FILES = "evidence.csv", "targets.csv", "files"
EVIDENCE = ["applicant", "version", "item", "value", "document", "place", "note", "file", "sha256", "at", "who"]
NOT_NEGATIVE = {"validate": "decimal", "criteria": ">=", "value": 0, "error_message": "须为不小于 0 的数"}
PLANNED = ["applicant", "version", "indicator", "baseline", "year", "target", "sha256", "at"]


def asked_of(system: System) -> list[Item]:
    """Items that an applicant gives evidence for."""
    return [item for item in system.items if item.source == "evidence"]


def planned_of(system: System) -> list[Item]:
    """Items from records, for which a plan gives targets."""
    return [item for item in system.items if item.source == "records" and item.of in CATALOGUE]


# --- out ------------------------------------------------------------------------------------------------------------------


def write_templates(system: System, applicants: pd.DataFrame, folder: Path) -> list[Path]:
    """One workbook an applicant.

    Parameters
    ----------
    applicants
        Text; the column that the system calls its unit, and columns that decide which items apply.
    folder
        Made where it is not there; a workbook of the same name is replaced.

    Returns
    -------
    list of Path
        In the order of the applicants.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for _, row in applicants.iterrows():
        values = {str(k): str(v) for k, v in row.items()}
        path = folder / f"{file_name(values[system.unit], '申报项目')}.xlsx"
        with scratch() as work:
            made = Path(work) / "template.xlsx"
            _template(system, values, made)
            write_atomically(path, made.read_bytes())
        written.append(path)
    return written


def _applies(item: Item, values: Mapping[str, str]) -> bool:
    return item.applies is None or values.get(item.applies.column, "") in item.applies.values  # noqa: PD011


def _template(system: System, values: Mapping[str, str], path: Path) -> None:
    with Workbook(path) as book:
        book.sheet(ABOUT, ("项目", "内容"), (18, 90))
        for line in (
            ("申报项目", values[system.unit]),
            ("指标体系", system.id),
            ("体系名称", system.title),
            ("体系来源", system.source),
            ("填写方法", f"只填“{ITEMS}”的数值、佐证文件、页码、备注和“{PLAN}”的基线与目标；编号列不要改动"),
            ("没有的项目", "数值留空，不要填 0"),
            ("佐证文件", "填数值的，须写明佐证文件的名称"),
        ):
            book.row(line)
        items = [item for item in asked_of(system) if _applies(item, values)]
        book.sheet(ITEMS, ITEM_COLUMNS, (18, 24, 46, 16, 12, 30, 16, 24))
        for item in items:
            book.row((item.id, item.title, item.help, _range_zh(item, system), None, None, None, None))
        for number, item in enumerate(items, start=1):
            book.current.data_validation(number, 4, number, 4, _validation(item, system))
        planned = [item for item in planned_of(system) if _applies(item, values)]
        book.sheet(PLAN, PLAN_COLUMNS, (22, 28, 12, 12, 12, 12, 12))
        for item in planned:
            book.row((item.of, item.title or CATALOGUE[item.of].name_zh, CATALOGUE[item.of].unit, *[None] * 4))
        if planned:
            book.current.data_validation(1, 3, len(planned), 6, NOT_NEGATIVE)


def _scale(item: Item, system: System) -> tuple[float, float]:
    rule = item.score or system.score
    return (rule.lowest, rule.highest) if isinstance(rule, Rating) else (0.0, float("inf"))


def _range_zh(item: Item, system: System) -> str:
    low, high = _scale(item, system)
    return f"{low:g}–{high:g}" if high != float("inf") else "不小于 0 的数"


def _validation(item: Item, system: System) -> Mapping[str, object]:
    low, high = _scale(item, system)
    if high == float("inf"):
        return NOT_NEGATIVE
    return {
        "validate": "decimal",
        "criteria": "between",
        "minimum": low,
        "maximum": high,
        "error_message": f"须在 {low:g} 至 {high:g} 之间",
    }


# --- in -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Filled:
    """One workbook that was read: `items` (`item, value, document, place, note`), `targets` (`indicator, baseline, year, target`)."""

    applicant: str
    file: Path
    sha256: str
    items: pd.DataFrame
    targets: pd.DataFrame


def read_workbooks(system: System, applicants: Sequence[str], files: Sequence[Path]) -> list[Filled]:
    """Filled workbooks, or all that is wrong with them.

    Raises
    ------
    InputError
        Every fault of every workbook: an unknown applicant or item, a value off its scale or without its document, two
        workbooks of one applicant.
    """
    faults: list[InputError] = []
    read = [_read(system, set(applicants), path, faults) for path in files]
    found = [one for one in read if one is not None]
    for applicant in sorted({one.applicant for one in found}):
        own = [one.file.name for one in found if one.applicant == applicant]
        if len(own) > 1:
            faults.append(
                _fault("同一申报项目有两份工作簿", "two workbooks of one applicant", "、".join(own), "只留一份")
            )
    if faults:
        raise together(faults)
    return found


def _fault(problem: str, english: str, where: str, remedy: str) -> InputError:
    return InputError(problem, english, where=where, remedy=remedy)


def _read(system: System, applicants: set[str], path: Path, faults: list[InputError]) -> Filled | None:
    try:
        about, items, plan = (read_values(path, sheet) for sheet in (ABOUT, ITEMS, PLAN))
        told = dict(zip(about["项目"], about["内容"], strict=True))
        rows, plans = items[list(ITEM_COLUMNS)], plan[list(PLAN_COLUMNS)]
    except (InputError, KeyError):
        faults.append(
            _fault(
                "不是本工具写出的佐证工作簿",
                "not a workbook of evidence",
                str(path),
                "用 speceval evidence template 重新写出",
            )
        )
        return None
    applicant = told.get("申报项目", "").strip()
    if told.get("指标体系", "").strip() != system.id:
        faults.append(_fault("工作簿属于另一指标体系", "a workbook of another system", str(path), f"须为 {system.id}"))
    if applicant not in applicants:
        faults.append(_fault("申报项目不在名单中", "an unknown applicant", str(path), "核对“说明”中的申报项目"))
    taken = list(_items(system, rows, path, faults))
    targets = list(_targets(system, plans, path, faults))
    return Filled(
        applicant=applicant,
        file=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        items=pd.DataFrame(taken, columns=["item", "value", "document", "place", "note"]),
        targets=pd.DataFrame(targets, columns=["indicator", "baseline", "year", "target"]),
    )


def _items(system: System, rows: pd.DataFrame, path: Path, faults: list[InputError]) -> Iterator[dict[str, object]]:
    known, seen = {item.id: item for item in asked_of(system)}, set[str]()
    for line, cells in enumerate(rows.apply(lambda c: c.str.strip()).to_numpy(str), start=2):
        id_, _, _, _, value, document, place, note = cells
        where = f"{path.name} {ITEMS} 第 {line} 行"
        if not any(cells):
            continue
        if id_ not in known or id_ in seen:
            says = ("编号重复", "an item twice") if id_ in seen else ("没有这个编号", "no such item")
            faults.append(_fault(*says, where, "编号列不要改动"))
            continue
        seen.add(id_)
        if not value:
            continue  # not given, which is not 0
        number = _number(value)
        low, high = _scale(known[id_], system)
        if number is None or not low <= number <= high:
            faults.append(
                _fault("数值不是数，或超出取值", "a value off its scale", where, _range_zh(known[id_], system))
            )
        elif not document:
            faults.append(_fault("有数值而没有佐证文件", "a value without its document", where, "写明佐证文件的名称"))
        else:
            yield {"item": id_, "value": number, "document": document, "place": place, "note": note}


def _targets(system: System, rows: pd.DataFrame, path: Path, faults: list[InputError]) -> Iterator[dict[str, object]]:
    known = {item.of for item in planned_of(system)}
    for line, cells in enumerate(rows.apply(lambda c: c.str.strip()).to_numpy(str), start=2):
        id_, baseline, goals = cells[0], cells[3], cells[4:]
        where = f"{path.name} {PLAN} 第 {line} 行"
        if not any((baseline, *goals)):
            continue
        if id_ not in known:
            faults.append(_fault("没有这个指标", "no such indicator", where, "编号列不要改动"))
            continue
        numbers = [_number(cell) if cell else float("nan") for cell in (baseline, *goals)]
        if any(n is None or n < 0 for n in numbers):
            faults.append(_fault("基线或目标不是不小于 0 的数", "a target is no number", where, "改为数字，没有的留空"))
            continue
        for year, goal in enumerate(numbers[1:], start=1):
            if goal == goal:
                yield {"indicator": id_, "baseline": numbers[0], "year": year, "target": goal}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


# --- kept -----------------------------------------------------------------------------------------------------------------


def take_in(store: Path, filled: Sequence[Filled], who: str = "", at: datetime | None = None) -> dict[str, int]:
    """Keep workbooks as new versions; one that was taken before, byte for byte, makes none.

    Returns
    -------
    dict
        Applicant → version of its workbook in the store.
    """
    (store / FILES).mkdir(parents=True, exist_ok=True)
    evidence, planned = kept(store)
    now, versions = (at or datetime.now(UTC)).isoformat(timespec="seconds"), dict[str, int]()
    for one in filled:
        own = evidence[evidence["applicant"] == one.applicant]
        before = [*own["version"], *planned.loc[planned["applicant"] == one.applicant, "version"]]
        last = max(map(int, before), default=0)
        same = own[own["sha256"] == one.sha256]
        if len(same) and int(same["version"].iloc[0]) == last:
            versions[one.applicant] = last
            continue
        head = {"applicant": one.applicant, "version": str(last + 1), "sha256": one.sha256, "at": now}
        evidence = pd.concat([evidence, one.items.astype(str).assign(**head, file=one.file.name, who=who)[EVIDENCE]])
        planned = pd.concat([planned, one.targets.astype(str).assign(**head)[PLANNED]])
        versions[one.applicant] = last + 1
        write_atomically(store / FILES / f"{one.sha256}.xlsx", one.file.read_bytes())
    with all_or_none(store / TARGETS_FILE, store / EVIDENCE_FILE):
        write_table(planned, store / TARGETS_FILE)
        write_table(evidence, store / EVIDENCE_FILE)
    return versions


def kept(store: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every version of evidence and of targets, as text."""
    frames = []
    for name, columns in ((EVIDENCE_FILE, EVIDENCE), (TARGETS_FILE, PLANNED)):
        path = store / name
        frames.append(read_values(path)[columns] if path.exists() else pd.DataFrame(columns=columns, dtype=str))
    return frames[0], frames[1]


def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of each applicant's last version."""
    version = frame["version"].astype(int)
    return frame[version == version.groupby(frame["applicant"]).transform("max")].reset_index(drop=True)


def values_with(system: System, records: pd.DataFrame, store: Path) -> pd.DataFrame:
    """A table of values with the evidence of each unit beside its numbers from records; missing where none was given."""
    given = latest(kept(store)[0])
    wide = records.copy()
    for item in asked_of(system):
        own = given[given["item"] == item.id].set_index("applicant")["value"]
        wide[item.of] = pd.to_numeric(wide[system.unit].astype(str).map(own))
    return wide


def targets_of(store: Path) -> pd.DataFrame:
    """The last year's targets of each applicant's plan: `project, indicator, target`."""
    given = latest(kept(store)[1])
    rows: dict[tuple[str, str], tuple[int, float]] = {}
    for one in rows_of(given):
        key = (one.applicant, one.indicator)
        rows[key] = max(rows.get(key, (0, 0.0)), (int(one.year), float(one.target)))
    made = [(project, indicator, target) for (project, indicator), (_, target) in rows.items()]
    return pd.DataFrame(made, columns=["project", "indicator", "target"])
