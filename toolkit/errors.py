"""The one family of errors: every message says what was found, where, and what to do, in Chinese with the English beside it."""

from __future__ import annotations

from difflib import get_close_matches
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


class UnbalancedError(EvaluationError):
    """收到 ≠ 纳入 + 排除 + 隔离: the run stops and writes no report (rule X01)."""

    exit_code = 6


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
