"""Two runs held against each other: tables by row and column, pages by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from toolkit.running.notebook import file_hash
from toolkit.runs.differences import ABSENT, Difference, Kind, difference, values_that_differ


def compare_runs(folder: Path, again: Path) -> Iterator[Difference]:
    """What differs between a run and its reproduction: tables by row and column, rendered files by line.

    Records (`data/`) are not compared: every number comes from the tables.
    """
    places = [(one / "results", path) for one in (folder, again) for path in (one / "results").rglob("*")]
    names = sorted({path.relative_to(place).as_posix() for place, path in places if path.is_file()})
    for name in names:
        then, now = folder / "results" / name, again / "results" / name
        if not (then.exists() and now.exists()):
            yield difference(Kind.TABLE, name, _there(then), _there(now))
        elif then.read_bytes() != now.read_bytes():
            yield from compare_tables(name, then, now)
    ids = sorted({p.parent.name for one in (folder, again) for p in one.glob("*/manifest.json")})
    for id_ in [".", *ids]:
        of_one = {p.name for one in (folder, again) for p in (one / id_).glob("*.html")}
        of_one |= (
            {
                p.name
                for one in (folder, again)
                for p in (one / id_).iterdir()
                if p.suffix in {".ipynb", ".docx", ".pdf"}
            }
            if ((folder / id_).is_dir() and (again / id_).is_dir())
            else set()
        )
        for name in sorted(of_one):
            yield from _compare_rendered(f"{id_}/{name}".removeprefix("./"), folder / id_ / name, again / id_ / name)


def _there(path: Path) -> str:
    return "存在 present" if path.exists() else "缺失 missing"


def compare_tables(name: str, then: Path, now: Path) -> Iterator[Difference]:
    """The first cell that differs between two files of results, named by table, row and column."""
    if not name.endswith(".parquet"):
        yield from values_that_differ(name, *(json.loads(path.read_text("utf-8")) for path in (then, now)))
        return
    # what a received file says of itself comes before what it holds, which may be without bound
    with pq.ParquetFile(then) as told, pq.ParquetFile(now) as ours:
        columns, rows_told = told.schema_arrow.names, told.metadata.num_rows
        if columns != ours.schema_arrow.names:
            yield difference(Kind.TABLE, f"{name} 的列 columns", columns, ours.schema_arrow.names)
            return
        if rows_told != ours.metadata.num_rows:
            yield difference(Kind.TABLE, f"{name} 的行数 rows", rows_told, ours.metadata.num_rows)
            return
    one, other = pd.read_parquet(then), pd.read_parquet(now)
    unequal = pd.DataFrame({c: _unequal(one[c], other[c]) for c in one.columns})
    rows = unequal.any(axis=1).to_numpy().nonzero()[0]
    if not len(rows):
        alike = all((one[c].isna() | (one[c] == other[c])).all() for c in one.columns)
        if alike:  # equal values in other bytes: another version of the writer
            yield difference(Kind.TABLE, name, file_hash(then), file_hash(now))
        return  # else numbers that differ by no more than the tolerance: another processor
    row = int(rows[0])
    column = next(c for c in one.columns if unequal[c].iloc[row])
    keys = [c for c in one.columns if one[c].dtype.kind not in "f" and c != column][:6]
    at = "，".join(f"{c}={one[c].iloc[row]}" for c in keys)
    yield difference(
        Kind.TABLE,
        f"{name} 第 {row + 1} 行 row（{at}）列 column {column}",
        repr(one[column].iloc[row]),
        repr(other[column].iloc[row]),
    )


TOLERANCE = 1e-9  # relative, and absolute below 1: processors and their libraries sum in different orders


def _unequal(one: pd.Series, other: pd.Series) -> pd.Series:
    """Where two columns differ: by value; of fractions by more than the tolerance, or in what is missing."""
    both_missing = one.isna() & other.isna()
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        apart = (one - other).abs() > TOLERANCE * one.abs().clip(lower=1)
        return (apart | (one.isna() ^ other.isna()) | (one.abs() == np.inf) ^ (other.abs() == np.inf)) & ~both_missing
    return (one != other) & ~both_missing


def _compare_rendered(name: str, then: Path, now: Path) -> Iterator[Difference]:
    if not (then.exists() and now.exists()):
        yield difference(Kind.PAGE, name, _there(then), _there(now))
        return
    if then.read_bytes() == now.read_bytes():
        return
    if then.suffix in {".html", ".ipynb"}:
        lines = zip_longest(then.read_text("utf-8").splitlines(), now.read_text("utf-8").splitlines(), fillvalue=ABSENT)
        for number, (a, b) in enumerate(lines, start=1):
            if a != b:
                yield difference(Kind.PAGE, f"{name} 第 {number} 行 line", *_around(a, b))
                return
    yield difference(Kind.PAGE, name, file_hash(then), file_hash(now))


def _around(a: str, b: str, width: int = 60) -> tuple[str, str]:
    """The piece of two lines around the first character that differs."""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, first - width // 2)
    return a[start : first + width], b[start : first + width]
