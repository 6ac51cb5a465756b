"""A progress bar for a run of reports."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.running.pool import Progress


@contextmanager
def rich_progress(label: str = "报告") -> Iterator[Callable[[Progress], None]]:
    """A bar on the terminal with counts and time left; pass what it yields to `run_reports`."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TextColumn("{task.fields[note]}")) as bar:
        task = bar.add_task(label, total=None, note="")

        def show(progress: Progress) -> None:
            note = f"已有 {progress.cached}  失败 {progress.failed}"
            if progress.seconds_left is not None:
                note += f"  约剩 {clock(progress.seconds_left)}"
            bar.update(task, total=progress.total, completed=progress.done, note=note)

        yield show


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as on a watch."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
