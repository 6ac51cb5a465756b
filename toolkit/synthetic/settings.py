"""What a synthetic region is made from: sizes, seed, planted effects. Everything else follows from these."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.errors import ParameterError
from toolkit.params import Selection

CYCLE_YEARS = 3  # a cycle is three calendar years; the region holds the cycle before and the cycle of the projects
MARK = "合成数据"  # stands in every hospital name, in README.txt and in truth.json


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a project truly does to its unit from the first day of the after cycle; 1 means nothing.

    Attributes
    ----------
    cost, los, mortality
        Factor on the expected cost, LOS or death probability of every stay.
    volume
        Factor on the unit's expected discharges, relative to all other units (the region's total is fixed).
    level4_odds
        Factor on the odds that an operation is of level 4 (四级手术).
    """

    name: str
    cost: float = 1.0
    los: float = 1.0
    mortality: float = 1.0
    volume: float = 1.0
    level4_odds: float = 1.0


# Given to the projects in turn: none, good, bad, and large enough to be found among a few hundred stays a year.
DEFAULT_EFFECTS: tuple[Effect, ...] = (
    Effect(name="large_good", cost=0.78, los=0.82, mortality=0.65, volume=1.20, level4_odds=2.0),
    Effect(name="none"),
    Effect(name="moderate_good", cost=0.90, los=0.92, volume=1.10, level4_odds=1.4),
    Effect(name="bad", cost=1.18, los=1.12, mortality=1.4, volume=0.90, level4_odds=0.7),
    Effect(name="small_good", cost=0.97, los=0.97, level4_odds=1.1),
    Effect(name="mixed", cost=0.85, los=1.10, volume=1.30),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Parameters of a synthetic region. Equal settings give equal bytes.

    Attributes
    ----------
    seed
        Seed of every draw.
    discharges
        Stays in all six years together, exactly.
    first_year
        First of the three years before the projects start. Where the sixth year is not over, its stays lie in the
        future, which rule D05 will find and truth.json does not list.
    hospitals
        Hospitals of the region; 24 makes about 230 units (hospital × specialty).
    adjacent_groups
        Synthetic adjacent DRGs; each has three severity levels, so 200 make 600 DRGs.
    chosen
        Projects chosen elsewhere, each as `hospital specialty`, in place of those that the region would choose.
    projects
        Units that get a project.
    selection
        "merit": the best units by their *observed* before cycle, so that chance is selected with them and regresses
        to the mean afterwards; "random": drawn by lot among the same eligible units.
    effects
        Given to the projects in turn, in a seeded order.
    inflation
        Yearly rise of cost as a fraction; declared in deflators.csv and truth.json.
    los_trend
        Yearly change of LOS as a fraction.
    drift_sd
        SD of the log of a unit's own yearly shock to cost and LOS; 0 for none. Each shock is in truth.json.
    ungrouped_share
        Stays without a DRG.
    dirt_rate
        Share of front-page rows that carry a seeded defect. The canonical Parquet never carries any.
    ragged_limit
        Most ragged rows as a share of a file; rule F05 rejects the whole file above its own limit.
    broken_file
        One further front-page file whose bytes are in no accepted encoding (rule F03: the whole file is rejected).

    Raises
    ------
    ParameterError
        A value is outside its range.
    """

    seed: int = 20190101
    discharges: int = 150_000
    first_year: int = 2019
    hospitals: int = 24
    adjacent_groups: int = 200
    projects: int = 12
    chosen: tuple[str, ...] = ()
    selection: Selection = Selection.MERIT
    effects: tuple[Effect, ...] = DEFAULT_EFFECTS
    inflation: float = 0.05
    los_trend: float = -0.025
    drift_sd: float = 0.03
    ungrouped_share: float = 0.006
    dirt_rate: float = 0.01
    ragged_limit: float = 0.001
    broken_file: bool = False

    def __post_init__(self) -> None:
        ranges = {
            "seed": (0, 2**63 - 1),
            "discharges": (0, 10**9),
            "first_year": (2000, 2050),
            "hospitals": (6, 3000),
            "adjacent_groups": (48, 400),
            "projects": (0, 10**5),
            "inflation": (-0.5, 0.5),
            "los_trend": (-0.2, 0.2),
            "drift_sd": (0, 0.5),
            "ungrouped_share": (0, 0.5),
            "dirt_rate": (0, 0.3),
            "ragged_limit": (0, 1),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(
                    f"合成数据参数 {name} = {getattr(self, name)} 超出范围",
                    f"synthetic setting {name} out of range",
                    remedy=f"请取 {low} 至 {high} 之间的值",
                    remedy_english=f"choose a value from {low} to {high}",
                )
        if self.selection not in ("merit", "random"):
            raise ParameterError(
                f"合成数据参数 selection = {self.selection!r} 无法识别",
                "synthetic setting selection is unknown",
                remedy="请填 merit 或 random",
                remedy_english="write merit or random",
            )
        if (self.projects or self.chosen) and not self.effects:
            raise ParameterError(
                "有项目而没有效应",
                "projects without effects",
                remedy='effects 至少写一项，可写 Effect(name="none")',
                remedy_english="give at least one effect",
            )

    @property
    def years(self) -> tuple[int, ...]:
        """The six calendar years."""
        return tuple(range(self.first_year, self.first_year + 2 * CYCLE_YEARS))

    @property
    def before(self) -> tuple[int, ...]:
        """Calendar years of the cycle before the projects."""
        return self.years[:CYCLE_YEARS]

    @property
    def after(self) -> tuple[int, ...]:
        """Calendar years of the projects."""
        return self.years[CYCLE_YEARS:]
