"""Releases over time: what a new release and one before would together tell about a few patients.

Two releases of the same cell, made from data that differ by a handful of records, give these away: the difference of two means
times their cases is the cost of whoever was added. So every release leaves in a register what its visible cells exactly rested
on, and the next one is held against all of them before it is written. The register holds exact counts and is never given out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from toolkit.errors import RunError
from toolkit.evaluation.results import Results
from toolkit.params import DisclosurePolicy
from toolkit.running.publish import explained

KEY = ["basis", "level", "hospital", "specialty", "period", "indicator"]
SUMS = ["n", "x", "y"]
LISTED = 12  # cells that a refusal names
SAME = 1e-9  # relative: sums of the same records


def resting_on(exact: Results, shown: Results) -> pd.DataFrame:
    """What the visible cells of a release rest on: `KEY`, exact `n, x, y`, and `data`, the hash of the data read."""
    visible = shown.cells[shown.cells["value"].notna() | (shown.cells["n"] > 0)][KEY]
    sums = exact.cells[[*KEY, *SUMS]]
    both = visible.astype(str).merge(sums.astype({c: str for c in KEY}), on=KEY, how="inner")
    return both.assign(data=exact.facts.data_hash).reset_index(drop=True)


def revealing(new: pd.DataFrame, before: pd.DataFrame, policy: DisclosurePolicy) -> pd.DataFrame:
    """Cells that both releases show and that differ by fewer records than a count has to have to be shown.

    Returns
    -------
    pd.DataFrame
        `KEY`, `n_before, n`. As many records with other sums count as few records changed, where the data are others.
    """
    both = new.merge(before, on=KEY, suffixes=("", "_before"))
    apart = (both["n"] - both["n_before"]).abs()
    moved = pd.Series(False, index=both.index)
    for column in ("x", "y"):
        gap = (both[column] - both[f"{column}_before"]).abs()
        moved |= gap > SAME * both[column].abs().clip(lower=1)
    few = (apart > 0) & (apart < policy.minimum_cases) | (apart == 0) & moved & (both["data"] != both["data_before"])
    return both.loc[few, [*KEY, "n_before", "n"]].reset_index(drop=True)


def entries(folder: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """The releases of a register, by name."""
    for path in sorted(folder.glob("*.parquet")):
        yield path.stem, pd.read_parquet(path)


def refuse_revealing(new: pd.DataFrame, before: Iterable[tuple[str, pd.DataFrame]], policy: DisclosurePolicy) -> None:
    """Refuse a release that tells about few patients together with one before.

    Raises
    ------
    RunError
        With the cells; nothing of the release has been written.
    """
    for name, one in before:
        found = revealing(new, one, policy)
        if len(found):
            lines = [" ".join(map(str, row)) for row in found[KEY].head(LISTED).itertuples(index=False)]
            raise RunError(
                f"与已发布的 {name} 对比，{len(found)} 个单元格相差的病例少于 {policy.minimum_cases} 例，两次相减可推出个别病例，不发布："
                + "；".join(lines),
                f"together with the release {name}, {len(found)} cells differ by too few patients: not released",
                where="发布登记 register of releases",
                remedy="把少量更正与以后的数据一起发布；或撤回前一次发布并从登记中移除它",
                remedy_english="release few corrections together with later data, or withdraw the former and take it off the register",
            )


def note(folder: Path, name: str, new: pd.DataFrame) -> Path:
    """Enter a release, after it has been written; the same release again changes nothing."""
    path = folder / f"{name}.parquet"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        made = folder / f".{path.name}.new"
        new.to_parquet(made, index=False, compression="zstd")
        made.chmod(0o600)
        os.replace(made, path)
    return path
