"""A whole score drawn again under all that is not known about it: errors of indicators, scores of the panel, weights, policy.

Each of these inputs has a stream of its own, so that one can be drawn anew while the others stay: that tells which of them
moves the result (`toolkit.programme.influence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import pandas as pd
import scipy

from toolkit.errors import InputError
from toolkit.programme.ranks import rankability
from toolkit.programme.scoring import Table, Tree, tabled
from toolkit.programme.systems import Group, Rating, System, nodes
from toolkit.programme.tables import number_of
from toolkit.programme.weighting import weights_of


class Input(StrEnum):
    """What is not known."""

    INDICATORS = "indicators"
    PANEL = "panel"
    WEIGHTS = "weights"
    POLICY = "policy"

    @property
    def zh(self) -> str:
        return {
            "indicators": "指标的误差",
            "panel": "专家评分的误差",
            "weights": "权重",
            "policy": "计分办法与口径的选择",
        }[self.value]


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """A score drawn again.

    Attributes
    ----------
    units
        Shape (units,).
    scores
        Shape (draws, units), missing NaN.
    eligible
        Whether a unit can be rated; shape (units,).
    peers
        Among whom it is ranked; shape (units,).
    anew
        Input → scores of the first draws with this input as in as many later ones (pick and freeze); shape (n, units) with
        n ≤ draws / 2. Inputs that are known for certain are not in it.
    """

    units: np.ndarray
    scores: np.ndarray
    eligible: np.ndarray
    peers: np.ndarray
    anew: Mapping[Input, np.ndarray] = field(default_factory=dict)

    def ranks(self, scores: np.ndarray | None = None) -> np.ndarray:
        """Ranks among peers, 1 = best; equal scores share the best of their ranks; shape of `scores`, missing of the unrated."""
        scores = self.scores if scores is None else scores
        placed = np.where(self.eligible & ~np.isnan(scores), -scores, np.inf)
        found = np.full(scores.shape, np.nan)
        for one in np.unique(self.peers[self.eligible].astype(str)):
            own = self.eligible & (self.peers.astype(str) == one)
            found[:, own] = scipy.stats.rankdata(placed[:, own], method="min", axis=1)
        return found

    def table(self, first: int | None = None, confidence: float = 0.95) -> pd.DataFrame:
        """One row a unit: `unit, peers, median_rank, rank_low, rank_high`, and `among_first` where asked.

        Ranks among peers; limits hold the central share of the draws.
        """
        order, known = self.ranks(), self.eligible
        tail = (1 - confidence) / 2
        made: dict[str, Sequence[str] | np.ndarray | pd.api.extensions.ExtensionArray] = {
            "unit": self.units,
            "peers": self.peers,
        }
        for name, share in (("median_rank", 0.5), ("rank_low", tail), ("rank_high", 1 - tail)):
            values = np.full(len(known), np.nan)
            values[known] = np.quantile(order[:, known], share, axis=0, method="nearest")
            made[name] = pd.array(values, dtype="Int64")
        if first is not None:
            chance = np.full(len(known), np.nan)
            chance[known] = (order[:, known] <= first).mean(axis=0)
            made["among_first"] = chance
        return pd.DataFrame(made)


def ranked(wide: pd.DataFrame, draws: Draws, unit: str, first: int | None = None) -> pd.DataFrame:
    """A table of scores with the limits of ranks behind each rank: `rank_low, rank_high, median_rank`, `among_first`."""
    told = draws.table(first).drop(columns="peers").rename(columns={"unit": unit}).set_index(unit)
    place = list(wide.columns).index("rank") + 1
    limits = told.reindex(wide[unit].astype(str)).set_index(wide.index)
    return pd.concat([wide.iloc[:, :place], limits, wide.iloc[:, place:]], axis=1)


def rankable(draws: Draws) -> float:
    """Rankability of the rated units: the share of the variation between them that is not what moves the draws."""
    own = draws.scores[:, draws.eligible]
    return rankability(own.mean(axis=0), own.std(axis=0)) if own.shape[1] > 1 else float("nan")


def drawn(
    system: System,
    values: pd.DataFrame,
    errors: pd.DataFrame | None = None,
    *,
    draws: int = 2_000,
    seed: int = 0,
    concentration: float | None = None,
    band: float | None = None,
    other_values: Sequence[pd.DataFrame] = (),
    anew: int = 0,
) -> Draws:
    """The summary score under errors of the items, doubt about the weights, and choices of policy.

    Parameters
    ----------
    errors
        As the table of values: standard errors by item column; an absent column or cell means none. Those of items of
        `source: panel` or `evidence` are the panel's.
    concentration
        Weights of every group from a Dirichlet distribution around the declared ones; the larger, the nearer to them.
    band
        Or each weight by itself within ± this share of it, evenly (0.25 = ±25 %), then made whole.
    other_values
        The same units and items under other definitions (another reference, another trimming), each as likely as `values`;
        the system's `alternatives` are as likely as itself.
    anew
        How many draws are made again with one input changed, for each input; a power of two, at most half of `draws`.

    Raises
    ------
    InputError
        As of `toolkit.programme.scoring.score`; or other values are of other units.
    """
    one = _Score(system, values, errors, seed, concentration, band, other_values)
    scores = np.stack([one.drawn(dict.fromkeys(Input, k)) for k in range(draws)]) if draws else np.empty((0, one.size))
    changed = {
        which: np.stack([one.drawn({**dict.fromkeys(Input, k), which: anew + k}) for k in range(anew)])
        for which in (one.unknown if anew else ())
    }
    peers = one.tables[0].peers
    return Draws(
        units=one.tables[0].units,
        scores=scores,
        eligible=one.whole.rated,
        peers=np.full(one.size, "", dtype=object) if peers is None else peers,
        anew=changed,
    )


class _Score:
    """The score as a function of the number of the draw of each input."""

    def __init__(
        self,
        system: System,
        values: pd.DataFrame,
        errors: pd.DataFrame | None,
        seed: int,
        concentration: float | None,
        band: float | None,
        other_values: Sequence[pd.DataFrame],
    ) -> None:
        self.systems = [system, *(system.under(one) for one in system.alternatives)]
        self.tables = [tabled(system, table) for table in (values, *other_values)]
        self.tables = [self.tables[0], *(_of_same_units(self.tables[0], other) for other in self.tables[1:])]
        self.seed, self.concentration, self.band = seed, concentration, band
        self.size = len(self.tables[0].units)
        self.errors = _errors(system, self.tables[0].units, errors)
        self.whole = Tree(system, self.tables[0].numbers, self.tables[0].applies, self.size)
        self.declared = [self._declared(one) for one in self.systems]
        self.scales = {i.of: r for i in system.items if isinstance(r := i.score or system.score, Rating)}

    @property
    def unknown(self) -> list[Input]:
        """Inputs that are not certain."""
        choices = len(self.systems) * len(self.tables)
        said = {
            Input.INDICATORS: bool(self.errors[Input.INDICATORS]),
            Input.PANEL: bool(self.errors[Input.PANEL]),
            Input.WEIGHTS: self.concentration is not None or self.band is not None,
            Input.POLICY: choices > 1,
        }
        return [which for which, is_unknown in said.items() if is_unknown]

    def drawn(self, at: Mapping[Input, int]) -> np.ndarray:
        """The summary with each input as in its draw of this number; shape (units,)."""
        stream = {which: np.random.default_rng([self.seed, k, at[which]]) for k, which in enumerate(Input)}
        choice = int(stream[Input.POLICY].integers(len(self.systems) * len(self.tables)))
        which, table = choice % len(self.systems), self.tables[choice // len(self.systems)]
        moved = dict(table.numbers)
        for source in (Input.INDICATORS, Input.PANEL):
            for column, error in self.errors[source].items():
                value = moved[column] + stream[source].normal(size=self.size) * error
                scale = self.scales.get(column)
                moved[column] = value if scale is None else np.clip(value, scale.lowest, scale.highest)
        weights = {
            i: _moved(w, stream[Input.WEIGHTS], self.concentration, self.band) for i, w in self.declared[which].items()
        }
        return Tree(self.systems[which], moved, table.applies, self.size, weights=weights).summary

    def _declared(self, system: System) -> dict[str, np.ndarray]:
        table = self.tables[0]
        whole = Tree(system, table.numbers, table.applies, self.size)
        groups = [system.whole, *(g for g in nodes(system.groups) if isinstance(g, Group))]
        return {
            g.id: weights_of(g, np.column_stack([_of_member(whole, m.id, self.size) for m in g.members]))
            for g in groups
        }


def _of_member(tree: Tree, id_: str, size: int) -> np.ndarray:
    found = tree.points.get(id_)
    found = tree.scores.get(id_) if found is None else found
    return np.full(size, np.nan) if found is None else found


def _of_same_units(table: Table, other: Table) -> Table:
    """The other table in the order of the first."""
    place = {unit: k for k, unit in enumerate(other.units)}
    if set(place) != set(table.units):
        strange = sorted(set(place) ^ set(table.units))
        raise InputError(
            f"另一口径的数值表与数值表的单位不同: {'、'.join(strange[:5])}",
            "a table of other values is of other units",
            where="--also-values",
            remedy="两张表须一行对一行，同样的单位",
            remedy_english="the same units in both",
        )
    order = np.array([place[unit] for unit in table.units], dtype=int)
    return Table(
        units=table.units,
        numbers={c: v[order] for c, v in other.numbers.items()},
        applies={c: v[order] for c, v in other.applies.items()},
        peers=None if other.peers is None else other.peers[order],
    )


def _moved(
    weights: np.ndarray, generator: np.random.Generator, concentration: float | None, band: float | None
) -> np.ndarray:
    if concentration is not None:
        moved = np.zeros(len(weights))
        used = weights > 0
        moved[used] = generator.dirichlet(weights[used] * concentration)
        return moved
    if band is not None:
        weights = weights * generator.uniform(1 - band, 1 + band, len(weights))
        return np.asarray(weights / weights.sum())
    return weights


def _errors(system: System, units: np.ndarray, errors: pd.DataFrame | None) -> Mapping[Input, Mapping[str, np.ndarray]]:
    """Standard errors by input and column, of columns that have any."""
    found: dict[Input, dict[str, np.ndarray]] = {Input.INDICATORS: {}, Input.PANEL: {}}
    if errors is None:
        return found
    columns = [item.of for item in system.items if item.of in errors]
    numbers = {
        c: number_of(errors.astype(object).where(errors.notna(), ""), c, "标准误表", "errors")
        for c in dict.fromkeys(columns)
    }
    if negative := [c for c, values in numbers.items() if (values < 0).any()]:
        raise InputError(
            f"标准误表的列 {'、'.join(negative)} 有负数",
            "a standard error below 0",
            where="errors",
            remedy="标准误不小于 0；没有的留空",
            remedy_english="not below 0, or empty",
        )
    by_unit = pd.DataFrame(numbers).set_index(errors[system.unit].astype(str)).reindex(units)
    for item in system.items:
        if item.of in by_unit:
            error = np.nan_to_num(by_unit[item.of].to_numpy(float))
            source = Input.PANEL if item.source in ("panel", "evidence") else Input.INDICATORS
            if error.any():
                found[source][item.of] = error
    return found
