"""What one report may use, and why one may fail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from toolkit.errors import RunError

MEBIBYTE = 1024**2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one report may use; past any of these it has failed.

    Parameters
    ----------
    cell_seconds, wall_seconds
        For one cell, and for the whole notebook with the start of its kernel. At the second every process is killed.
    render_seconds
        For all renderers of the report together, and for publishing.
    start_seconds, start_retries
        How long a kernel may take to answer, and how often a fresh one is tried. A cell that failed is never retried.
    memory_bytes
        Address space of the kernel (RLIMIT_AS); None for no limit. Threads and memory maps count: leave some GB.
    output_bytes
        All outputs of the notebook together.
    """

    cell_seconds: int = 600
    wall_seconds: float = 1800
    render_seconds: float = 600
    start_seconds: int = 60
    start_retries: int = 2
    memory_bytes: int | None = None
    output_bytes: int = 50 * MEBIBYTE


class Reason(StrEnum):
    """Why a report failed or was refused; the value is what users read."""

    KERNEL = "内核中断"
    TIMEOUT = "超时"
    MEMORY = "内存"
    OUTPUT = "输出过大"
    INPUT = "输入已变"
    CELL = "单元出错"
    RENDER = "渲染出错"
    PROCESS = "报告进程中断"
    DISK = "磁盘空间不足"
    DIRECTORY = "目录不可写"
    RUNNING = "正在运行"
    FOREIGN = "目录中有其他文件"
    REQUEST = "请求有误"


ENGLISH = {
    Reason.KERNEL: "the kernel died",
    Reason.TIMEOUT: "timed out",
    Reason.MEMORY: "out of memory",
    Reason.OUTPUT: "too much output",
    Reason.INPUT: "an input changed during the run",
    Reason.CELL: "a cell failed",
    Reason.RENDER: "rendering failed",
    Reason.PROCESS: "the report's process died",
    Reason.DISK: "no space left",
    Reason.DIRECTORY: "the directory cannot be written",
    Reason.RUNNING: "already running",
    Reason.FOREIGN: "the folder holds files that are not the report's",
    Reason.REQUEST: "the request is wrong",
}


class ReportFailed(RunError):
    """A report did not come to its end.

    Parameters
    ----------
    reason
        One of `Reason`.
    detail, detail_english
        What is known beyond the reason. Exception types and the toolkit's own messages only: the text of any
        other exception may hold a patient's value.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        detail_english: str = "",
        *,
        where: str = "",
        remedy: str = "",
        remedy_english: str = "",
    ) -> None:
        self.reason, self.detail, self.detail_english = reason, detail, detail_english
        super().__init__(
            f"{reason}：{detail}" if detail else str(reason),
            f"{ENGLISH[reason]}: {detail_english}" if detail_english else ENGLISH[reason],
            where=where,
            remedy=remedy,
            remedy_english=remedy_english,
        )

    def __reduce__(self):  # the base would rebuild it from the finished sentence
        return _rebuild, (self.reason, self.detail, self.detail_english, self.where, self.remedy, self.remedy_english)


def _rebuild(
    reason: Reason, detail: str, detail_english: str, where: str, remedy: str, remedy_english: str
) -> ReportFailed:
    return ReportFailed(reason, detail, detail_english, where=where, remedy=remedy, remedy_english=remedy_english)
