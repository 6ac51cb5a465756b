"""The one family of errors: every message says what was found, where, and what to do, in Chinese with the English beside it."""

from __future__ import annotations

import errno
import traceback
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class EvaluationError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    problem, english
        What was found, in Chinese and in English. Never a patient's value; coded values only.
    parts
        Where several things are wrong at once: each as an error of its own, told after the rest.
    where
        File, line, field: as near to the cause as is known.
    remedy, remedy_english
        What to do next.
    """

    exit_code = 1

    def __init__(
        self,
        problem: str,
        english: str,
        *parts: EvaluationError,
        where: str = "",
        remedy: str = "",
        remedy_english: str = "",
    ) -> None:
        self.parts = parts
        self.problem, self.english, self.where = problem, english, where
        self.remedy, self.remedy_english = remedy, remedy_english
        lines = [f"{problem}（{english}）"]
        if where:
            lines.append(f"位置 where: {where}")
        if remedy:
            lines.append(f"办法 remedy: {remedy}" + (f"（{remedy_english}）" if remedy_english else ""))
        lines += [f"{number}. {part}" for number, part in enumerate(parts, start=1)]
        super().__init__("\n".join(lines))

    def __reduce__(
        self,
    ) -> tuple[object, ...]:  # several keyword arguments: the default would lose them on the way from a worker
        told = (self.problem, self.english, self.where, self.remedy, self.remedy_english, self.parts)
        return _rebuild, (type(self), *told)


def _rebuild(
    kind: type[EvaluationError],
    problem: str,
    english: str,
    where: str,
    remedy: str,
    remedy_english: str,
    parts: tuple[EvaluationError, ...],
) -> EvaluationError:
    return kind(problem, english, *parts, where=where, remedy=remedy, remedy_english=remedy_english)


Kind = TypeVar("Kind", bound=EvaluationError)


def together(errors: Sequence[Kind]) -> Kind:
    """One error that tells of all; a single one is that itself."""
    if len(errors) == 1:
        return errors[0]
    return type(errors[0])(f"共 {len(errors)} 处问题", f"{len(errors)} faults", *errors)


class ParameterError(EvaluationError):
    """The parameter file is wrong; nothing was computed."""

    exit_code = 2


class InputError(EvaluationError):
    """A data file, format map, registry or reference table cannot be used."""

    exit_code = 3


class ContractBroken(EvaluationError):
    """A table inside the toolkit lacks what the next step needs: a fault of the toolkit or of a plug-in."""

    exit_code = 4


class RunError(EvaluationError):
    """A report did not come to its end, or a finished one does not verify."""

    exit_code = 5


class NotAllChecked(EvaluationError):
    """Nothing differs, and not everything could be checked: the answer of a verification, told by its exit code."""

    exit_code = 7


class UnbalancedError(EvaluationError):
    """收到 ≠ 纳入 + 排除 + 隔离: the run stops and writes no report (rule X01)."""

    exit_code = 6


DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
OF_MACHINE = DISK_FULL | {errno.EMFILE, errno.ENFILE}
OF_SYSTEM = {
    errno.EMFILE: ("同时打开的文件数到了上限", "too many open files", "调高 ulimit -n 后重新运行", "raise ulimit -n"),
    errno.ENFILE: ("系统打开的文件数到了上限", "the system has too many open files", "稍后重新运行", "run again later"),
    errno.ENOMEM: (
        "内存不足",
        "out of memory",
        "减少 --workers，或换内存更大的机器",
        "fewer --workers, or more memory",
    ),
    **dict.fromkeys(
        DISK_FULL, ("磁盘空间不足", "no space left on the disk", "清理磁盘后重新运行", "free space, then run again")
    ),
    errno.ENOENT: (
        "需要的文件或文件夹在运行中不见了",
        "a file or folder has gone",
        "放回原处后重新运行",
        "put it back, then run again",
    ),
    errno.EACCES: ("没有权限", "permission denied", "检查文件和文件夹的权限", "check permissions"),
}


def of_the_machine(error: BaseException) -> bool:
    """Whether what went wrong is the machine's want (a full disk, too many open files) and says nothing of the file in hand."""
    return getattr(error, "errno", None) in OF_MACHINE


def unforeseen(error: Exception) -> EvaluationError:
    """What nobody has foreseen, told without a value that it may carry: what the system lacks, or where in the code it arose."""
    chain: list[BaseException] = [error]
    while (further := chain[-1].__cause__ or chain[-1].__context__) is not None and further not in chain:
        chain.append(further)
    codes = [errno.ENOMEM if isinstance(one, MemoryError) else getattr(one, "errno", None) for one in chain]
    for code in codes:
        if code in OF_SYSTEM:
            problem, english, remedy, remedy_english = OF_SYSTEM[code]
            return EvaluationError(problem, english, remedy=remedy, remedy_english=remedy_english)
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "toolkit" in frame.filename
    ]
    return ContractBroken(
        f"程序没有料到的错误 {type(error).__name__}",
        "a fault that the toolkit did not foresee",
        where=" → ".join(places[-4:]),
        remedy="连同这几行告诉维护者；设 SPECEVAL_TRACEBACK=1 可见全部（其中可能有数据）",
        remedy_english="tell the maintainers; SPECEVAL_TRACEBACK=1 shows all of it, data perhaps among it",
    )


def nearest(given: str, known: Iterable[str]) -> str:
    """The known word most like `given`, or an empty string."""
    return next(iter(get_close_matches(given, list(known), n=1, cutoff=0.5)), "")


class Remedy(TypedDict):
    """What to do, as an error takes it: `raise InputError(…, **did_you_mean(…))`."""

    remedy: str
    remedy_english: str


def did_you_mean(given: str, known: Iterable[str], otherwise: str, english: str) -> Remedy:
    """The nearest known word, where one is near, and what to do otherwise."""
    if near := nearest(given, known):
        return Remedy(remedy=f"是否为 {near}? {otherwise}", remedy_english=f"did you mean {near}? {english}")
    return Remedy(remedy=otherwise, remedy_english=english)
