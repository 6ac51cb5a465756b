"""The same numbers everywhere: tables of a run under other processors' kernels and thread counts, and what verify makes of them."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from regions import rows, tree, write

from toolkit.runs.comparison import TOLERANCE, compare_runs, compare_tables

EVALUATE = """
import sys
from pathlib import Path
from toolkit.params import load_params
from toolkit.runs import pipeline
pipeline.evaluate(load_params(sys.argv[1]), Path(sys.argv[2]))
"""


def evaluated(folder, path, **environment):
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE, str(path), str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.slow
def test_other_kernels_and_thread_counts_give_tables_within_the_declared_tolerance(tmp_path):
    path = write(tmp_path, rows(3000))
    first = evaluated(tmp_path / "one" / "r", path, OPENBLAS_CORETYPE="Haswell", OPENBLAS_NUM_THREADS="1")
    for number, (kernel, threads) in enumerate([("Nehalem", "1"), ("Prescott", "1"), ("Haswell", "4")]):
        other = evaluated(tmp_path / f"{number}" / "r", path, OPENBLAS_CORETYPE=kernel, OPENBLAS_NUM_THREADS=threads)
        assert [str(one) for one in compare_runs(first, other)] == []


@pytest.mark.slow
def test_the_same_run_in_two_places_has_the_same_bytes(tmp_path):
    path = write(tmp_path, rows(900))
    one, other = (evaluated(tmp_path / name / "r", path) for name in ("a", "b"))
    assert tree(one) == tree(other)


def written(path, **columns):
    pd.DataFrame(columns).to_parquet(path)
    return path


@pytest.mark.parametrize("value", [0.0, 1e-12, 3.7, 5e8])
def test_a_last_bit_is_no_difference_and_anything_more_is(tmp_path, value):
    then = written(tmp_path / "a.parquet", k=["x"], v=[value])
    bit = written(tmp_path / "b.parquet", k=["x"], v=[float(np.nextafter(value, np.inf))])
    assert list(compare_tables("t.parquet", then, bit)) == []
    more = written(tmp_path / "c.parquet", k=["x"], v=[value + 3 * TOLERANCE * max(1, value)])
    [found] = compare_tables("t.parquet", then, more)
    assert "列 column v" in found.where


@pytest.mark.parametrize("other", [np.nan, np.inf, -2.5])
def test_missing_endless_and_of_the_other_sign_are_differences(tmp_path, other):
    then = written(tmp_path / "a.parquet", v=[2.5, 1.0])
    [found] = compare_tables("t.parquet", then, written(tmp_path / "b.parquet", v=[other, 1.0]))
    assert found.found == repr(other) or found.found == f"np.float64({other})"


def test_counts_and_words_have_no_tolerance(tmp_path):
    then = written(tmp_path / "a.parquet", n=[10**12], w=["a"])
    assert len(list(compare_tables("t.parquet", then, written(tmp_path / "b.parquet", n=[10**12 + 1], w=["a"])))) == 1
    assert len(list(compare_tables("t.parquet", then, written(tmp_path / "c.parquet", n=[10**12], w=["b"])))) == 1
