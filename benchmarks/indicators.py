"""Indicators with references and intervals, from the stored cube: no record is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.measuring import CACHE, HERE, against_each_other, report

# the indicators that were there first
FIRST = (
    "volume",
    "drg_count",
    "cmi",
    "level4_share",
    "level34_share",
    "cost_index",
    "los_index",
    "mean_cost",
    "mean_los",
    "low_risk_mortality",
    "mid_low_risk_mortality",
)


def run(size: int, runs: int) -> None:
    if not _cube(size).exists():  # made by a child: see measuring.against_each_other
        subprocess.run(
            [sys.executable, "-c", f"from benchmarks.indicators import make; make({size})"], check=True, cwd=HERE.parent
        )
    names = ["indicators:first", "indicators:catalogue", "indicators:leave_one_out", "indicators:external_weights"]
    report(
        "indicators",
        size,
        against_each_other(names, size, runs),
        cells="hospital x specialty x year, one basis, with references and intervals",
        target="the first indicators below 1 s, the whole catalogue with any reference below 2 s",
    )


def _cube(size: int) -> Path:
    from toolkit.data.discharge.measures import MEASURES

    declared = repr([(m.id, repr(m.value), repr(m.when)) for m in MEASURES])
    return CACHE / f"cube-{size}-{sha256(declared.encode()).hexdigest()[:8]}.parquet"


def make(size: int) -> None:
    """The cube of the whole catalogue that the candidates read."""
    from benchmarks.cube import whole

    whole(size).to_parquet(_cube(size))


def _work(size: int, names: Any = None, **policies: Any) -> Callable[[], None]:
    import pandas as pd

    from toolkit.indicators import CATALOGUE
    from toolkit.indicators.table import collect
    from toolkit.reference import attach

    cube, params, hospitals = pd.read_parquet(_cube(size)), data.params(**policies), data.hospitals(size)
    cube = cube.astype({k: "category" for k in ("hospital", "specialty", "drg")})  # as `toolkit.cube.build` gives them
    chosen = [CATALOGUE[name] for name in names or CATALOGUE]

    def work() -> None:
        collect(attach(cube, params, hospitals, "contemporaneous"), chosen, ["hospital", "specialty", "year"])

    return work


def first(size: int) -> Callable[[], None]:
    return _work(size, FIRST)


def catalogue(size: int) -> Callable[[], None]:
    return _work(size)


def leave_one_out(size: int) -> Callable[[], None]:
    from toolkit.params import ReferencePolicy

    return _work(size, reference=ReferencePolicy(leave_one_out=True))


def external_weights(size: int) -> Callable[[], None]:
    """With a table of weights for every DRG, as a province publishes one."""
    import pandas as pd

    from toolkit.params import WeightPolicy

    cube = pd.read_parquet(_cube(size), columns=["drg", "cost", "cost_n"]).groupby("drg", observed=True).sum()
    weights = cube["cost"] / cube["cost_n"].where(cube["cost_n"] > 0) / (cube["cost"].sum() / cube["cost_n"].sum())
    file = CACHE / f"weights-{size}.csv"
    known = weights[(weights > 0) & (weights.index != "")].round(4).rename("weight").rename_axis("drg")
    known.reset_index().to_csv(file, index=False)
    return _work(size, weights=WeightPolicy(source="file", file=file))
