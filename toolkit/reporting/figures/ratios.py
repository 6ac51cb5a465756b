"""Ratios of change as charts show them: the logarithmic axis around 1, and the sign of every verdict."""

from __future__ import annotations

import numpy as np

from toolkit.evaluation.verdict import Verdict
from toolkit.reporting.figures.marks import Axis, Numbers, Rule, Sign
from toolkit.reporting.figures.palette import PEER, SOFT, UNIT, WORSE

WIDEST = np.log(8)  # a ratio further from 1 is cut, with an arrow
NO_CHANGE = {"x": Rule(along="x", at=1), "y": Rule(along="y", at=1)}
# as the marks in words (`values.MARKS`) look
VERDICTS = {
    Verdict.IMPROVED: Sign(marker="^", colour=UNIT, size=6),
    Verdict.WORSE: Sign(marker="v", colour=WORSE, size=6),
    Verdict.STABLE: Sign(marker="o", colour=SOFT, size=6),
    Verdict.UNDECIDED: Sign(marker="o", colour=SOFT, size=6, filled=False),
    Verdict.NOT_JUDGED: Sign(marker="|", colour=PEER, size=6),
}
DIRECTIONS = {"higher": "越高越好", "lower": "越低越好", "neutral": "无优劣方向"}


def ratio_axis(reach: float, label: str) -> Axis:
    """A logarithmic axis that goes equally far to both sides of 1; `reach` as a logarithm."""
    low, high = float(np.exp(-reach)), float(np.exp(reach))
    return Axis(
        low=low, high=high, label=label, log=True, ticks=ratio_ticks(low, high), write=lambda v: f"{v:g}", grid=True
    )


def reach_of(estimates: Numbers, limits: np.ndarray, *, usual: float, beyond: float, least: float) -> float:
    """How far from 1 an axis goes, as a logarithm, so that one rare-event interval does not squeeze all others.

    Parameters
    ----------
    estimates, limits
        Ratios; missing or infinite ones do not count.
    usual, beyond
        The axis holds `beyond` times this quantile of the limits, and every estimate.
    least
        The ratio that it reaches at least.
    """
    points, ends = _distances(estimates), _distances(limits)
    typical = float(np.quantile(ends, usual)) * beyond if ends.size else 0.0
    furthest = float(points.max()) * 1.15 if points.size else 0.0
    return float(np.clip(max(typical, furthest), np.log(least), WIDEST))


def _distances(ratios: Numbers) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.abs(np.log(np.asarray(ratios, dtype=float)))
    return logs[np.isfinite(logs)]


def ratio_ticks(left: float, right: float) -> list[float]:
    """Round ratios inside the limits, each with its counterpart below 1, at most about nine."""
    for steps in ((1.05, 1.1, 1.15), (1.1, 1.2, 1.3), (1.25, 1.5, 2), (1.5, 2, 3, 4), (2, 4, 8)):
        if steps[-1] * 1.02 >= right:
            break
    upper = [s for s in steps if s <= right]
    lower = [round(1 / s, 2) for s in upper] if steps[0] > 1.2 else [round(2 - s, 2) for s in upper]
    return sorted({1.0, *upper, *(x for x in lower if x >= left)})
