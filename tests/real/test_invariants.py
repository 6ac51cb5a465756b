"""What must hold on any data, shown on the real: a reference stands at 1 against itself, levels add up, order is nothing."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import oracle
import pandas as pd
import pyarrow.parquet as pq
import pytest
from comparison import SHOWN, prepare

from toolkit import engine
from toolkit.cube import BASES
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect, roll_up

# ibis asks pandas for an option that pandas 3 deprecates; not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:The 'future.infer_string' option")

INDICATORS = [CATALOGUE[name] for name in SHOWN]
PRICES = {2019: 0.89, 2020: 0.92, 2021: 1.0, 2022: 1.07, 2023: 1.12, 2024: 1.17}
AT_ONE = ("cost_index", "los_index", "cmi")


def _ones(real, params, cells, basis, by):
    found = collect(real.attach(cells, params, basis), [CATALOGUE[name] for name in AT_ONE], by)
    return found[found["cycle"] == "before"] if basis == "frozen" and "cycle" in by else found


@pytest.mark.parametrize("method", ["iqr", pytest.param("percentile", marks=pytest.mark.slow), "sd", "none"])
def test_the_reference_against_itself_is_one(brazil, method):
    params = brazil.params(trimming={"method": method, "frozen": "same"}, reference={"frozen": "same"})
    cells = brazil.cube(params)
    for basis, by in (("contemporaneous", ["year"]), ("contemporaneous", ["cycle"]), ("frozen", ["cycle"])):
        values = _ones(brazil, params, cells, basis, by)["value"].to_numpy(float)
        assert len(values) >= len(AT_ONE)
        np.testing.assert_allclose(values, 1.0, rtol=1e-11)


def test_the_reference_is_at_one_in_new_york_and_in_each_of_two_level_groups(new_york, brazil):
    params = new_york.params()
    np.testing.assert_allclose(
        _ones(new_york, params, new_york.cube(params), "contemporaneous", ["year"])["value"].to_numpy(float),
        1.0,
        rtol=1e-11,
    )
    grouped = brazil.in_two_groups()
    params = grouped.params()
    values = _ones(grouped, params, grouped.cube(params), "contemporaneous", ["level_group", "year"])
    indices = values.loc[values["indicator"] != "cmi", "value"].to_numpy(float)  # weights are the whole region's
    assert len(indices) == 2 * 2 * 6
    np.testing.assert_allclose(indices, 1.0, rtol=1e-11)


@pytest.mark.parametrize("basis", BASES)
def test_levels_add_up(brazil, basis):
    params = brazil.params()
    referenced = brazil.attach(brazil.cube(params), params, basis)
    adding = [one for one in INDICATORS if one.adds_up]
    fine = collect(referenced, adding, ["hospital", "specialty", "year", "cycle"])
    for by in (["specialty", "cycle"], ["year"], ["cycle"]):
        keys = [*by, "indicator"]
        added = roll_up(fine, CATALOGUE, by).set_index(keys).sort_index()
        direct = collect(referenced, adding, by).set_index(keys).sort_index()
        assert added.index.equals(direct.index)
        for name in ("n", "value", "se", "low", "high", "covered", "own_share"):
            np.testing.assert_allclose(
                added[name].to_numpy(float), direct[name].to_numpy(float), rtol=1e-9, err_msg=name
            )


def _own_conftest() -> Any:
    """This folder's conftest: several folders have one, and `import conftest` gives whichever was loaded last."""
    spec = importlib.util.spec_from_file_location("real_conftest", Path(__file__).with_name("conftest.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def _bytes(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, float_format="%.17g").encode()


def _everything(real, params, connection=None) -> bytes:
    cube = real.cube(params, connection)
    parts = [cube]
    for basis in BASES:
        referenced = real.attach(cube, params, basis)
        parts += [collect(referenced, INDICATORS, by) for by in (["hospital", "specialty", "cycle"], ["cycle"])]
    return b"".join(map(_bytes, parts))


@pytest.mark.parametrize("prices", [pytest.param({}, marks=pytest.mark.slow), PRICES], ids=["nominal", "constant"])
def test_row_order_and_threads_change_no_byte(brazil, tmp_path, prices):
    params = brazil.params(price_index=prices)
    first = _everything(brazil, params)
    shuffled = tmp_path / "discharges"
    shuffled.mkdir()
    draw = np.random.default_rng(5)
    for file in sorted(brazil.store.glob("*.parquet")):
        table = pq.read_table(file)
        pq.write_table(table.take(draw.permutation(len(table))), shuffled / file.name, row_group_size=5_000)
    for threads, store in ((1, brazil.store), (2, shuffled)):
        connection = engine.connect(tmp_path / f"work{threads}", [store], threads=threads)
        assert _everything(replace(brazil, store=store), params, connection) == first, f"threads {threads}"


@pytest.mark.slow
def test_shuffled_input_file_changes_no_byte(new_york, tmp_path, data_folder):
    conftest = _own_conftest()
    raw = pd.read_csv(data_folder / conftest.NEW_YORK, dtype=str, keep_default_na=False)
    file = tmp_path / conftest.NEW_YORK.removesuffix(".gz")
    raw.sample(frac=1, random_state=5).to_csv(file, index=False)
    again = conftest.taken_in(
        file,
        tmp_path / "work",
        new_york.cases,
        new_york.cycle_of,
        {**new_york.base, "data": {"format": new_york.base["data"]["format"]}},
    )
    assert _everything(again, again.params()) == _everything(new_york, new_york.params())


# --- standard errors

UNITS, DRAWS = 20, 2_000
# The standard deviation of 2,000 draws is itself uncertain by 1/sqrt(2 · 2000) = 1.6 %; 20 units × 2 stay within 4 of these.
ALLOWED = 4 / np.sqrt(2 * DRAWS)


@pytest.mark.slow
def test_standard_errors_equal_a_bootstrap_of_records(brazil):
    """The reference held fixed, as the closed form takes it."""
    cases = prepare(brazil, oracle.Policy(), "contemporaneous")
    cases = cases[(cases["cycle"] == "after") & cases["specialty"].notna()]
    sizes = cases.groupby(["hospital", "specialty"]).size()
    units = sizes[sizes >= 300].sample(UNITS, random_state=3).index
    params = brazil.params()
    cells = collect(
        brazil.attach(brazil.cube(params), params, "contemporaneous"),
        [CATALOGUE["cost_index"], CATALOGUE["los_index"]],
        ["hospital", "specialty", "cycle"],
    )
    closed = cells[cells["cycle"] == "after"].set_index(["hospital", "specialty", "indicator"])["se"]
    draw = np.random.default_rng(3)
    ratios = []
    for unit in units:
        own = cases[(cases["hospital"] == unit[0]) & (cases["specialty"] == unit[1])]
        for measure in ("cost", "los"):
            values = own[f"{measure}_ratio"].dropna().to_numpy(float)
            means = [values[draw.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)]
            ratios.append(np.std(means, ddof=1) / closed.loc[(*unit, f"{measure}_index")])
    assert np.all(np.abs(np.array(ratios) - 1) < ALLOWED), f"{min(ratios):.3f}–{max(ratios):.3f}"
    assert abs(np.mean(ratios) - 1) < ALLOWED / 4
