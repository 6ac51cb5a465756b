"""`speceval programme`: one whole cycle as an example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, print_json


def programme(
    file: Annotated[
        Path | None, typer.Argument(help="示例文件 the example (YAML)", show_default="params/programme-demo.yaml")
    ] = None,
    reports: Annotated[Path, typer.Option("--reports", help="输出文件夹 folder for the cycle")] = Path("reports"),
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="同时生成的报告数 reports at a time")] = 2,
    as_json: Json = False,
) -> None:
    """用合成区域演示一个完整周期：申报、评审、遴选、立项、年度监测、期末评估、现场抽核、挂牌。One whole cycle as an example."""
    from toolkit.programme.opened_cycle import read_cycle
    from toolkit.running import exit_code
    from toolkit.runs.cycle_reports import cycle_reports
    from toolkit.runs.programme_cycle import read_programme, run_cycle

    folder = reports / read_programme(file).id
    run_cycle(file, folder, lambda step, share: None if as_json else typer.echo(f"{step} …"))
    outcomes = cycle_reports(folder, workers)
    tables = read_cycle(folder).tables
    counts = tables["states"].dropna(subset=["project"]).groupby("state_zh").size().to_dict()
    if as_json:
        print_json({"folder": str(folder), "states": counts, "reports": {o.id: o.state.value for o in outcomes}})
    else:
        typer.echo("，".join(f"{state} {n} 个" for state, n in counts.items()))
        for outcome in outcomes:
            typer.echo(f"{outcome.title}: {folder / outcome.id / 'report.html' if outcome.exists else outcome.reason}")
        typer.echo(f"台账 ledger: speceval ledger show {folder / 'ledger.sqlite'}")
    raise typer.Exit(exit_code(outcomes))
