"""指标手册: generated from the declarations. `python -m toolkit.reporting.handbook --check` fails where it is stale."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import Any

from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality import SCOPES
from toolkit.indicators import CATALOGUE, Count, Declared, Domain
from toolkit.params import POLICY_SECTIONS, RunParams, json_schema
from toolkit.reporting.tables import rounded

ROOT = Path(__file__).resolve().parents[2]


def facts(one: Declared) -> dict[str, Any]:
    """A declaration as plain data; expressions as they are executed."""
    executed = (
        {"distinct": one.of, "among": repr(one.among)}
        if isinstance(one, Count)
        else {
            name: repr(value)
            for name in ("numerator", "denominator", "squares", "among", "applies_to")
            if (value := getattr(one, name)) is not None
        }
    )
    source = one.source.title + (f"，{one.source.clause}" if one.source.clause else "")
    return {
        "id": one.id, "name_zh": one.name_zh, "name_en": one.name_en, "domain": one.domain.value, "formula": one.formula,
        "source": source, "standing": one.source.standing.value, "direction": one.direction.value, "unit": one.unit,
        "interval": getattr(getattr(one, "distribution", None), "value", "无"), "note": one.note, "executed": executed,
        "example": {"discharges": textwrap.dedent(one.example.discharges).strip(), "arithmetic": one.example.arithmetic,
                    "value": one.example.value},
    }  # fmt: skip


def plain(one: Declared) -> str:
    """One indicator explained, for a terminal."""
    f = facts(one)
    lines = [
        f"{f['name_zh']}  {f['name_en']}  [{f['id']}]", f"维度    {f['domain']}    方向 {f['direction']}    单位 {f['unit'] or '无'}",
        f"计算    {f['formula']}", f"来源    {f['source']}（{f['standing']}）", f"区间    {f['interval']}",
    ]  # fmt: skip
    lines += [f"说明    {f['note']}"] if f["note"] else []
    lines += ["执行    " + "\n        ".join(f"{k} = {v}" for k, v in f["executed"].items())]
    lines += ["算例", textwrap.indent(f["example"]["discharges"], "        ")]
    lines += [f"        A 院 = {_value(one)}    {f['example']['arithmetic']}"]
    return "\n".join(lines)


def _value(one: Declared) -> str:
    return rounded(one.example.value, max(one.decimals, 3 if one.unit != "组" else 0)) + (one.unit and f" {one.unit}")


def markdown() -> str:
    """The whole handbook."""
    out = ["# 指标手册", "", "由声明自动生成（`make handbook`），勿手改。表达式是实际执行的表达式。", ""]
    for domain in Domain:
        declared = [one for one in CATALOGUE.values() if one.domain is domain]
        if declared:
            out += [f"## {domain.value}", ""]
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
        out.append(f"| 规则{rule.id} | {rule.message_zh} | {rule.fate.value} | {scope} | {rule.source} |")
    out += ["", "## 政策参数", "", "| 参数 | 名称 | 默认值 |", "|---|---|---|"]
    for section in POLICY_SECTIONS:
        field = RunParams.model_fields[section]
        for name, inner in type(field.default).model_fields.items():
            out.append(f"| `{section}.{name}` | {field.title}：{inner.title} | `{getattr(field.default, name)}` |")
    return "\n".join(out) + "\n"


GENERATED = {"docs/handbook.md": markdown, "params/schema.json": json_schema}


def main(arguments: list[str]) -> int:
    """Write the generated documents, or with --check say which are stale."""
    stale = [
        name
        for name, make in GENERATED.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text("utf-8") != make()
    ]
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{name} 已过期, 运行 make handbook 重新生成 (stale: run make handbook)\n")
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(GENERATED[name](), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
