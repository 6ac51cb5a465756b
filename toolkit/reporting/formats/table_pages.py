"""结果表: the page of every result table, generated from the declarations (`docs/tables.md`)."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.declared import KIND_ZH, STAGES, Col, TableDecl
from toolkit.evaluation.tables import TABLES

HEAD = """# 结果表

由声明自动生成（`make handbook`），勿手改。每张表是 `reports/<运行>/results/<表名>.parquet`；`speceval tables` 把它们写成 csv 或 xlsx。
读写时逐列核对：缺列、多列或类型不符即报错，并指明表名与列名。

Generated from the declarations. Each table is `reports/<run>/results/<name>.parquet`; `speceval tables` writes csv or xlsx.

- 主键中的列从不缺失，各行互不相同。其余列的缺失是“没有”，从不以 0 代替。
- 名称中带 `*` 的列代表同类的几列。
- “发布版”一栏说明该表在发布版中如何给出；没有声明控制的表在发布版中没有行。
"""


def markdown() -> str:
    """Every table by the stage that makes it."""
    out = [HEAD]
    for stage, title in STAGES.items():
        chosen = [one for one in TABLES if one.stage == stage]
        out += [f"## {title}（`{stage}`）", ""]
        out += ["| 表 | 内容 | 一行是 |", "|---|---|---|"]
        out += [f"| [`{one.name}`](#{one.name}) | {one.zh} | {one.one_row_zh} |" for one in chosen]
        out.append("")
        for one in chosen:
            out += _page(one)
    return "\n".join(out).rstrip() + "\n"


def _page(one: TableDecl) -> Iterator[str]:
    yield f"### {one.name}"
    yield ""
    yield f"**{one.zh}**。一行是{one.one_row_zh}。One row: {one.one_row}."
    yield ""
    yield f"- 主键：{'、'.join(f'`{k}`' for k in one.key)}"
    yield f"- 发布版：{f'经控制 `{one.release}`' if one.release else '不给出'}"
    yield ""
    yield "| 列 | 名称 | 类型 | 单位 | 说明 |"
    yield "|---|---|---|---|---|"
    for column in one.columns:
        yield f"| `{column.name}` | {column.zh} | {KIND_ZH[column.kind]} | {column.unit} | {_meaning(column)} |"
    yield ""


def _meaning(column: Col) -> str:
    words = "，".join(f"`{id_}` {zh}" for id_, zh in column.words)
    said = "。".join(part for part in (column.meaning, words, "不是每次运行都有" if column.optional else "") if part)
    return said.replace("|", "\\|")
