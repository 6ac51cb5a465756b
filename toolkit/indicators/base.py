"""What an indicator is: a ratio of two sums over rows of the cube, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import pandas as pd

from toolkit.declared import Word

CubeExpression = Any  # pandas' column expression: printed in the handbook as it is executed


def col(name: str) -> CubeExpression:
    """A column of the cube."""
    return pd.col(name)


class Domain(StrEnum):
    """维度: the chapter of a report that an indicator stands in."""

    CAPACITY = "服务能力"
    TECHNIQUE = "技术水平"
    EFFICIENCY = "服务效率"
    SAFETY = "质量安全"
    REACH = "辐射能力"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "越高越好"
    LOWER = "越低越好"
    NEUTRAL = "不评优劣"


class Distribution(StrEnum):
    """How the interval is made."""

    MEAN = "对数正态近似"  # delta method on the log of a mean, from Σa and Σa²
    RATIO = "对数正态近似（总量之比，delta 法）"  # of a ratio of two sums over the same discharges
    PROPORTION = "Clopper–Pearson 精确区间"
    RARE = "Poisson 精确区间"  # of the numerator; the denominator is fixed


class Standing(StrEnum):
    """Stated in a published source, or a policy choice."""

    STATED = "公开文献"
    POLICY = "政策选择"


class Status(Word):
    """Why a cell has a value or none."""

    VALUE = "value", "值"
    NOT_APPLICABLE = "not_applicable", "不适用"
    NO_REFERENCE = "no_reference", "无标杆"
    TOO_FEW = "too_few", "例数不足"
    UNSTABLE = "unstable", "分级不稳"  # the risk grades of its cases would come out otherwise, were deaths drawn again
    STOPPED = "stopped", "停止计算"  # its numerator is not inside its denominator (rule P16)
    INCOMPLETE = "incomplete", "填报不全"  # too little of what it counts was filled in, see `Indicator.complete_by`
    WITHHELD = "withheld", "已隐去"  # by the release edition


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a definition comes from."""

    title: str
    clause: str = ""
    standing: Standing = Standing.STATED


@dataclass(frozen=True, kw_only=True)
class Example:
    """A few discharges and the value they must give: printed in the handbook and run as a test on every engine.

    Attributes
    ----------
    discharges
        A text table, columns divided by `|`; an empty field is missing. Columns not named get a plain default.
    value
        Of hospital A, in the indicator's unit.
    arithmetic
        How a person computes it.
    policy
        Parameters that differ from the example's defaults (no trimming, one reference case enough).
    """

    discharges: str
    value: float
    arithmetic: str
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Described:
    """What every indicator says about itself; printed with `decimals` in `unit`."""

    id: str
    name_zh: str
    name_en: str
    domain: Domain
    formula: str
    source: Source
    direction: Direction
    example: Example
    unit: str = ""
    decimals: int = 2
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Indicator(Described):
    """A ratio of two sums over rows of the cube. Both sums are kept to the end, so tables of any level add up exactly.

    A row of the cube for which either side is missing leaves both: a DRG without a reference, for example.

    Attributes
    ----------
    numerator, denominator
        Expressions over the referenced cube (`toolkit.reference.Referenced.frame`), one value a row, summed over rows.
        No denominator: a plain total, which adds up on its numerator alone.
    cases
        The discharges behind the value, where a discharge does not add just 1 to the denominator.
    squares
        Σ of squares over discharges of what each adds to the numerator, for distributions MEAN (a discharge adds 1 to the
        denominator there) and RATIO.
    cross, squares_below
        For RATIO: Σ over discharges of what each adds to the numerator times what it adds to the denominator, and Σ of
        squares of the latter.
    among
        Rows that count at all, e.g. one risk grade. None = every row.
    applies_to
        Rows that the indicator is for; where no row of a cell is, the cell reads 不适用, never 0.
    own_share
        The unit's share of the reference cases, by row, where the indicator has a reference.
    scale
        The value is scale × Σnumerator / Σdenominator.
    complete_by
        Id of the indicator that says how completely a hospital filled in what this one counts; where that share is below the
        declared least one, this has no value.
    """

    numerator: CubeExpression
    denominator: CubeExpression | None
    distribution: Distribution | None
    cases: CubeExpression | None = None
    squares: CubeExpression | None = None
    cross: CubeExpression | None = None
    squares_below: CubeExpression | None = None
    among: CubeExpression | None = None
    applies_to: CubeExpression | None = None
    own_share: CubeExpression | None = None
    scale: float = 1.0
    complete_by: str = ""

    adds_up: ClassVar[bool] = True

    @property
    def expressions(self) -> tuple[CubeExpression, ...]:
        """All that are evaluated for it."""
        declared = (
            self.numerator,
            self.denominator,
            self.cases,
            self.squares,
            self.cross,
            self.squares_below,
            self.among,
            self.applies_to,
            self.own_share,
        )
        return tuple(one for one in declared if one is not None)

    @property
    def divides(self) -> bool:
        """A ratio, not a total."""
        return self.denominator is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class Distinct(Described):
    """A number of distinct values of the cube's key `of` among some rows. It does not add up: `roll_up` refuses it."""

    of: str
    among: CubeExpression

    adds_up: ClassVar[bool] = False
    divides: ClassVar[bool] = False
    scale: ClassVar[float] = 1.0
    distribution: ClassVar[None] = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Count(Distinct):
    """Distinct values of a key.

    Attributes
    ----------
    at_least
        The policy that holds how many cases a value needs to be counted; 1 where there is none. Where a single case is
        enough, the number has the interval of `Rarefied` with as many cases as there are; else none.
    """

    at_least: str = ""
    decimals: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Rarefied(Distinct):
    """Distinct values of a key expected among a common number of cases, drawn without return from the cell's own.

    E = Σ_k [1 − C(N − N_k, m) / C(N, m)], N cases of the cell, N_k those of key value k, m the common number. A cell of
    fewer than m cases has no value. Where N = m it is the plain count.

    Attributes
    ----------
    at
        The policy that holds m (`toolkit.params.IndicatorPolicy`).

    Its interval is that of another sample of the same number of cases, not of another draw from these: its variance is
    Σ_k p_k² − E² / Ŝ with p_k the chance that kind k is drawn and Ŝ the number of kinds that Chao's estimate gives,
    S + (N − 1) / N · f₁ (f₁ − 1) / (2 (f₂ + 1)), f₁ and f₂ the kinds with one case and with two.

    References
    ----------
    Hurlbert (1971), doi:10.2307/1934145; Colwell et al. (2012), doi:10.1093/jpe/rtr044, equation 5.
    """

    at: str
    decimals: int = 1


Declared = Indicator | Count | Rarefied

# columns of the referenced cube that another reference, weight, grade, trimming or price would change, as expressions print them
REFERENCED = ("col('ref_", "col('weight", "col('risk_grade", "col('los_kept", "col('cost")


def rests_on_basis(one: Declared) -> bool:
    """Whether the value on the frozen basis is another number than the contemporaneous one: its name then says the basis."""
    return isinstance(one, Indicator) and any(name in str(e) for e in one.expressions for name in REFERENCED)
