"""`speceval evidence` and `speceval values`: what records cannot give, and what they can, as one table of values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import IntoLedger, Json, Who, print_json

app = typer.Typer(
    name="evidence",
    no_args_is_help=True,
    help="佐证材料：给每个申报项目写出工作簿，逐行核对后收回，保留各版。Evidence of the applicants.",
)

System = Annotated[Path, typer.Argument(help="指标体系 indicator system (YAML)", show_default=False)]
Applicants = Annotated[Path, typer.Option("--applicants", help="申报名单 a row an applicant", show_default=False)]
Store = Annotated[Path, typer.Option("--store", help="佐证库文件夹 folder of the store", show_default=False)]


@app.command()
def template(
    system: System,
    applicants: Applicants,
    out: Annotated[Path, typer.Option("--out", help="文件夹 folder", show_default=False)],
) -> None:
    """给每个申报项目写一份 Excel：佐证项目、要求、取值、文件，建设方案的目标。Write a workbook for each applicant."""
    from toolkit.programme.evidence import write_templates
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_table

    read = read_system(system)
    written = write_templates(read, read_table(applicants, "申报名单", [read.unit], key=[read.unit]), out)
    typer.echo(f"已写出 written: {out}，{len(written)} 份 workbooks")


@app.command("import")
def take(
    system: System,
    files: Annotated[list[Path], typer.Argument(help="填好的工作簿 filled workbooks", show_default=False)],
    applicants: Applicants,
    store: Store,
    ledger: IntoLedger = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """收回工作簿：逐行核对，有错一次全部指出，一份也不收；没有错则各成一版。Read filled workbooks back."""
    from toolkit.programme.evidence import EVIDENCE_FILE, TARGETS_FILE, read_workbooks, take_in
    from toolkit.programme.ledger import NOTE
    from toolkit.programme.ledger_export import entering
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_table

    read = read_system(system)
    known = read_table(applicants, "申报名单", [read.unit], key=[read.unit])[read.unit]
    filled = read_workbooks(read, list(known), files)
    with entering(ledger, store / EVIDENCE_FILE, store / TARGETS_FILE) as enter:
        versions = take_in(store, filled, who)
        for book in filled:
            content = {"version": versions[book.applicant], "file": book.file.name, "sha256": book.sha256}
            enter(kind=NOTE, role="hospital", who=who, project=book.applicant, why="收到佐证材料", content=content)
    if as_json:
        print_json(versions)
        return
    for book in filled:
        typer.echo(
            f"{book.applicant}  第 {versions[book.applicant]} 版 version：佐证 {len(book.items)} 项，目标 {len(book.targets)} 个"
        )


@app.command("values")
def with_evidence(
    system: System,
    store: Store,
    records: Annotated[
        Path, typer.Option("--records", help="病例所得的数值表 values from records", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="合并后的数值表 csv values of both", show_default=False)],
    targets: Annotated[
        Path | None, typer.Option("--targets", help="另写各项目的目标 csv targets too", show_default=False)
    ] = None,
) -> None:
    """病例所得的数值与最新一版佐证合成一张数值表，另写目标表。Put values from records and evidence together."""
    from toolkit.programme.evidence import targets_of, values_with
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_table, write_table

    read = read_system(system)
    whole = values_with(read, read_table(records, "数值表", [read.unit], key=[read.unit]), store)
    write_table(whole, out)
    if targets is not None:
        write_table(targets_of(store), targets)
    typer.echo(f"已写出 written: {out}，{len(whole)} 行 rows")


def values(
    run: Annotated[Path, typer.Argument(help="已完成的运行 a finished run", show_default=False)],
    system: Annotated[Path, typer.Option("--system", help="指标体系 indicator system", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="数值表 csv values", show_default=False)],
    errors: Annotated[
        Path | None, typer.Option("--errors", help="另写标准误 csv standard errors", show_default=False)
    ] = None,
    period: Annotated[str, typer.Option("--period", help="期间，默认最后一个周期 a cycle or year")] = "",
) -> None:
    """一次运行中体系所列指标的数值表：一行一个单元。The values of a run that a system scores."""
    from toolkit.evaluation.results import RESULTS, load
    from toolkit.programme.run_values import values_of
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import write_table

    numbers, of_errors = values_of(load(run / RESULTS), read_system(system), period)
    write_table(numbers, out)
    if errors is not None:
        write_table(of_errors, errors)
    typer.echo(f"已写出 written: {out}，{len(numbers)} 个单元 units")
