"""`speceval decide`, `speceval rehearse`, `speceval protocol`: the decision, its rehearsal, the proof that it is the sealed one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.shared import IntoLedger, Json, Role, Seed, Who, print_json

if TYPE_CHECKING:
    from toolkit.programme.protocol import Change

protocol = typer.Typer(
    name="protocol",
    no_args_is_help=True,
    help="方案封存：周期开始时封存规则、目标、体系、参数和程序，期末核对改了什么。Seal what will be judged by.",
)

Run = Annotated[Path, typer.Argument(help="已完成的运行 a finished run", show_default=False)]
Rule = Annotated[Path | None, typer.Option("--rule", help="判定规则 decision rule (YAML)", show_default="自带示例")]
Targets = Annotated[
    Path | None,
    typer.Option(
        "--targets", help="各项目的目标：project、indicator、target targets of each project", show_default=False
    ),
]

System = Annotated[Path | None, typer.Option("--system", help="指标体系 indicator system")]
Parameters = Annotated[Path | None, typer.Option("--parameters", help="评估的参数文件 parameter file")]
Selection = Annotated[Path | None, typer.Option("--selection", help="遴选规则 rules of the selection")]
Also = Annotated[list[Path] | None, typer.Option("--also", help="其他文件，可重复 others", show_default=False)]


@protocol.command("seal")
def seal_protocol(
    out: Annotated[Path, typer.Option("--out", help="写到（json）write to", show_default=False)],
    rule: Rule = None,
    targets: Targets = None,
    system: System = None,
    parameters: Parameters = None,
    selection: Selection = None,
    also: Also = None,
    ledger: IntoLedger = "",
    role: Annotated[str, typer.Option("--role", help="以何身份 in what office")] = "commission",
    who: Who = "",
    title: Annotated[str, typer.Option("--title", help="方案名称 title")] = "",
) -> None:
    """封存方案并记入台账。Seal the protocol and enter it in the ledger."""
    from toolkit.programme import ledger_export
    from toolkit.programme.protocol import seal

    files = _files(rule, targets, system, parameters, selection, also)
    if ledger:
        with ledger_export.opened(ledger, new=True) as one:
            key = seal(files, out, title=title, ledger=one, role=role, who=who, why=title or "封存方案")
    else:
        key = seal(files, out, title=title)
    typer.echo(f"已封存 sealed: {out}，{len(files)} 个文件 files，编号 key {key}")


def _files(
    rule: Path | None,
    targets: Path | None,
    system: Path | None,
    parameters: Path | None,
    selection: Path | None,
    also: list[Path] | None,
) -> dict[str, Path]:
    from toolkit.errors import ParameterError
    from toolkit.programme.decision import RULE
    from toolkit.resources import resource

    names = [path.name for path in also or []]
    if twice := sorted({name for name in names if names.count(name) > 1}):  # one would take the other's place unseen
        raise ParameterError(
            f"--also 有同名文件: {'、'.join(twice)}",
            "files of one name",
            where="--also",
            remedy="改名后分别给出",
            remedy_english="give them different names",
        )
    given = {"targets": targets, "system": system, "parameters": parameters, "selection": selection}
    files = {name: path for name, path in given.items() if path is not None}
    return {"rule": rule or resource(RULE), **files, **{f"other:{path.name}": path for path in also or []}}


@protocol.command("check")
def check_protocol(
    sealed: Annotated[Path, typer.Argument(help="封存文件 sealed protocol (json)", show_default=False)],
    rule: Rule = None,
    targets: Targets = None,
    system: System = None,
    parameters: Parameters = None,
    selection: Selection = None,
    also: Also = None,
    ledger: IntoLedger = "",
    as_json: Json = False,
) -> None:
    """核对封存以来改了什么：逐文件、逐键。What was changed since; exit code 0 nothing, 5 something."""
    from toolkit.errors import RunError

    found = _changes(sealed, _files(rule, targets, system, parameters, selection, also), ledger)
    if as_json:
        print_json({"unchanged": not found, "changes": [asdict(one) for one in found]})
    else:
        for change in found:
            typer.echo(f"改动 changed: {change}")
        if not found:
            typer.echo("自封存以来没有改动 nothing was changed since it was sealed")
    if found:
        raise typer.Exit(RunError.exit_code)


def _changes(sealed: Path, files: dict[str, Path], ledger: str) -> list[Change]:
    from toolkit.programme import ledger_export
    from toolkit.programme.protocol import changes, opened

    entries = None
    if ledger:
        with ledger_export.opened(ledger) as one:
            entries = one.entries()
    return changes(opened(sealed), files, entries)


def decide(
    run: Run,
    out: Annotated[Path, typer.Option("--out", help="写到 .xlsx 或 .csv write to", show_default=False)],
    rule: Rule = None,
    targets: Targets = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--values", help="佐证或专家项目的值：project 和各项一列 evidence and panel items", show_default=False
        ),
    ] = None,
    sealed: Annotated[
        Path | None, typer.Option("--protocol", help="周期开始时的封存文件 sealed at the start", show_default=False)
    ] = None,
    system: Annotated[Path | None, typer.Option("--system", help="指标体系，核对封存用 held against the seal")] = None,
    parameters: Annotated[
        Path | None, typer.Option("--parameters", help="参数文件，核对封存用 held against the seal")
    ] = None,
    selection: Annotated[
        Path | None, typer.Option("--selection", help="遴选规则，核对封存用 held against the seal")
    ] = None,
    ledger: IntoLedger = "",
    enter: Annotated[
        bool, typer.Option("--enter/--no-enter", help="给出台账时记入结论，默认记 enter the decision in the ledger")
    ] = True,
    role: Role = "commission",
    who: Who = "",
    draws: Annotated[int, typer.Option("--draws", min=0, help="抽样次数 draws")] = 1000,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """按判定规则给每个项目结论：合格、整改、边界或不予评价，及其理由和翻转概率。Decide on every project."""
    import pandas as pd

    from toolkit.evaluation.results import RESULTS, load
    from toolkit.frames import rows_of
    from toolkit.programme.decided import decide as decided
    from toolkit.programme.decision import read_rule
    from toolkit.programme.findings import of_run
    from toolkit.programme.ledger_export import entering
    from toolkit.programme.tables import read_table, write_table, write_tables
    from toolkit.runs.decision_entry import decision_about, enter_decision
    from toolkit.runs.record_correlation import record_correlation

    changed = _changes(sealed, _files(rule, targets, system, parameters, selection, None), ledger) if sealed else None
    goals = (
        read_table(targets, "目标表", ["project", "indicator", "target"], key=["project", "indicator"])
        if targets
        else None
    )
    items = read_table(given, "数值表", ["project"], key=["project"]) if given else None
    results = load(run / RESULTS)
    asks = read_rule(rule)
    shared = record_correlation(run, [one.id for one in asks.indicators], seed=seed) if draws else None
    found = decided(of_run(results, asks, goals, items, by_records=shared), draws=draws, seed=seed)
    with entering(ledger if enter else "", out) as enter_one:
        if out.suffix.lower() == ".xlsx":
            proof = pd.DataFrame([asdict(one) for one in changed or []], columns=["what", "where", "then", "now"])
            pairs = found.pairs
            write_tables(
                {"结论": found.projects, "指标": found.indicators, "指标间相关": pairs, "封存以来的改动": proof}, out
            )
        else:
            write_table(found.projects, out)
        about = decision_about(found, run, sealed, changed, out)
        enter_decision(enter_one, found, about, role=role, who=who)
    if as_json:
        print_json(
            {
                "projects": found.projects.to_dict("records"),
                "protocol": None if changed is None else [asdict(one) for one in changed],
            }
        )
        return
    for row in rows_of(found.projects):
        sure = "" if row.flips != row.flips else f"，重来一次翻转概率 {row.flips:.0%}"
        typer.echo(f"{row.project}  {row.outcome_zh}{sure}  {row.why}" + (f"  未达到：{row.mend}" if row.mend else ""))
    if changed is None:
        typer.echo("没有给出封存文件（--protocol），未核对规则是否改动 not held against a sealed protocol")
    for change in changed or []:
        typer.echo(f"改动 changed: {change}")
    if changed == []:
        typer.echo("自封存以来没有改动 nothing was changed since the protocol was sealed")
    typer.echo(f"结果 results: {out}" + ("，已记入台账 entered in the ledger" if ledger and enter else ""))


def rehearse(
    run: Run,
    rule: Rule = None,
    effect: Annotated[
        list[float] | None,
        typer.Option(
            "--effect", min=0.0, help="植入的变化（倍数，>1 变好），可重复 planted change", show_default="1、1.2、1/1.2"
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="写到 .xlsx write to", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """预演：规则用在未立项单元上，有无植入变化，各会误判多少，按专科规模。Rehearse a rule before it costs a project."""
    from toolkit.evaluation.results import RESULTS, load
    from toolkit.frames import rows_of
    from toolkit.programme.decision import read_rule
    from toolkit.programme.rehearsal import rehearse as rehearsed
    from toolkit.programme.tables import write_tables

    found = rehearsed(load(run / RESULTS), read_rule(rule), effect or (1.0, 1.2, 1 / 1.2))
    if out is not None:
        write_tables({"误判率": found.rates, "单元": found.units}, out)
    if as_json:
        print_json({"rates": found.rates.to_dict("records"), "left_out": list(found.left_out)})
        return
    for row in rows_of(found.rates):
        wrong = "—" if row.wrong != row.wrong else f"{row.wrong:.0%}（{row.low:.0%}–{row.high:.0%}）"
        typer.echo(
            f"{row.planted_zh}  {row.size}（{row.cases} 例，{row.units} 个）  应为{row.true_zh}：合格 {row.qualified:.0%} "
            f"整改 {row.mend:.0%} 边界 {row.boundary:.0%} 不予评价 {row.not_judged:.0%}  {row.wrong_zh} {wrong}"
        )
    if found.left_out:
        typer.echo(f"没有估计、未参与预演的指标 left out: {'、'.join(found.left_out)}")
