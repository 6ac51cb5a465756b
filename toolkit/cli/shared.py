"""What several groups of commands use: options of one meaning, JSON as it is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.running.progress import Lines, clock

if TYPE_CHECKING:
    from rich.progress import TaskID

    from toolkit.running.pool import Progress as State

Params = Annotated[Path, typer.Argument(help="参数文件 parameter file (YAML)", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="不显示进度 no progress")]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="同时生成的报告数 reports at a time")]
Json = Annotated[bool, typer.Option("--json", help="结果以 JSON 输出 print JSON")]
Ledger = Annotated[
    str, typer.Argument(help="台账：文件，或数据库地址 ledger: a file, or a database's address", show_default=False)
]
IntoLedger = Annotated[str, typer.Option("--ledger", help="同时记入此台账 enter it in this ledger", show_default=False)]
Who = Annotated[str, typer.Option("--who", help="经办人，默认为登录名 who; the login name by default")]
Role = Annotated[str, typer.Option("--role", help="以何身份：hospital、county、commission、panel in what office")]
Seed = Annotated[int, typer.Option("--seed", help="随机种子 seed")]
Out = Annotated[Path, typer.Option("--out", help="写到 write to", show_default=False)]


def print_json(content: object) -> None:
    """Print plain values as JSON."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n")


@contextmanager
def progress(quiet: bool) -> Iterator[tuple[Callable[[str, float], None], Callable[[State], None]]]:
    """A step line and a bar with time left, in a log lines, or nothing."""
    if quiet:
        yield (lambda step, share: None), (lambda state: None)
        return
    if not sys.stderr.isatty():  # a log: lines, not a bar
        lines = Lines(sys.stderr)
        yield lines.step, lines.report
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        steps = bar.add_task("准备", total=100, note="")
        reports: dict[str, TaskID] = {}

        def step(name: str, share: float) -> None:
            bar.update(steps, description=name, completed=round(100 * share))

        def report(state: State) -> None:
            if "task" not in reports:
                bar.update(steps, description="计算完成", completed=100)
                reports["task"] = bar.add_task("报告", total=state.total, note="")
            note = f"未完成 {state.failed}" if state.failed else ""
            if state.seconds_left is not None:
                note += f" 约剩 {clock(state.seconds_left)}"
            bar.update(reports["task"], completed=state.done, total=state.total, note=note)

        yield step, report
