"""临床重点专科建设项目评估工具包: from discharge records to reports that an expert panel can sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.pipeline import open_run

__all__ = ["open_run"]


def __getattr__(name: str) -> object:
    # late, so that the command line answers at once
    if name == "open_run":
        from toolkit.pipeline import open_run

        return open_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
