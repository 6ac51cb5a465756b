"""What no effect looks like in these data: every unit without a project taken, in turn, as the only project.

Its standardised distance from what was expected of it is a placebo. Where there are enough of them, a project's p is the
share of placebos that lie at least as far out, and its limits are those that this test does not reject: whatever the tails of
the units are, and whatever the model of their variances leaves out. A project is never among its own placebos, for it is no
unit without a project.

References
----------
Placebos as the reference distribution: Abadie, Diamond, Hainmueller (2010), doi:10.1198/jasa.2009.ap08746; standardised for
units of unequal size: Ferman, Pinto (2019), doi:10.1162/rest_a_00759. Rank of one among exchangeable ones: Vovk, Gammerman,
Shafer (2005), doi:10.1007/b106715. Tail beyond the largest: Hill (1975), doi:10.1214/aos/1176343247.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts load when first used: reports read tables and need none

ENOUGH = 40  # placebos: with fewer, the share beyond 95 % rests on less than two of them, and t is used
TAIL = 0.1  # of the placebos shape the tail beyond the last few
LAST = 5  # of them: from here outwards the tail is a power
LEAST_P = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """The reference distribution of standardised distances, and its inverse.

    Attributes
    ----------
    sizes
        Absolute standardised placebos, falling; empty where there are too few.
    power
        Of the tail beyond `sizes[LAST - 1]`.
    """

    sizes: np.ndarray
    power: float = np.inf

    @property
    def used(self) -> bool:
        return len(self.sizes) > 0

    def p(self, distance: np.ndarray, df: np.ndarray) -> np.ndarray:
        """Two-sided p of standardised distances; `df` of the t that stands in where there are too few placebos."""
        far = np.abs(distance)
        if not self.used:
            return np.asarray(2 * scipy.special.stdtr(df, -far))
        x, share = self._points()
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inside = np.exp(np.interp(far, x, np.log(share)))
            beyond = share[-1] * (far / x[-1]) ** -self.power
        found = np.where(far > x[-1], np.maximum(beyond, LEAST_P), inside)
        return np.where(np.isnan(far), np.nan, found)

    def width(self, confidence: float, df: np.ndarray) -> np.ndarray:
        """Standardised distance at which p is 1 − confidence."""
        alpha = 1 - confidence
        if not self.used:
            return np.asarray(scipy.special.stdtrit(df, 1 - alpha / 2))
        x, share = self._points()
        if alpha < share[-1]:
            return np.full(np.shape(df), x[-1] * (share[-1] / alpha) ** (1 / self.power))
        return np.full(np.shape(df), np.interp(-np.log(alpha), -np.log(share), x))

    def p_without_each(self, distance: np.ndarray, df: np.ndarray) -> np.ndarray:
        """P of the placebos themselves, each among the others."""
        if not self.used:
            return self.p(distance, df)
        far = np.abs(distance)
        as_far = len(self.sizes) - np.searchsorted(self.sizes[::-1], far)  # itself among them
        return np.where(np.isnan(far), np.nan, as_far / len(self.sizes))

    def width_without_each(self, distance: np.ndarray, confidence: float, df: np.ndarray) -> np.ndarray:
        """`width` for the placebos themselves: it changes only with whether the one left out lies within or beyond."""
        if not self.used:
            return self.width(confidence, df)
        least, most = (Calibration(sizes=s, power=self.power) for s in (self.sizes[1:], self.sizes[:-1]))
        width = self.width(confidence, df)
        return np.where(np.abs(distance) > width, least.width(confidence, df), most.width(confidence, df))

    def _points(self) -> tuple[np.ndarray, np.ndarray]:
        """Distances, rising, and the share of placebos (the judged one among them) that lie as far out."""
        n = len(self.sizes)
        # between two placebos the rank lies between theirs
        share = (np.arange(1, n + 1) + 0.5) / (n + 1)
        x, share = self.sizes[LAST - 1 :][::-1], share[LAST - 1 :][::-1]
        return np.r_[0.0, x], np.r_[1.0, share]


def calibration(placebos: np.ndarray) -> Calibration:
    """From standardised placebos of all units without a project; missing ones do not count."""
    sizes = np.sort(np.abs(placebos[np.isfinite(placebos)]))[::-1]
    if len(sizes) < ENOUGH:
        return Calibration(sizes=np.empty(0))
    of = sizes[: max(2 * LAST, int(TAIL * len(sizes)))]
    hill = np.log(of[:-1] / of[-1]).mean() if of[-1] > 0 else 0.0
    return Calibration(sizes=sizes, power=float(np.clip(1 / max(hill, 1e-9), 1.0, 50.0)))
