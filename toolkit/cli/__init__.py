"""The command line `speceval`: a module a group of commands, which parse, call the pipeline and print.

Heavy modules are imported inside the commands.
"""

from __future__ import annotations

import gc
import os
import resource

import typer

from toolkit.cli import decision as decision_commands
from toolkit.cli import evidence as evidence_commands
from toolkit.cli import finished as finished_commands
from toolkit.cli import indicators as indicator_commands
from toolkit.cli import ledger as ledger_commands
from toolkit.cli import panel as panel_commands
from toolkit.cli import programme as programme_commands
from toolkit.cli import records as record_commands
from toolkit.cli import run as run_commands
from toolkit.cli import selection as selection_commands
from toolkit.cli import spot_check as spot_check_commands
from toolkit.cli import verification as verification_commands
from toolkit.cli import word as word_commands
from toolkit.errors import EvaluationError, ParameterError, unforeseen

# Plans of queries are many small objects that live: looking through them for rubbish so often takes a sixth of an intake.
COLLECT = (50_000, 20, 100)
LEAST_MEMORY = 2 << 30  # address space in bytes: libraries, threads and maps count

app = typer.Typer(
    name="speceval",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich costs a third of the start
    help="临床重点专科建设项目评估：从病案首页到评估报告。Evaluation of clinical specialty projects.",
    epilog="退出码 exit codes: 0 完成 done · 2 参数有误 bad parameters · 3 数据不可用 unusable input · "
    "(check: 没有一例被纳入，或项目、专科、名单没有配上 nothing accepted or matched) · "
    "4 程序或插件的声明有误 a fault of the toolkit or a plug-in · "
    "5 有报告未完成，或有不同 a report failed, or something differs · 6 病例不平衡 records do not add up · "
    "7 未能全部核对 not everything could be checked · 1 其他 other",
)
app.add_typer(ledger_commands.app)
for group in (evidence_commands.app, panel_commands.app, decision_commands.protocol, spot_check_commands.app):
    app.add_typer(group)
for command in (
    run_commands.run,
    run_commands.demo,
    verification_commands.verify,
    verification_commands.keygen,
    verification_commands.sign,
    finished_commands.export,
    finished_commands.tables,
    finished_commands.worklist,
    finished_commands.trace,
    finished_commands.cases,
    finished_commands.diff,
    indicator_commands.indicators,
    indicator_commands.score,
    evidence_commands.values,
    selection_commands.select,
    decision_commands.decide,
    decision_commands.rehearse,
    word_commands.word,
    record_commands.check,
    record_commands.init,
    programme_commands.programme,
):
    app.command()(command)
app.command("map")(record_commands.propose_map)


def _enough_memory() -> None:
    """Refuse a limit of address space below which the linear algebra under numpy waits for memory for ever."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        raise ParameterError(
            f"内存上限（ulimit -v）{limit >> 20} MB 太低",
            f"the limit of address space is {limit >> 20} MB",
            remedy=f"提高到 {LEAST_MEMORY >> 20} MB 以上，或取消",
            remedy_english=f"raise it above {LEAST_MEMORY >> 20} MB, or lift it",
        )


def main() -> None:
    """Entry point; errors a user can act on are printed without a traceback."""
    os.umask(os.umask(0o077) | 0o022)  # whatever the user's, others do not write to a run
    from toolkit.running.processes import SINGLE_THREAD

    gc.set_threshold(*COLLECT)
    os.environ.update(SINGLE_THREAD)  # before numpy comes: sums in one order, whatever the number of processors
    try:
        _enough_memory()
        app()
    except EvaluationError as error:
        typer.echo(f"错误 error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if os.environ.get("SPECEVAL_TRACEBACK"):
            raise
        told = unforeseen(error)
        typer.echo(f"错误 error: {told}", err=True)
        raise SystemExit(told.exit_code) from None


if __name__ == "__main__":
    main()
