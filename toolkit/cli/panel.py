"""`speceval panel`: assign experts, write sheets, read scores, show agreement, Delphi rounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import IntoLedger, Json, Seed, Who, print_json

app = typer.Typer(
    name="panel",
    no_args_is_help=True,
    help="专家组：回避与均衡分派、匿名评分表、收回、一致性、汇总、德尔菲。The expert panel.",
)

Rule = Annotated[Path | None, typer.Option("--rule", help="评分规则 rule (YAML)", show_default="自带示例")]
System = Annotated[Path, typer.Option("--system", help="指标体系 indicator system", show_default=False)]
Assigned = Annotated[Path, typer.Option("--assigned", help="分派表 as from `panel assign`", show_default=False)]
KEYS = ("expert", "applicant", "code")


@app.command()
def assign(
    experts: Annotated[
        Path, typer.Argument(help="专家名单：expert、回避列、conflicts、most experts", show_default=False)
    ],
    applicants: Annotated[Path, typer.Option("--applicants", help="申报名单 applicants", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="分派表 csv（含代号，不给专家看）", show_default=False)],
    rule: Rule = None,
    applicant: Annotated[str, typer.Option("--applicant", help="编号列 column of ids")] = "applicant",
    seed: Seed = 0,
) -> None:
    """分派：每个项目若干名专家，回避，负担均衡，种子可复现。Assign experts to projects."""
    from toolkit.programme.panel import assign as assigned
    from toolkit.programme.panel import loads, read_panel_rule
    from toolkit.programme.tables import read_table, write_table

    people = read_table(experts, "专家名单", ["expert"], key=["expert"])
    projects = read_table(applicants, "申报名单", [applicant], key=[applicant])
    made = assigned(read_panel_rule(rule), people, projects, applicant, seed)
    write_table(made, out)
    each = loads(made)
    typer.echo(f"已分派 assigned: {len(each)} 名专家，每人 {min(each.values())}–{max(each.values())} 个项目；{out}")


@app.command()
def sheets(
    system: System,
    assigned: Assigned,
    out: Annotated[Path, typer.Option("--out", help="文件夹 folder", show_default=False)],
) -> None:
    """给每名专家写一份评分表，项目只有代号。Write a sheet for each expert."""
    from toolkit.programme.score_sheets import write_sheets
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_table

    made = read_table(assigned, "分派表", list(KEYS), key=list(KEYS))
    written = write_sheets(read_system(system), made, out)
    typer.echo(f"已写出 written: {out}，{len(written)} 份 sheets")


@app.command()
def read(
    files: Annotated[list[Path], typer.Argument(help="填好的评分表 filled sheets", show_default=False)],
    system: System,
    assigned: Assigned,
    out: Annotated[Path, typer.Option("--out", help="写到 .xlsx write to", show_default=False)],
    rule: Rule = None,
    ledger: IntoLedger = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """收回评分表：汇总、一致性（ICC、Kendall W、IPRAS）、偏离的专家；有错一次全部指出。Read the sheets back."""
    import pandas as pd

    from toolkit.frames import rows_of
    from toolkit.programme.ledger import NOTE
    from toolkit.programme.ledger_export import entering
    from toolkit.programme.panel import agreement, combined, read_panel_rule
    from toolkit.programme.score_sheets import read_sheets
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_table, write_tables
    from toolkit.running.notebook import file_hash

    read_rule, tree = read_panel_rule(rule), read_system(system)
    made = read_table(assigned, "分派表", list(KEYS), key=list(KEYS))
    scores = read_sheets(tree, made, files)
    one, found = combined(read_rule, scores), agreement(tree, scores, read_rule)
    named = {
        "汇总": one,
        "一致性": found["items"],
        "分歧": found["questions"],
        "专家": found["experts"],
        "评分": scores,
    }
    with entering(ledger, out) as enter:
        write_tables(named, out)
        content = {"scores": len(scores), "file": out.name, "sha256": file_hash(out), "rule": read_rule.id}
        enter(kind=NOTE, role="panel", who=who, why="专家评分收回", content=content)
    if as_json:
        print_json(
            {
                name: frame.astype(object).where(pd.notna(frame), None).to_dict("records")
                for name, frame in found.items()
            }
        )
        return
    for row in rows_of(found["items"]):
        icc = f"{row.kind} {_told(row.icc, row.low, row.high)}" if row.kind else "—"
        typer.echo(f"{row.title}: {icc}" + ("" if row.w != row.w else f"，Kendall W {row.w:.2f}（P={row.w_p:.3f}）"))
    apart = found["experts"].loc[found["experts"]["outlying"], "expert"]
    typer.echo(f"偏离的专家 outlying: {'、'.join(apart) or '无'}；结果 results: {out}")


def _told(value: float, low: float, high: float) -> str:
    """A coefficient of agreement with its limits; below 0 its size says nothing more."""
    if value != value:
        return "不能判断"
    said = f"{value:.2f}" if value >= 0 else "低于 0（不比偶然一致）"
    return said + (f"（{low:.2f}–{high:.2f}）" if low == low and high == high else "（区间不能判断）")


@app.command()
def delphi(
    answers: Annotated[
        Path, typer.Argument(help="应答：round、expert、item、rating，可有 ca、cs answers", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="写到 .xlsx write to", show_default=False)],
    lowest: Annotated[float, typer.Option("--lowest", help="量表最低 least of the scale")] = 1.0,
    highest: Annotated[float, typer.Option("--highest", help="量表最高 most of the scale")] = 9.0,
) -> None:
    """德尔菲各轮：均值、变异系数、分歧、协调系数、权威程度。Rounds of a Delphi survey."""
    from toolkit.errors import InputError
    from toolkit.frames import rows_of
    from toolkit.programme.delphi import delphi as rounds_of
    from toolkit.programme.tables import number_of, read_table, write_tables

    keys = ["round", "expert", "item"]
    frame = read_table(answers, "德尔菲应答", [*keys, "rating"], key=keys)
    for column in [c for c in ("round", "rating", "ca", "cs") if c in frame]:
        frame[column] = number_of(frame, column, "德尔菲应答", str(answers))
    given = frame[frame["rating"].notna()]
    if not given["rating"].between(lowest, highest).all():
        raise InputError(
            f"有评分不在 {lowest:g} 至 {highest:g} 之间",
            "ratings off the scale",
            where=str(answers),
            remedy="核对应答，或给出 --lowest、--highest",
            remedy_english="mend them, or give the scale",
        )
    items, rounds = rounds_of(given, lowest, highest)
    write_tables({"条目": items, "各轮": rounds}, out)
    for row in rows_of(rounds):
        cr = "" if row.cr != row.cr else f"，权威程度 Cr {row.cr:.2f}"
        typer.echo(f"第 {row.round:g} 轮: {row.experts} 名专家，Kendall W {row.w:.3f}（P={row.w_p:.3f}）{cr}")
