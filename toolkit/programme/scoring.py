"""A system on a table of values: points of items, scores of groups, a summary, peers, classes and ranks.

What is missing is missing, never 0; what was left out, normalised or shared is said in `notes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import InputError, nearest
from toolkit.frames import names_of
from toolkit.programme.aggregation import combined
from toolkit.programme.classes import classed
from toolkit.programme.item_scores import scored, standardised
from toolkit.programme.systems import Group, Item, Rating, ScoreRule, System, nodes
from toolkit.programme.weighting import weights_of

ITEM = ("unit", "item", "value", "points", "flag")


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreCard:
    """The scores of one system.

    Attributes
    ----------
    items
        One row a unit and item that applies to it: `unit, item, value, points`, parts of the points where the rule has
        several (`achievement, improvement`), `flag`.
    groups
        One row a unit and group: `unit, group, score, items` (items with points), `weight` carried in the group above.
    units
        One row a unit: `unit, score, peers, rated, class, rank, of, flags`; `rank` among the rated of its peers, 1 = best.
    notes
        What was left out and why, in Chinese.
    """

    system: System
    items: pd.DataFrame
    groups: pd.DataFrame
    units: pd.DataFrame
    notes: list[str]

    def wide(self) -> pd.DataFrame:
        """One row a unit: `score`, `class`, `rank` …, then `<group>`, `<item>` and `<item>.<part>` columns."""
        order = self.units["unit"].to_numpy()

        def of(rows: pd.DataFrame, column: str) -> np.ndarray:
            return rows.set_index("unit")[column].reindex(order).to_numpy()

        columns = {name: self.units[name].to_numpy() for name in self.units if name != "unit"}
        by_group = dict(list(self.groups.groupby("group", sort=False)))
        columns |= {g.id: of(by_group[g.id], "score") for g in nodes(self.system.groups) if isinstance(g, Group)}
        for id_, rows in self.items.groupby("item", sort=False):
            columns[str(id_)] = of(rows, "points")
            parts = [c for c in names_of(rows) if c not in ITEM and rows[c].notna().any()]
            columns |= {f"{id_}.{part}": of(rows, part) for part in parts}
        return pd.DataFrame({self.system.unit: order, **columns})


class Tree:
    """One pass over a system's tree with arrays: points of items, scores of groups, the summary. Made anew for each draw.

    Attributes
    ----------
    points, parts, flagged
        By item id: shape (units,).
    scores, counts, carried
        By group id: scores, items with points, and weight carried in the group above; shape (units,).
    summary
        Shape (units,), missing NaN.
    enough, enough_of
        Groups of the first level with enough items, and whether one of `eligible.of` is among them.
    notes
        What was left out and why, in Chinese.
    """

    def __init__(
        self,
        system: System,
        values: Mapping[str, np.ndarray],
        applies: Mapping[str, np.ndarray],
        size: int,
        *,
        weights: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.system, self.values, self.applies, self.size = system, values, applies, size
        self.given = weights or {}
        self.notes: list[str] = []
        self.points: dict[str, np.ndarray] = {}
        self.parts: dict[str, dict[str, np.ndarray]] = {}
        self.flagged: dict[str, np.ndarray] = {}
        self.scores: dict[str, np.ndarray] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.carried: dict[str, np.ndarray] = {}
        self.enough = np.zeros(size, dtype=int)
        self.enough_of = np.zeros(size, dtype=bool)
        self.summary, _counts = self._group(system.whole)
        for group in system.groups:
            enough = self.counts[group.id] >= system.eligible.minimum_items
            self.enough += enough
            self.enough_of |= enough & (group.id in system.eligible.of)

    @property
    def rated(self) -> np.ndarray:
        """Which units have what it needs to be classed and ranked."""
        eligible = self.system.eligible
        rated = (self.enough >= eligible.minimum_groups) & ~np.isnan(self.summary)
        return rated & self.enough_of if eligible.of else rated

    def _group(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        """Scores of a group's members together, and how many items with points each unit has in it."""
        counts = np.zeros(self.size, dtype=int)
        scores, applies = (
            np.empty((self.size, len(group.members))),
            np.ones((self.size, len(group.members)), dtype=bool),
        )
        for k, member in enumerate(group.members):
            applies[:, k] = self.applies.get(member.id, True)
            if isinstance(member, Item):
                scores[:, k] = self._item(member, applies[:, k])
                counts += ~np.isnan(scores[:, k])
            else:
                scores[:, k], items = self._within(member)
                counts += items
        weights = self.given.get(group.id)
        weights = (weights_of(group, scores) if weights is None else weights) * applies
        total = group.total
        if total and abs(total - 1) > 1e-12 and abs(total - 100) > 1e-9:
            self.notes.append(f"{group.title or group.id} 的权重合计 {total:g}，已按比例换算为 1")
        scores = np.where(applies, scores, np.nan)
        own, carried = combined(group.combine, scores, weights, share=group.missing == "share")
        for k, member in enumerate(group.members):
            self.carried[member.id] = carried[:, k]
        return own, counts

    def _within(self, group: Group) -> tuple[np.ndarray, np.ndarray]:
        own, counts = self._group(group)
        own = np.where(counts >= group.minimum_items, own, np.nan)
        self.scores[group.id] = standardised(own) if group.standardise else own
        self.counts[group.id] = counts
        return self.scores[group.id], counts

    def _item(self, item: Item, applies: np.ndarray) -> np.ndarray:
        rule = item.score or self.system.score
        assert rule is not None  # noqa: S101  the system was checked
        if item.of not in self.values:  # optional, or the table would have been refused
            self.notes.append(f"数值表没有列 {item.of}，{item.title or item.id} 不计")
            return np.full(self.size, np.nan)
        values = np.where(applies, self.values[item.of], np.nan)
        known = int((~np.isnan(values)).sum())
        if known < self.system.minimum_units:
            self.notes.append(
                f"{item.title or item.id} 只有 {known} 个单位有值，少于 {self.system.minimum_units}，不计"
            )
            values = np.full(self.size, np.nan)
        made = scored(rule, values, item.direction, self._column)
        self.points[item.id], self.parts[item.id] = made.points, made.parts
        self.flagged[item.id] = np.zeros(self.size, dtype=bool) if made.flagged is None else made.flagged
        return made.points

    def _column(self, what: float | str) -> np.ndarray:
        return self.values[what] if isinstance(what, str) else np.full(self.size, float(what))


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table of values as it is scored: `units`, `numbers` by column, `applies` by item or group, `peers`; shape (units,)."""

    units: np.ndarray
    numbers: Mapping[str, np.ndarray]
    applies: Mapping[str, np.ndarray]
    peers: np.ndarray | None


def tabled(system: System, values: pd.DataFrame) -> Table:
    """A table of values checked against a system.

    Raises
    ------
    InputError
        As of `score`.
    """
    text = _text(values, system)
    numbers = {
        column: pd.to_numeric(text[column].where(~text[column].isin(system.missing))).to_numpy(float)
        for item in system.items
        for column in (item.of, *_named(item.score or system.score))
        if column in text
    }
    for item in system.items:
        rule = item.score or system.score
        if isinstance(rule, Rating) and item.of in numbers:
            _on_the_scale(item, rule, numbers[item.of], text[system.unit])
    applies = {
        n.id: text[n.applies.column].isin(n.applies.values).to_numpy() for n in nodes(system.groups) if n.applies
    }
    by_column = system.peers is not None and system.peers.by == "column"
    peers = text[system.peers.column].to_numpy(object) if system.peers and by_column else None
    return Table(units=text[system.unit].to_numpy(str), numbers=numbers, applies=applies, peers=peers)


def score(system: System, values: pd.DataFrame) -> ScoreCard:
    """Score a table of values.

    Parameters
    ----------
    values
        A row a unit, text or numbers; columns that the system names, and any others.

    Raises
    ------
    InputError
        A column is absent, a unit stands twice, a value is no number or off its scale; all faults at once.
    """
    table = tabled(system, values)
    size = len(table.units)
    tree = Tree(system, table.numbers, table.applies, size)
    groups = [g for g in nodes(system.groups) if isinstance(g, Group)]
    items = [i for i in system.items if i.id in tree.points]
    of_items = [
        pd.DataFrame(
            {
                "unit": table.units,
                "item": item.id,
                "value": table.numbers[item.of],
                "points": tree.points[item.id],
                **tree.parts[item.id],
                "flag": tree.flagged[item.id],
            }
        )[table.applies.get(item.id, np.ones(size, dtype=bool))]
        for item in items
    ]
    of_groups = [
        pd.DataFrame(
            {
                "unit": table.units,
                "group": g.id,
                "score": tree.scores[g.id],
                "items": tree.counts[g.id],
                "weight": tree.carried[g.id],
            }
        )
        for g in groups
    ]
    return ScoreCard(
        system=system,
        items=pd.concat(of_items, ignore_index=True) if of_items else pd.DataFrame(columns=ITEM),
        groups=pd.concat(of_groups, ignore_index=True),
        units=_units(system, table, tree),
        notes=tree.notes,
    )


def _units(system: System, table: Table, tree: Tree) -> pd.DataFrame:
    size, summary, rated = len(table.units), tree.summary, tree.rated
    peers = np.full(size, "", dtype=object) if table.peers is None else table.peers
    if system.peers is not None and system.peers.by == "groups_with_enough":
        peers = tree.enough.astype(str).astype(object)
    found, rank, of = np.full(size, np.nan), np.full(size, np.nan), np.full(size, np.nan)
    for one in np.unique(peers):
        own = rated & (peers == one)
        if system.classes is not None:
            found[own] = classed(system.classes, summary[own])
        of[own] = own.sum()
        rank[own] = own.sum() + 1 - _last_of(summary[own])  # 1 = best; equal scores share the best of their ranks
    names = system.classes.names if system.classes is not None else []
    named = [names[int(k) - 1] if not np.isnan(k) and int(k) <= len(names) else "" for k in found] if names else None
    flags = sum((flag.astype(int) for flag in tree.flagged.values()), np.zeros(size, dtype=int))
    return pd.DataFrame(
        {
            "unit": table.units,
            "score": summary,
            "peers": peers,
            "rated": rated,
            "class": pd.array(found, dtype="Int64") if named is None else named,
            "rank": pd.array(rank, dtype="Int64"),
            "of": pd.array(of, dtype="Int64"),
            "flags": flags,
        }
    )


def _on_the_scale(item: Item, rule: Rating, values: np.ndarray, units: pd.Series) -> None:
    off = (values < rule.lowest) | (values > rule.highest)
    if off.any():
        raise InputError(
            f"{item.title or item.id} 有 {int(off.sum())} 个分值不在 {rule.lowest:g} 至 {rule.highest:g} 之间",
            "a rating off its scale",
            where=f"{item.of}: {'、'.join(units[off].head(5))}",
            remedy="核对评分表",
            remedy_english="check the score sheet",
        )


def _last_of(scores: np.ndarray) -> np.ndarray:
    """The last of the ranks, 1 for the least, that equal scores share."""
    ordered = np.sort(scores)
    return np.searchsorted(ordered, scores, side="right").astype(float)


def _text(values: pd.DataFrame, system: System) -> pd.DataFrame:
    """The table as text without blanks around it; every fault of it at once."""
    present = [item for item in system.items if not (item.optional and item.of not in values)]
    numbers = [column for item in present for column in (item.of, *_named(item.score or system.score))]
    wanted = [system.unit, *numbers]
    wanted += [node.applies.column for node in nodes(system.groups) if node.applies]
    wanted += [system.peers.column] if system.peers and system.peers.column else []
    _all_there(sorted(set(wanted) - set(values.columns)), values, system)
    if not present:
        _all_there([item.of for item in system.items], values, system)
    text = values.astype("str").apply(lambda c: c.str.strip()) if len(values) else values.astype("str")
    text = text.where(values.notna(), "")
    faults = []
    repeated = text.loc[text[system.unit].duplicated(), system.unit].unique()
    if len(repeated):
        faults.append(f"{system.unit} 重复 {len(repeated)} 个: {'、'.join(repeated[:5])}")
    if blank := int((text[system.unit] == "").sum()):
        faults.append(f"{system.unit} 有 {blank} 行为空")
    for column in dict.fromkeys(numbers):
        known = ~text[column].isin(system.missing)
        wrong = known & (
            pd.to_numeric(text[column].where(known), errors="coerce").isna() | text[column].isin(["inf", "-inf"])
        )
        if wrong.any():
            lines = "、".join(str(i + 2) for i in np.flatnonzero(wrong)[:5])
            faults.append(f"列 {column} 有 {int(wrong.sum())} 个值不是数（第 {lines} 行）")
    if faults:
        raise InputError(
            "；".join(faults),
            "values that cannot be scored",
            where=f"system {system.id}",
            remedy=f"改正后重试；表示没有值的写法: {'、'.join(w or '（空）' for w in system.missing)}",
            remedy_english="mend them; words for no value are listed",
        )
    return text.reset_index(drop=True)


def _named(rule: ScoreRule | None) -> list[str]:
    """Columns that a rule reads beside the value."""
    given = {} if rule is None else rule.model_dump()
    return [
        v
        for k, v in given.items()
        if k in ("target", "zero", "at", "threshold", "benchmark", "baseline") and isinstance(v, str)
    ]


def _all_there(lacking: list[str], values: pd.DataFrame, system: System) -> None:
    if not lacking:
        return
    near = [(c, nearest(c, map(str, values.columns))) for c in lacking]
    raise InputError(
        f"数值表缺少列 {'、'.join(lacking)}",
        "the table of values lacks columns",
        where=f"system {system.id}",
        remedy="；".join(f"{c} 是否为 {n}?" for c, n in near if n) or "补上这些列，或改体系文件中的 column",
        remedy_english="add the columns, or mend `column` in the system",
    )
