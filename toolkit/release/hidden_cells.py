"""Which cells of an indicator a release hides: small counts, dominated sums, and what would give them away.

Three readers are held off: one who subtracts, one who combines equations, and one with a solver, who finds intervals
(`toolkit.release.intervals`). What stays too narrow for the last, whatever else is hidden, is told: such a release is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from toolkit.errors import RunError
from toolkit.indicators.base import Declared, Distribution
from toolkit.params import DisclosurePolicy
from toolkit.release.intervals import Measure, Reader
from toolkit.release.suppression import neighbours, protected

ALIKE = 0.5  # of the cells: where more are the same, two indicators add up the same thing
LISTED = 12  # cells that a refusal names
EVENTS = {Distribution.PROPORTION, Distribution.RARE}


def counts_cases(one: Declared) -> bool:
    """A total that is a number of cases of some kind: it is a count as any other, though it has no interval."""
    return one.adds_up and one.distribution is None and one.decimals == 0


@dataclass(kw_only=True, eq=False)
class Suppression:
    """Of one basis: what has been hidden so far, which the next indicator must not show.

    Attributes
    ----------
    whole
        Places where nothing is shown, the number of cases being hidden.
    counted
        Numbers of cases by place, and where they are hidden: another indicator on the same cases must not show them.
    narrow
        Places, indicators and measures that a solver finds too closely, with nothing left to hide beside them.
    of, added
        By indicator, the places hidden for it, and the amounts of its cells: what two indicators add up alike (deaths of all
        cases, deaths of those with a reference) is hidden by both, or neither hides it.
    """

    reader: Reader
    policy: DisclosurePolicy
    whole: np.ndarray
    counted: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    narrow: list[tuple[int, str, str]] = field(default_factory=list)
    of: dict[str, np.ndarray] = field(default_factory=dict)
    added: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def once_more(self) -> None:
        """Begin another pass over the indicators, with what the last one has hidden."""
        self.counted.clear()
        self.narrow.clear()

    def hidden(self, part: pd.DataFrame, at: np.ndarray, one: Declared) -> np.ndarray:
        """The places that are hidden for one indicator, whose cells `part` stand at the places `at`."""
        self.of[one.id] = self._hidden(part, at, one)
        return self.of[one.id]

    def _alike(self, id_: str, amounts: Sequence[np.ndarray]) -> np.ndarray:
        """Places that other indicators hide which add up the same there; and from now on what this one adds up."""
        self.added[id_] = list(amounts)
        found = self.of.get(id_, np.zeros(len(self.whole), dtype=bool))
        for other, theirs in self.added.items():
            if other == id_ or other not in self.of:
                continue
            for mine in amounts:
                for one in theirs:
                    same, either = (mine == one) & (mine > 0), (mine > 0) | (one > 0)
                    if same.sum() > ALIKE * either.sum():
                        found = found | (same & self.of[other])
        return found

    def _hidden(self, part: pd.DataFrame, at: np.ndarray, one: Declared) -> np.ndarray:
        policy, size = self.policy, len(self.whole)
        n = _spread(part["n"], at, size)
        hidden = self.whole | ((n > 0) & (n < policy.minimum_cases))
        for counted, of_counted in self.counted:
            hidden = hidden | of_counted & (counted == n)
        # where no case counts, the status says so: 0 is no secret
        hidden &= n > 0
        if not one.adds_up:
            return hidden
        cases = Measure(amounts=n, hidden=hidden, least=1, width=np.full(size, float(policy.minimum_interval)))
        hidden = self._closed(one, n, hidden, [(n, policy.minimum_cases)], [{"cases": cases}])
        self.counted.append((n, hidden))
        cases = cases.where(hidden)
        x = _spread(part["x"], at, size)
        if one.distribution in EVENTS or (counts_cases(one) and not np.array_equal(x, n, equal_nan=True)):
            return self._events(one, n, np.where(np.isnan(x) & ~np.isnan(n), 0, x), hidden, cases)
        if one.distribution is not None and "xx" in part:
            # the largest of n amounts is at most the root of their sum of squares
            share = np.sqrt(part["xx"]) / part["x"].where(part["x"] > 0)
            hidden = hidden | ((_spread(share, at, size) > policy.dominance) & (n > 0))
        sums = {"sum": x, "denominator": _spread(part["y"], at, size)}
        asked = [
            {name: self._sum(of, hidden)} for name, of in sums.items() if not np.array_equal(of, n, equal_nan=True)
        ]
        return self._closed(one, n, hidden, [(n, policy.minimum_cases)], asked)

    def _events(self, one: Declared, n: np.ndarray, x: np.ndarray, hidden: np.ndarray, cases: Measure) -> np.ndarray:
        policy, without = self.policy, n - x
        least = policy.minimum_events
        hidden = hidden | ((x > 0) & (x < least))
        quantities = [(n, policy.minimum_cases), (x, least)]
        matters = one.distribution is not Distribution.RARE
        if matters:
            hidden |= (without > 0) & (without < least)
            quantities.append((without, least))
        hidden = hidden | self._alike(one.id, [x, without] if matters else [x])
        width = np.full(len(n), float(policy.minimum_interval))  # of none, it may be known that there are none
        asked = {
            "cases": cases,
            "events": Measure(amounts=x, hidden=hidden, least=0, width=width * (x > 0)),
            "cases without": Measure(amounts=without, hidden=hidden, least=0, width=width * matters * (without > 0)),
        }
        return self._closed(one, n, hidden & (n > 0), quantities, [asked])

    def _sum(self, amounts: np.ndarray, hidden: np.ndarray) -> Measure:
        positive = amounts[amounts > 0]
        scaled = amounts / (np.median(positive) if len(positive) else 1.0)
        width = self.policy.minimum_interval_share * np.nan_to_num(scaled)
        return Measure(amounts=scaled, hidden=hidden, least=0, width=width)

    def _closed(
        self,
        one: Declared,
        n: np.ndarray,
        hidden: np.ndarray,
        quantities: Sequence[tuple[np.ndarray, int]],
        asked: Sequence[dict[str, Measure]],
    ) -> np.ndarray:
        """`hidden` with as many more as it takes that no reader finds one.

        Parameters
        ----------
        quantities
            Amounts, and what hidden parts of a visible total add up to at least.
        asked
            Measures that are asked for together, by name; the cases of events keep what they hide.
        """
        adds = self.reader.equations
        known, present = np.nan_to_num(n), ~np.isnan(n)
        while True:
            before = hidden.sum()
            for amounts, least in quantities:
                hidden = protected(amounts, hidden & (n > 0), adds, least, self.policy.minimum_interval)
            if hidden.sum() > before:
                continue
            found = [
                (name, cell)
                for together in asked
                for name, cells in self._too_narrow(together, hidden).items()
                for cell in cells
            ]
            more = self._near(np.array([cell for _, cell in found], dtype=np.int64), hidden, known, present)
            if not len(more):
                self.narrow.extend((int(cell), one.id, name) for name, cell in found)
                return hidden
            hidden = hidden.copy()
            hidden[more] = True

    def _near(self, narrow: np.ndarray, hidden: np.ndarray, known: np.ndarray, present: np.ndarray) -> np.ndarray:
        """What to hide so that these cells are told less closely: what is beside each, else the smallest that is near them.

        Equations that share nothing but hidden cells with a cell bound it as well: from hidden cell to hidden cell the way goes
        on until one has something visible beside it.
        """
        adds = self.reader.equations
        beside = neighbours(narrow, hidden, known, present, adds)
        reached, size = np.isin(np.arange(len(hidden)), narrow), len(adds.totals)
        while not len(beside):
            before = reached.sum()
            touched = np.bincount(adds.part_of, reached[adds.parts], size).astype(bool) | reached[adds.totals]
            reached[adds.parts[touched[adds.part_of]]] = True
            reached[adds.totals[touched]] = True
            reached &= hidden
            if reached.sum() == before:
                break
            far = neighbours(np.flatnonzero(reached), hidden, known, present, adds)
            beside = far[[np.argmin(known[far])]] if len(far) else far
        return beside

    def _too_narrow(self, together: dict[str, Measure], hidden: np.ndarray) -> dict[str, np.ndarray]:
        alone = len(together) == 1
        measures = [m if name == "cases" and not alone else m.where(hidden) for name, m in together.items()]
        return dict(zip(together, self.reader.too_narrow(measures, parted=not alone), strict=True))


def _spread(values: pd.Series, at: np.ndarray, size: int) -> np.ndarray:
    """Values of cells by place; missing where the indicator has no cell."""
    made = np.full(size, np.nan)
    made[at] = values.to_numpy(float)
    return made


def refuse_narrow(narrow: Sequence[tuple[str, ...]], policy: DisclosurePolicy) -> None:
    """Refuse a release of which hidden cells can be told too closely, with nothing left to hide beside them.

    Raises
    ------
    RunError
        With the cells: level, hospital, specialty, period, indicator, measure. Nothing of the release has been written.
    """
    if narrow:
        lines = [" ".join(one for one in row if one) for row in dict.fromkeys(narrow)]
        raise RunError(
            f"{len(lines)} 个隐去的数可由其他数字推到比声明的最小区间更窄（例数 {policy.minimum_interval}，"
            f"总量 {policy.minimum_interval_share:.0%}），无法再隐去别的数字来保护，不发布："
            + "；".join(lines[:LISTED]),
            f"{len(lines)} hidden numbers can be told more closely than the declared width, and nothing is left to hide: "
            "not released",
            where="disclosure.minimum_interval",
            remedy="合并小的专科或机构，缩短所给出的年份，或在有理由时降低最小区间",
            remedy_english="join small specialties or hospitals, give fewer years, or declare a smaller width with a reason",
        )
