"""`speceval spotcheck`: which projects are visited, what is verified there, what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import IntoLedger, Json, Seed, Who, print_json

app = typer.Typer(
    name="spotcheck",
    no_args_is_help=True,
    help="现场抽核：必查与分层随机抽取，病例清单，结果收回到台账和结论。On-site checks.",
)
Decisions = Annotated[Path, typer.Argument(help="speceval decide 的结果 as from `speceval decide`", show_default=False)]


@app.command()
def draw(
    decisions: Decisions,
    run: Annotated[Path, typer.Option("--run", help="评估的运行文件夹 the run's folder", show_default=False)],
    sites: Annotated[Path, typer.Option("--sites", help="抽取结果 csv who is visited", show_default=False)],
    form: Annotated[Path, typer.Option("--form", help="现场用表 xlsx the form to take along", show_default=False)],
    share: Annotated[float, typer.Option("--share", help="随机部分的比例，不低于 5% share of the rest")] = 0.05,
    stratum: Annotated[
        list[str] | None, typer.Option("--stratum", help="分层列：hospital、specialty、project 等，可重复")
    ] = None,
    records: Annotated[int, typer.Option("--records", min=1, help="每个项目核查病例数 records a project")] = 20,
    seed: Seed = 0,
) -> None:
    """抽取：边界、红线、数据断点必查，其余分层随机，不少于 5%，概率写明；并抽病例。Draw projects and records."""
    from toolkit.evaluation.results import RESULTS, load
    from toolkit.programme.spot_check import by_stratum, draw_sites, write_form
    from toolkit.programme.tables import read_table, write_table
    from toolkit.runs.site_records import sampled, with_breaks

    table = read_table(decisions, "结论", ["project", "outcome"], key=["project"])
    units = load(run / RESULTS).units.rename(columns={"id": "project", "project": "level"})
    table = table.merge(units[["project", "hospital", "specialty", "level"]], on="project", how="left")
    made = draw_sites(table, share=share, strata=stratum or [], breaks=with_breaks(run), seed=seed)
    chosen = made.loc[made["visited"], "project"].tolist()
    cases, sizes = sampled(run, made["project"].tolist(), records, seed)
    write_form(made, cases[cases["project"].isin(chosen)], form, "现场抽核")
    write_table(made.assign(cases=made["project"].map(sizes)), sites)
    for row in by_stratum(made).to_dict("records"):
        typer.echo(
            f"{row['stratum'] or '全部'}: {row['projects']} 个，必查 {row['certain']}，随机 {row['drawn']}，概率 {row['probability']:.3f}"
        )
    typer.echo(f"抽中 visited: {len(chosen)} / {len(made)}；{sites}；{form}")


@app.command()
def read(
    decisions: Decisions,
    form: Annotated[Path, typer.Argument(help="填好的现场用表 the filled form", show_default=False)],
    sites: Annotated[Path, typer.Option("--sites", help="抽取结果 as from `spotcheck draw`", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="写到 .xlsx write to", show_default=False)],
    rule: Annotated[Path | None, typer.Option("--rule", help="判定规则 decision rule")] = None,
    ledger: IntoLedger = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """收回：各项目的差错率，对全部项目的估计，结论随之更新，记入台账。Read the findings back."""
    from dataclasses import asdict

    import pandas as pd

    from toolkit.frames import rows_of
    from toolkit.programme.decision import read_rule
    from toolkit.programme.ledger import DECISION
    from toolkit.programme.ledger_export import entering
    from toolkit.programme.spot_check import after_visit, over_all, read_form
    from toolkit.programme.tables import number_of, read_table, write_tables

    table = read_table(decisions, "结论", ["project", "outcome"], key=["project"])
    drawn = read_table(sites, "抽取结果", ["project", "probability", "certain", "visited", "cases"], key=["project"])
    drawn = drawn.assign(
        **{c: drawn[c] == "True" for c in ("certain", "visited")},
        **{c: number_of(drawn, c, "抽取结果", str(sites)) for c in ("probability", "cases")},
    )
    found = read_form(form, drawn)
    whole = over_all(found.projects, drawn, drawn.set_index("project")["cases"])
    final = after_visit(read_rule(rule), table, found.projects)
    summary = pd.DataFrame([asdict(whole)])
    finals = final.set_index("project")["final"]
    with entering(ledger, out) as enter:
        write_tables({"结论": final, "现场": found.projects, "分项": found.fields, "全部项目": summary}, out)
        for row in rows_of(found.projects):
            content = {"conclusion": row.conclusion, "records": int(row.records), "wrong": int(row.wrong)}
            enter(
                kind=DECISION,
                role="panel",
                who=who,
                project=row.project,
                why=f"现场抽核：{row.conclusion}",
                content={**content, "outcome": str(finals[row.project])},
            )
    if as_json:
        print_json({"projects": final.to_dict("records"), "over_all": asdict(whole)})
        return
    for row in rows_of(final):
        typer.echo(f"{row.project}  {row.site or '未抽中'}  → {row.final_zh}")
    typer.echo(
        f"差错率（对全部项目的估计）error over all: {whole.share:.1%}（{whole.low:.1%}–{whole.high:.1%}）；{out}"
    )
