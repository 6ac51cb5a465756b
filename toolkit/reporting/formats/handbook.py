"""指标手册: generated from the declarations, as a document and as a page of each run.

`python -m toolkit.reporting.formats.handbook --check` fails where the document is stale.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields

import pandas as pd

from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality import SCOPES
from toolkit.documents import Document
from toolkit.evaluation.names import NAMES
from toolkit.evaluation.results import Results
from toolkit.indicators import CATALOGUE, Declared, Domain
from toolkit.indicators.diseases import DISEASES
from toolkit.params import json_schema, policies, policy_table
from toolkit.reporting.content.blocks import Block, Heading, Meta, Note, Paragraph, Title
from toolkit.reporting.content.tables import Column, rounded, table, text
from toolkit.reporting.formats import table_pages
from toolkit.reporting.formats.html import render
from toolkit.reporting.sections.front import provenance
from toolkit.reporting.sections.origins import of_definition
from toolkit.resources import home

# what a declaration computes, of whatever kind it is
EXECUTED = (
    "numerator",
    "denominator",
    "cases",
    "squares",
    "cross",
    "squares_below",
    "of",
    "at",
    "among",
    "applies_to",
    "own_share",
)


def _executed(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def facts(one: Declared) -> Document:
    """A declaration as plain data; expressions as they are executed."""
    given = {f.name: getattr(one, f.name) for f in fields(one)}
    executed = {name: _executed(given[name]) for name in EXECUTED if given.get(name) is not None}
    source = one.source.title + (f"，{one.source.clause}" if one.source.clause else "")
    return {
        "id": one.id,
        "name_zh": one.name_zh,
        "name_en": one.name_en,
        "domain": one.domain.value,
        "formula": one.formula,
        "source": source,
        "standing": one.source.standing.value,
        "direction": one.direction.value,
        "unit": one.unit,
        "interval": getattr(getattr(one, "distribution", None), "value", "无"),
        "note": one.note,
        "executed": executed,
        "example": {
            "discharges": textwrap.dedent(one.example.discharges).strip(),
            "arithmetic": one.example.arithmetic,
            "value": one.example.value,
        },
    }


def plain(one: Declared) -> str:
    """One indicator explained, for a terminal."""
    f = facts(one)
    lines = [
        f"{f['name_zh']}  {f['name_en']}  [{f['id']}]",
        f"维度    {f['domain']}    方向 {f['direction']}    单位 {f['unit'] or '无'}",
        f"计算    {f['formula']}",
        f"来源    {f['source']}（{f['standing']}）",
        f"区间    {f['interval']}",
    ]
    lines += [f"说明    {f['note']}"] if f["note"] else []
    lines += ["执行    " + "\n        ".join(f"{k} = {v}" for k, v in f["executed"].items())]
    lines += ["算例", textwrap.indent(f["example"]["discharges"], "        ")]
    lines += [f"        A 院 = {_value(one)}    {f['example']['arithmetic']}"]
    return "\n".join(lines)


def _value(one: Declared) -> str:
    whole = not one.divides and one.decimals == 0  # a count of cases or groups
    return rounded(one.example.value, 0 if whole else max(one.decimals, 3)) + (one.unit and f" {one.unit}")


def chapters() -> Iterator[tuple[str, list[Declared]]]:
    """Titles with the declarations under them: the domains, then the diseases."""
    for domain in Domain:
        if declared := [one for one in CATALOGUE.values() if one.domain is domain]:
            yield domain.value, declared
    yield "单病种", list(DISEASES.values())


def page(results: Results) -> bytes:
    """The handbook of one run as HTML: every definition as executed, and the choices under which it was."""
    blocks: list[Block] = [
        Title(text="指标手册", subtitle=results.params.title),
        Paragraph(text="由声明自动生成；表达式是实际执行的表达式，算例同时是程序的检验。"),
    ]
    for number, (title, declared) in enumerate(chapters()):
        blocks.append(Heading(text=title))
        for place, one in enumerate(declared):
            blocks += _explained(one, f"example-{number}-{place}")
    blocks += [
        Heading(text="本次运行的政策选择"),
        _pairs(policies(results.params, NAMES), "policies", "政策选择", "参数", "取值"),
    ]
    if lists := results.facts.lists:
        blocks += [
            Heading(text="本次运行所用的目录"),
            _pairs(tuple(lists.items()), "lists", "目录与对照表", "项目", "所用"),
        ]
    return render(blocks, title="指标手册", provenance=provenance(results), above=".").encode("utf-8")


def _explained(one: Declared, id: str) -> list[Block]:
    f = facts(one)
    pairs = [
        ("编号", f["id"]),
        ("计算", f["formula"]),
        ("来源", f"{f['source']}（{f['standing']}）"),
        ("方向", f["direction"]),
        ("单位", f["unit"] or "无"),
        ("区间", f["interval"]),
    ]
    pairs += [("执行", "；".join(f"{k} = {v}" for k, v in f["executed"].items()))]
    header, *rows = [[cell.strip() for cell in line.split("|")] for line in f["example"]["discharges"].splitlines()]
    frame = pd.DataFrame(rows, columns=[f"c{i}" for i in range(len(header))])
    columns = [Column(name=f"c{i}", label=name, format=text) for i, name in enumerate(header)]
    answer = f"A 院 = {_value(one)}：{f['example']['arithmetic']}"
    shown = table(frame, columns, id=id, caption=f"算例：{f['name_zh']}", wide=False, note=answer)
    note: list[Block] = [Note(text=f["note"])] if f["note"] else []
    head = Heading(text=f"{f['name_zh']}（{f['name_en']}）", level=2, id=of_definition(one.id))
    return [head, Meta(pairs=tuple(pairs)), *note, shown]


def _pairs(pairs: tuple[tuple[str, str], ...], id: str, caption: str, *labels: str) -> Block:
    frame = pd.DataFrame([dict(zip(("a", "b"), pair, strict=True)) for pair in pairs])
    columns = [Column(name=n, label=label, format=text) for n, label in zip(("a", "b"), labels, strict=True)]
    return table(frame, columns, id=id, caption=caption, wide=False)


def markdown() -> str:
    """The whole handbook."""
    out = ["# 指标手册", "", "由声明自动生成（`make handbook`），勿手改。表达式是实际执行的表达式。", ""]
    for title, declared in chapters():
        out += [f"## {title}", ""]
        for one in declared:
            f = facts(one)
            out += [f"### {f['name_zh']}（{f['name_en']}，`{f['id']}`）", ""]
            out += [
                f"- 计算：{f['formula']}",
                f"- 来源：{f['source']}（{f['standing']}）",
                f"- 方向：{f['direction']}；单位：{f['unit'] or '无'}；区间：{f['interval']}",
            ]
            out += [f"- 说明：{f['note']}"] if f["note"] else []
            out += [f"- 执行：`{k} = {v}`" for k, v in f["executed"].items()]
            out += [
                "",
                "```text",
                f["example"]["discharges"],
                "```",
                "",
                f"A 院 = **{_value(one)}**：{f['example']['arithmetic']}",
                "",
            ]
    out += ["## 数据质量规则", "", "| 规则 | 内容 | 去向 | 范围 | 来源 |", "|---|---|---|---|---|"]
    for rule in RULES.values():
        scope = "、".join(SCOPES[s] for s in rule.scopes) or "整条记录"
        out.append(f"| 规则{rule.id} | {rule.message_zh} | {rule.fate.zh} | {scope} | {rule.source} |")
    out += ["", "## 政策参数", "", "| 参数 | 名称 | 默认值 | 可选 |", "|---|---|---|---|"]
    out += [f"| `{key}` | {title} | `{default}` | {choices} |" for key, title, default, choices in policy_table()]
    return "\n".join(out) + "\n"


GENERATED = {"docs/handbook.md": markdown, "docs/tables.md": table_pages.markdown, "params/schema.json": json_schema}


def main(arguments: list[str]) -> int:
    """Write the generated documents, or with --check say which are stale."""
    stale = [
        name
        for name, make in GENERATED.items()
        if not (home() / name).is_file() or (home() / name).read_text("utf-8") != make()
    ]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{name} 已过期, 运行 make handbook 重新生成 (stale: run make handbook)\n")
        return 1 if stale else 0
    for name in stale:
        (home() / name).write_text(GENERATED[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
