"""What a check of the records says, as blocks: for the terminal a few rows of each table, for the page all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from toolkit.evaluation.intake_check import IntakeCheck
from toolkit.frames import rows_of
from toolkit.reporting.content.blocks import Block, Heading, Paragraph, Table
from toolkit.reporting.content.tables import Column, count, percent, table, text

PASSED = "检查通过：有病例被纳入，每个专科、每个立项单元都有病例，名单都能配上。"
FATES = {"accepted": "纳入", "excluded": "排除", "quarantined": "隔离", "warned": "提示"}
STATES = {"read": "已读", "refused": "拒收", "skipped": "跳过"}


def blocks(found: IntakeCheck, most: int | None = None) -> list[Block]:
    """All that a check found.

    Parameters
    ----------
    most
        Rows of a table that are shown; the rest are counted. None: all.
    """
    return [
        Heading(text="结论"),
        *_verdict(found),
        Heading(text="立项单元"),
        _projects(found, most),
        Heading(text="专科与科别"),
        _specialties(found, most),
        *_departments(found, most),
        Heading(text="机构、年份与月份"),
        _hospitals(found, most),
        Heading(text="规则"),
        _rules(found, most),
        _warnings(found, most),
        Heading(text="名单与连接"),
        _joins(found),
        Heading(text="不能计算的指标"),
        _indicators(found, most),
        Heading(text="文件"),
        _files(found, most),
    ]


def _verdict(found: IntakeCheck) -> Iterator[Block]:
    if not found.failures:
        yield Paragraph(text=PASSED)
        return
    yield Paragraph(text=f"检查未通过，{len(found.failures)} 处：")
    for failure in found.failures:
        yield Paragraph(text=str(failure))


def _shown(
    frame: pd.DataFrame, columns: list[Column], id: str, caption: str, most: int | None, note: str = ""
) -> Table:
    most = len(frame) if most is None else most
    left = max(0, len(frame) - most)
    notes = [note] * bool(note) + [f"另有 {left:,} 行，见页面或 JSON"] * bool(left)
    return table(frame.head(most), columns, id=id, caption=caption, note="；".join(notes))


def _projects(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="hospital", label="机构", format=text),
        Column(name="name", label="名称", format=text),
        Column(name="specialty", label="专科", format=text),
        *(Column(name=p, label=f"{label} 例数", format=count) for p, label in found.periods.items()),
        Column(name="empty", label="没有病例的年份", format=text),
    ]
    return _shown(found.projects, columns, "check-projects", "立项单元的病例", most)


def _specialties(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="id", label="编号", format=text),
        Column(name="name", label="专科", format=text),
        Column(name="n", label="例数", format=count),
    ]
    return _shown(found.specialties, columns, "check-specialties", "各专科的病例", most)


def _departments(found: IntakeCheck, most: int | None) -> Iterator[Table]:
    named = found.departments.assign(department=found.departments["department"].replace("", "（空或不足 5 例）"))
    columns = [
        Column(name="department", label="出院科别", format=text),
        Column(name="n", label="例数", format=count),
        Column(name="matched", label="归入专科", format=count),
        Column(name="specialties", label="专科", format=text),
    ]
    yield _shown(named[named["matched"] > 0], columns, "check-matched", "归入专科的科别", most)
    yield _shown(named[named["matched"] == 0], columns[:2], "check-unmatched", "没有归入专科的科别", most)


def _hospitals(found: IntakeCheck, most: int | None) -> Table:
    months = [Column(name=f"m{m}", label=f"{m}月", format=count) for m in range(1, 13)]
    if found.hospitals["m0"].any():
        months.append(Column(name="m0", label="无月份", format=count))
    columns = [
        Column(name="hospital", label="机构", format=text),
        Column(name="name", label="名称", format=text),
        Column(name="year", label="年", format=text),
        Column(name="n", label="合计", format=count),
        *months,
    ]
    frame = found.hospitals.astype({"year": "str"})
    return _shown(frame, columns, "check-hospitals", "纳入的病例，按机构、年份和月份", most)


def _rules(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="rule", label="规则", format=text),
        Column(name="fate", label="处理", format=text),
        Column(name="message", label="说明", format=text),
        Column(name="n", label="例数", format=count),
        Column(name="share", label="占收到 %", format=percent(2)),
    ]
    frame = found.rules.assign(fate=found.rules["fate"].replace(FATES))
    return _shown(frame, columns, "check-rules", "各规则命中的病例", most, "一例可命中多条规则")


def _warnings(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="hospital", label="机构", format=text),
        Column(name="specialty", label="专科", format=text),
        Column(name="year", label="年", format=text),
        Column(name="rule", label="规则", format=text),
        Column(name="message", label="说明", format=text),
    ]
    names = {one.id: one.name for one in rows_of(found.specialties)}
    frame = found.warnings.astype({"year": "str"}).replace({"specialty": names})
    return _shown(frame, columns, "check-warnings", "对机构、专科和年份的提示", most)


def _joins(found: IntakeCheck) -> Table:
    columns = [
        Column(name="name", label="名单", format=text),
        Column(name="rows", label="行数", format=count),
        Column(name="asked", label="查询", format=count),
        Column(name="found", label="配上", format=count),
        Column(name="unused", label="未用到的行", format=count),
        Column(name="unit", label="单位", format=text),
    ]
    return _shown(found.joins, columns, "check-joins", "名单与记录的连接", None)


def _indicators(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="id", label="编号", format=text),
        Column(name="name", label="指标", format=text),
        Column(name="lacking", label="缺少", format=text),
    ]
    return _shown(found.indicators, columns, "check-indicators", "因缺少字段或名单而不能计算的指标", most)


def _files(found: IntakeCheck, most: int | None) -> Table:
    columns = [
        Column(name="name", label="文件", format=text),
        Column(name="kind", label="类型", format=text),
        Column(name="state", label="结果", format=text),
        Column(name="rows", label="行数", format=count),
        Column(name="said", label="原因或提示", format=text),
    ]
    said = found.files["rejected"].where(found.files["rejected"] != "", found.files["warnings"])
    frame = found.files.assign(state=found.files["status"].replace(STATES), said=said)
    # what was not read first: that is what somebody has to look at
    order = frame["status"].map({"refused": 0, "skipped": 1, "read": 2})
    frame = frame.assign(_order=order).sort_values(["_order", "file"], kind="stable").drop(columns="_order")
    return _shown(frame, columns, "check-files", "收到的文件和其中的表", most)
