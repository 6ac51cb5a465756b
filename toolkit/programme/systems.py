"""Indicator systems as data: a tree of items with weights and score rules, read from YAML and checked (`params/systems/`).

A system names its items by the columns of a table of values (a row a unit, a column an item), so it scores any table.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from toolkit.programme.pairwise import require_consistent
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
Points = Annotated[float, Field(ge=-1e6, le=1e6)]
SUM_TOLERANCE = 0.001  # published weights are rounded: 99.99 % is accepted, normalised and said; 0.9 is refused


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


class ZScore(Section):
    """Distance from the mean of the units that have the item, in standard deviations (n − 1), better is more."""

    rule: Literal["z"]


class Percentile(Section):
    """Share of the units with the item that are no better, ties by half, times `points`."""

    rule: Literal["percentile"]
    points: Points = 100


class MinMax(Section):
    """0 for the worst unit, `points` for the best, linear between; all alike: half of the points."""

    rule: Literal["min_max"]
    points: Points = 100


class Bands(Section):
    """Points by the band that a value falls in: `at` are values, or quantiles of the units where `of` says so.

    Attributes
    ----------
    at
        Ascending limits; a value on a limit belongs to the better band.
    points
        One more than limits, from the worst band to the best.
    """

    rule: Literal["bands"]
    of: Literal["values", "quantiles"] = "values"
    at: list[float] = Field(min_length=1)
    points: list[Points] = Field(min_length=2)

    @model_validator(mode="after")
    def _fits(self) -> Bands:
        if len(self.points) != len(self.at) + 1:
            raise ValueError(f"{len(self.at)} 个界限须有 {len(self.at) + 1} 个分值 (one more points than limits)")
        if sorted(set(self.at)) != self.at:
            raise ValueError("界限 at 须从小到大且不重复 (limits must ascend)")
        if self.of == "quantiles" and not 0 < self.at[0] <= self.at[-1] < 1:
            raise ValueError("分位数须在 0 与 1 之间 (quantiles lie between 0 and 1)")
        return self


class Distance(Section):
    """How near a value comes to its target: `points` at or beyond it, 0 at `zero` or short of it, linear between."""

    rule: Literal["distance"]
    target: float | Text  # a number, or the column that holds each unit's own
    zero: float | Text = 0.0
    points: Points = 100


class AchievementOrImprovement(Section):
    """Points for standing and points for getting better, of which the larger counts (42 CFR 412.165).

    Achievement: 10 at or beyond `benchmark`, 0 short of `threshold`, else 1 … 9 by the share of the way between them.
    Improvement: 0 … 9 by the share of the way from the unit's own `baseline` to the benchmark. A unit without a baseline is
    scored on achievement alone.
    """

    rule: Literal["achievement_or_improvement"]
    threshold: float | Text
    benchmark: float | Text
    baseline: Text


class Threshold(Section):
    """`points` where the value reaches `at`, else none; with `red_flag`, a unit that does not reach it is flagged."""

    rule: Literal["threshold"]
    at: float | Text
    points: Points = 100
    red_flag: bool = False


class Rank(Section):
    """`points` for the best, 0 for the last, by rank; ties share the mean rank."""

    rule: Literal["rank"]
    points: Points = 100


class Rating(Section):
    """A rating given on a scale, carried to `points`; a value outside of the scale is refused."""

    rule: Literal["rating"]
    lowest: float = 0.0
    highest: float
    points: Points = 100

    @model_validator(mode="after")
    def _scale(self) -> Rating:
        if not self.lowest < self.highest:
            raise ValueError("lowest 须小于 highest (the scale has no width)")
        return self


ScoreRule = Annotated[
    ZScore | Percentile | MinMax | Bands | Distance | AchievementOrImprovement | Threshold | Rank | Rating,
    Field(discriminator="rule"),
]


class Applies(Section):
    """The item is for units whose `column` holds one of `values`; for others its weight goes to its siblings."""

    column: Text
    values: list[Text] = Field(min_length=1)


class Item(Section):
    """A leaf of the tree.

    Attributes
    ----------
    column
        Column of the table of values; the id where none is given.
    source
        Where the value comes from: computed from records, given by another system, evidence of the applicant, the panel.
    help
        What an applicant is to give, and by what document.
    window
        The period that the value is of, in words.
    optional
        A table without the column is scored without the item, which is said; else it is refused.
    weight
        Within its group; none anywhere in a group: all alike.
    """

    id: Text
    title: str = ""
    column: str = ""
    optional: bool = False
    source: Literal["records", "given", "evidence", "panel"]
    help: str = ""
    window: str = ""
    direction: Annotated[Direction, Field(strict=False)] = Direction.HIGHER
    weight: float | None = Field(None, ge=0)
    score: ScoreRule | None = None
    applies: Applies | None = None

    @property
    def of(self) -> str:
        return self.column or self.id


class Pairwise(Section):
    """Weights by pairwise comparison (AHP): how much more each member matters than each other, 1/9 … 9."""

    by: Literal["ahp"]
    matrix: list[list[float]]


class Computed(Section):
    """Weights all alike, or by how far units differ (entropy)."""

    by: Literal["equal", "entropy"]


class Group(Section):
    """A branch of the tree: items or further groups.

    Attributes
    ----------
    combine
        How the members' scores become one.
    standardise
        Whether the group's scores are brought to mean 0 and deviation 1 over the units that have one.
    minimum_items
        A unit with fewer of its items has no score in this group.
    missing
        What becomes of the weight of a member that a unit lacks: shared among the others, or the group has no score.
    """

    id: Text
    title: str = ""
    weight: float | None = Field(None, ge=0)
    weights: Pairwise | Computed | None = None
    combine: Literal["arithmetic", "geometric", "topsis", "wrsr"] = "arithmetic"
    standardise: bool = False
    minimum_items: int = Field(1, ge=1)
    missing: Literal["share", "none"] = "share"
    applies: Applies | None = None
    items: list[Item] = Field(default=[])
    groups: list[Group] = Field(default=[])

    @property
    def members(self) -> list[Item | Group]:
        return [*self.items, *self.groups]

    @property
    def total(self) -> float:
        """Sum of the given weights for a unit that most of them are for: of members that exclude each other one counts."""
        always, by_column = 0.0, dict[str, dict[str, float]]()
        for member in self.members:
            weight = member.weight or 0.0
            if member.applies is None:
                always += weight
                continue
            of_value = by_column.setdefault(member.applies.column, {})
            for value in member.applies.values:
                of_value[value] = of_value.get(value, 0.0) + weight
        return always + sum(max(of_value.values()) for of_value in by_column.values())

    @model_validator(mode="after")
    def _whole(self) -> Group:
        if bool(self.items) == bool(self.groups):
            raise ValueError(f"{self.id} 须有 items 或 groups 之一 (a group holds items or groups)")
        given = [member.weight for member in self.members]
        if self.weights is not None:
            if any(w is not None for w in given):
                raise ValueError(f"{self.id}: weights 与成员的 weight 只能给一种 (weights twice)")
            if isinstance(self.weights, Pairwise):
                size = len(given)
                if len(self.weights.matrix) != size or any(len(row) != size for row in self.weights.matrix):
                    raise ValueError(f"{self.id}: 判断矩阵须为 {size}×{size} (the matrix does not fit the members)")
                require_consistent(np.array(self.weights.matrix, dtype=float))
        elif any(w is not None for w in given):
            if lacking := [m.id for m in self.members if m.weight is None]:
                raise ValueError(f"{self.id}: {'、'.join(lacking)} 没有权重 (members without a weight)")
            total = self.total
            if not any(abs(total - whole) <= whole * SUM_TOLERANCE for whole in (1.0, 100.0)):
                raise ValueError(
                    f"{self.id} 的权重合计 {total:g}，应为 1 或 100%（容差 {SUM_TOLERANCE:.1%}）"
                    " (weights sum to neither 1 nor 100)"
                )
        return self


class Eligible(Section):
    """What a unit needs to be classed: `minimum_items` in each of `minimum_groups` groups, one of them of `of`."""

    minimum_items: int = Field(1, ge=1)
    minimum_groups: int = Field(1, ge=1)
    of: list[Text] = Field(default=[])


class Peers(Section):
    """Units that are classed and ranked among themselves: by a column, or by how many groups have enough items."""

    by: Literal["column", "groups_with_enough"]
    column: str = ""


class CutPoints(Section):
    """Classes by given limits, ascending; a score on a limit belongs to the better class."""

    rule: Literal["cut_points"]
    at: list[float] = Field(min_length=1)
    names: list[Text] = Field(default=[])


class Quantiles(Section):
    """Classes by quantiles of the scores among peers."""

    rule: Literal["quantiles"]
    at: list[float] = Field(min_length=1)
    names: list[Text] = Field(default=[])


class KMeans(Section):
    """Classes by k-means among peers, begun at the medians of equal parts; then once more without far ones.

    `strict`: in the last step units farther than this from their class's centre do not move it (SAS FASTCLUS, STRICT).
    """

    rule: Literal["k_means"]
    classes: int = Field(ge=2)
    strict: float | None = Field(None, gt=0)
    names: list[Text] = Field(default=[])


class Alternative(Section):
    """Another way of scoring that could as well have been chosen: the score rule of items that name none, how groups combine."""

    title: Text
    score: ScoreRule | None = None
    combine: Literal["arithmetic", "geometric", "topsis", "wrsr"] | None = None

    @model_validator(mode="after")
    def _differs(self) -> Alternative:
        if self.score is None and self.combine is None:
            raise ValueError("score、combine 至少给一个 (an alternative differs in something)")
        return self


class System(Section):
    """An indicator system.

    Attributes
    ----------
    unit
        Column that names a unit; one row a unit.
    missing
        Words that mean "no value". What is missing is missing, never 0.
    minimum_units
        An item that fewer units have is left out for all, and named.
    score
        Score rule of items that name none.
    alternatives
        Other ways of scoring, which draws take as often as this one: how far a rank rests on the choice.
    """

    id: Text
    title: Text
    source: Text
    standing: Literal["公开文献", "示例"]
    unit: Text
    missing: list[str] = Field(default=["", "NA", "N/A", "nan", "Not Available"])
    minimum_units: int = Field(1, ge=1)
    score: ScoreRule | None = None
    combine: Literal["arithmetic", "geometric", "topsis", "wrsr"] = "arithmetic"
    weights: Pairwise | Computed | None = None
    groups: list[Group] = Field(min_length=1)
    eligible: Eligible = Eligible()
    peers: Peers | None = None
    classes: Annotated[CutPoints | Quantiles | KMeans, Field(discriminator="rule")] | None = None
    alternatives: list[Alternative] = Field(default=[])

    def under(self, alternative: Alternative) -> System:
        """The system scored in another way."""
        given = {name: value for name in ("score", "combine") if (value := getattr(alternative, name)) is not None}
        return self.model_copy(update=given)

    @property
    def whole(self) -> Group:
        """The system as the one group at its root."""
        return Group(id=self.id, title=self.title, combine=self.combine, weights=self.weights, groups=self.groups)

    @property
    def items(self) -> list[Item]:
        return list(leaves(self.groups))

    @model_validator(mode="after")
    def _checked(self) -> System:
        _ = self.whole  # weights of the first level
        ids = [node.id for node in nodes(self.groups)]
        if repeated := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"标识重复: {'、'.join(repeated)} (ids repeated)")
        if unscored := [item.id for item in self.items if item.score is None and self.score is None]:
            raise ValueError(f"{'、'.join(unscored)} 没有计分规则 score (items without a score rule)")
        if unknown := [g for g in self.eligible.of if g not in ids]:
            raise ValueError(f"eligible.of 中的 {'、'.join(unknown)} 不是本体系的组 (no such group)")
        if self.peers is not None and self.peers.by == "column" and not self.peers.column:
            raise ValueError("peers.column 未给出 (name the column)")
        return self


def nodes(groups: list[Group]) -> Iterator[Item | Group]:
    """Every group and item of the tree, parents first."""
    for group in groups:
        yield group
        yield from group.items
        yield from nodes(group.groups)


def leaves(groups: list[Group]) -> Iterator[Item]:
    """Every item of the tree, in order."""
    return (node for node in nodes(groups) if isinstance(node, Item))


def read_system(path: Path) -> System:
    """The indicator system in a YAML file.

    Raises
    ------
    ParameterError
        With file, line, what was expected and the nearest valid key.
    """
    values, lines = read_yaml(path)
    return validate(System, values, lines, path)
