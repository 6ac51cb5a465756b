"""Commands that make a run: of a parameter file, of the demo."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli import ledger as ledger_commands
from toolkit.cli.shared import Json, Params, Quiet, Workers, print_json, progress

if TYPE_CHECKING:
    from toolkit.documents import Document
    from toolkit.params import RunParams
    from toolkit.runs.explain import Why

Reports = Annotated[Path, typer.Option("--reports", help="输出文件夹 folder for the run")]
Fresh = Annotated[bool, typer.Option("--fresh", help="全部重做，不用已有的表和报告 make everything anew")]
EditionOption = Annotated[
    str,
    typer.Option(
        "--edition", help="internal 内部评估版（精确）或 release 发布版（隐去小数目）", show_default="internal"
    ),
]
Explain = Annotated[
    bool,
    typer.Option("--explain", help="说明每个阶段和报告为何保留或重做 say why each stage and report is kept or redone"),
]
Closed = Annotated[
    bool,
    typer.Option(
        "--closed",
        help="关闭网络，只能写 --reports 和临时文件夹 no network, writes to --reports and temporary files only",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="只列出将要做什么 only say what would be done")]


def run(
    params: Params,
    reports: Reports = Path("reports"),
    workers: Workers = 2,
    edition: EditionOption = "",
    fresh: Fresh = False,
    explain: Explain = False,
    dry_run: DryRun = False,
    ledger: Annotated[
        str, typer.Option("--ledger", help="把此台账的末条封存进运行清单 seal this ledger's head in the manifest")
    ] = "",
    closed: Closed = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """运行一次评估，生成全部报告；已完成且核对无误的不重做。Run an evaluation to finished reports; what verifies is kept."""
    left_open = _closed_off(reports) if closed else []
    from toolkit.evaluation.names import NAMES
    from toolkit.params import load_params

    asked = _of_edition(load_params(params, NAMES), edition)
    _run(asked, reports, workers, dry_run, quiet, as_json, fresh, explain, ledger, left_open)


def _closed_off(reports: Path) -> list[str]:
    """Close this process, which as yet has no threads; say what the system could not close."""
    import tempfile

    from toolkit.running.closed import close_off

    reports.mkdir(parents=True, exist_ok=True)
    left_open = close_off([reports, Path(tempfile.gettempdir())])
    for one in left_open:
        typer.echo(f"注意 note: {one}", err=True)
    return left_open


def _of_edition(params: RunParams, edition: str) -> RunParams:
    from toolkit.errors import ParameterError, nearest
    from toolkit.params import Edition

    if edition not in ("", "internal", "release"):
        near = nearest(edition, ("internal", "release"))
        raise ParameterError(
            f"没有版本 {edition}",
            "no such edition",
            where="--edition",
            remedy=f"是否为 {near}?" if near else "internal 或 release",
            remedy_english="internal or release",
        )
    return params.model_copy(update={"edition": next(e for e in Edition if e == edition)}) if edition else params


def demo(
    reports: Reports = Path("reports"),
    workers: Workers = 2,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """用合成数据运行演示评估。Run the demo on synthetic data."""
    from toolkit.resources import resource

    run(resource("params/demo.yaml"), reports, workers, dry_run=dry_run, quiet=quiet, as_json=as_json)


def _run(
    params: RunParams,
    reports: Path,
    workers: int,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    fresh: bool = False,
    explain: bool = False,
    ledger: str = "",
    left_open: Sequence[str] = (),
) -> None:
    if dry_run:
        _say_plan(params, reports, as_json, fresh)
        return
    from toolkit.running import exit_code
    from toolkit.runs import pipeline

    head = ledger_commands.head(ledger) if ledger else None  # before the work: one that cannot be opened costs none
    # stopped from outside, a run still ends its processes and says so in its state
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with progress(quiet or as_json) as (step, report):
        done = pipeline.run(params, reports, workers=workers, progress=step, on_report=report, fresh=fresh, head=head)
    why = _as_records(done.why)
    failed = [o for o in done.outcomes if not o.exists]
    index = done.folder / "index.html"
    if as_json:
        print_json(
            {
                "run": params.run,
                "index": str(index),
                "reports": [
                    {"id": o.id, "title": o.title, "state": o.state.value, "reason": o.reason} for o in done.outcomes
                ],
                **({"explained": why} if explain else {}),
                **({"open": list(left_open)} if left_open else {}),
            }
        )
    else:
        for one in done.why if explain else ():
            typer.echo(str(one))
        for outcome in failed:
            typer.echo(f"未完成 failed: {outcome.title} — {outcome.reason} {outcome.message}", err=True)
        typer.echo(f"{len(done.outcomes) - len(failed)} 份报告完成 reports done, {len(failed)} 份未完成 failed")
        typer.echo(f"打开 open: {index}")
    raise typer.Exit(exit_code(done.outcomes))


def _as_records(why: Sequence[Why]) -> list[Document]:
    return [{"id": w.what, "report": w.report, "kept": w.kept, "reasons": list(w.reasons)} for w in why]


def _say_plan(params: RunParams, reports: Path, as_json: bool, fresh: bool) -> None:
    """What a run would do, without reading a record."""
    from toolkit.data.reading.opening import find
    from toolkit.evaluation.names import NAMES
    from toolkit.params import policies
    from toolkit.runs import pipeline

    why = pipeline.planned(params, reports, fresh=fresh)
    files = [str(p) for p in find(params.data.entries)] if params.data.entries else []
    plan = {
        "run": params.run,
        "folder": str(reports / params.run),
        "format": "、".join(dict.fromkeys(group.format for group in params.data.groups)) or params.data.format,
        "files": files,
        "synthetic": params.data.synthetic.discharges if params.data.synthetic else None,
        "periods": {k: v.label for k, v in params.periods.items()},
        "specialties": [s.id for s in params.specialties],
        "projects": [f"{p.hospital} {p.specialty}" for p in params.projects],
        "policies": dict(policies(params, NAMES)),
        "explained": _as_records(why),
    }
    if as_json:
        print_json(plan)
        return
    typer.echo(f"将运行 would run: {params.title}\n输出 output: {plan['folder']}")
    source = f"合成数据 synthetic, {plan['synthetic']:,} 例" if params.data.synthetic else f"{len(files)} 个文件 files"
    typer.echo(f"数据 data: {source}，格式 format {plan['format']}")
    typer.echo(
        f"周期 periods: {'、'.join(v.label for v in params.periods.values())}；专科 specialties: {len(params.specialties) or '随数据生成'}"
    )
    typer.echo(f"项目 projects: {len(params.projects) or '随数据生成'}")
    for name, value in policies(params, NAMES):
        typer.echo(f"  {name} = {value}")
    for one in why:
        typer.echo(str(one))
