"""Indicators with references and intervals, from the stored cube: no record is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.cube import toolkit_iqr
from benchmarks.measuring import CACHE, HERE, against_each_other, report


def run(size: int, runs: int) -> None:
    if not _cube(size).exists():  # made by a child: see measuring.against_each_other
        subprocess.run(
            [sys.executable, "-c", f"from benchmarks.indicators import make; make({size})"], check=True, cwd=HERE.parent
        )
    names = ["indicators:attach_one_basis", "indicators:collect_one_basis", "indicators:both_bases"]
    report("indicators", size, against_each_other(names, size, runs), target="attach + collect on one basis below 1 s")


def _cube(size: int) -> Path:
    return CACHE / f"cube-{size}.parquet"


def make(size: int) -> None:
    """The cube that the candidates read. Remove it from the cache where the cube itself has changed."""
    toolkit_iqr(size)().to_parquet(_cube(size))


def _work(size: int) -> tuple[Callable[[str], Any], Callable[[Any], Any]]:
    import pandas as pd

    from toolkit.indicators import CATALOGUE
    from toolkit.indicators.table import collect
    from toolkit.reference import attach

    cube, params, hospitals = pd.read_parquet(_cube(size)), data.params(), data.hospitals(size)
    return (
        lambda basis: attach(cube, params, hospitals, basis),  # type: ignore[arg-type]
        lambda referenced: collect(referenced, CATALOGUE.values(), ["hospital", "specialty", "year"]),
    )


def attach_one_basis(size: int) -> Callable[[], None]:
    attach, _collect = _work(size)

    def work() -> None:
        attach("contemporaneous")

    return work


def collect_one_basis(size: int) -> Callable[[], None]:
    attach, collect = _work(size)
    referenced = attach("contemporaneous")

    def work() -> None:
        collect(referenced)

    return work


def both_bases(size: int) -> Callable[[], None]:
    attach, collect = _work(size)

    def work() -> None:
        for basis in ("contemporaneous", "frozen"):
            collect(attach(basis))

    return work
