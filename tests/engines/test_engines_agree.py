"""Reading, rules, quantiles, cube and indicators: DuckDB and Spark give the same table, to 1e-9 and gap by gap."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import random_tables
import rows
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis import _

from toolkit import cube as cubes
from toolkit.cube.limits import trim_limits
from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.intake import take_in
from toolkit.data.lists.registry import read_registry
from toolkit.data.quality import RECORD_RULES
from toolkit.data.reading.formats import available, format_map
from toolkit.data.reading.groups import run_groups
from toolkit.data.reading.typed_rows import standardise
from toolkit.data.store import discharges
from toolkit.engine import connect, write_parquet
from toolkit.indicators import CATALOGUE
from toolkit.indicators.table import collect
from toolkit.params import Synthetic
from toolkit.reference import attach

pytestmark = pytest.mark.spark

SEEDS = st.integers(min_value=0, max_value=2**32 - 1)


def assert_same(one: pd.DataFrame, other: pd.DataFrame, what: str = "") -> None:
    """Equal rows in equal order, missing where missing, numbers to 1e-9."""
    assert list(one) == list(other)
    pd.testing.assert_frame_equal(
        one, other, rtol=1e-9, atol=1e-12, check_dtype=False, check_categorical=False, obj=what
    )


def on_both(engines, table: pa.Table, of, by) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `of` makes of the same rows on each engine, in the order of `by`."""
    found = []
    for connection in engines.values():
        made = connection.create_table("given_rows", table, overwrite=True)
        found.append(of(made).execute().sort_values(by, ignore_index=True))
    return found[0], found[1]


# --- reading --------------------------------------------------------------------------------------------------------------


# the variants of the front page differ from it in the names of columns only
@pytest.mark.parametrize("name", [name for name in available() if not name.startswith("front-page-")])
@settings(max_examples=1)  # hundreds of rows of odd cells each
@given(seed=SEEDS)
def test_cells_are_read_alike(engines, name, seed):
    form = format_map(name)
    text, columns = random_tables.text_of(form, seed, 300)
    assert_same(
        *on_both(engines, text, lambda made: plain(standardise(made, columns, form).drop("content")), ["line"]), name
    )


def plain(table):
    """Days as numbers: pandas has none before the year 1, and hospitals write 0000-01-01."""
    days = {
        c: _[c].year() * 10_000 + _[c].month() * 100 + _[c].day()
        for c, kind in table.schema().items()
        if kind.is_temporal()
    }
    clocks = {
        f"{c}_clock": _[c].hour() * 60 + _[c].minute() for c, kind in table.schema().items() if kind.is_timestamp()
    }
    return table.mutate(**clocks).mutate(**days)


def test_every_cell_alone_is_read_alike(engines):
    """Every odd cell under every kind of field, one at a time: what random rows might never put together."""
    form = format_map("canonical")
    cells = random_tables.CELLS
    columns = {name: [name] for name in form.wanted()}
    text = pa.table(
        {name: pa.array(cells, pa.string()) for name in form.wanted()}
        | {
            "file": pa.array([0] * len(cells), pa.int32()),
            "line": pa.array(range(len(cells)), pa.int64()),
            "source_content": pa.array(range(len(cells)), pa.int64()),
        }
    )
    one, other = on_both(engines, text, lambda made: plain(standardise(made, columns, form)), ["line"])
    assert_same(one, other)
    # and neither takes a word for a number
    at = {cell: i for i, cell in enumerate(cells)}
    words = [at[c] for c in ("5d", "5f", "1_000", "0x10", "nan", "inf", "Infinity", "１２", "1e400")]
    assert one.loc[words, ["los_days", "cost_fen", "drg_weight"]].isna().all().all()
    assert one.loc[at["12"], ["los_days", "drg_weight"]].tolist() == [12, 12]


# --- rules ----------------------------------------------------------------------------------------------------------------


def answers(engines, given_rows: list[dict], kinds: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What every rule over one record says of each row: three-valued, for what is unknown on one may not be False on the other."""
    params = rows.params(years={"first": 2022, "last": 2023})
    table = pa.table({name: pa.array([row.get(name) for row in given_rows], kind) for name, kind in kinds.items()})
    table = table.append_column("position", pa.array(range(len(given_rows))))

    def of(made):
        return made.select("position", **{f"rule_{rule.id}": rule.test(params) for rule in RECORD_RULES})

    return on_both(engines, table, of, ["position"])


class Examples:
    """Rows of the rules' own examples over a sound one, and the type of every column; too much to be printed."""

    def __init__(self, rows: list[dict], kinds: dict) -> None:
        self.rows, self.kinds = rows, kinds


@pytest.fixture(scope="module")
def examples():
    path = Path(__file__).parents[1] / "examples" / "test_rule_examples.py"
    spec = importlib.util.spec_from_file_location("rule_examples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kinds = {name: rows.ARROW[field.type] for name, field in BY_NAME.items()} | module.EXTRA
    own = [e for rule in RECORD_RULES for e in (rule.passes, rule.fails) if isinstance(e, Mapping)]
    return Examples([{**module.SOUND, **one} for one in own], kinds)


def test_every_example_of_a_rule_answers_alike(engines, examples):
    given_rows, kinds = examples.rows, examples.kinds
    assert len(given_rows) > len(RECORD_RULES)
    one, other = answers(engines, given_rows, kinds)
    assert_same(one, other)
    assert one.drop(columns="position").any().mean() > 0.9  # nearly every rule is hit somewhere


@settings(max_examples=2)
@given(seed=SEEDS)
def test_random_rows_break_the_same_rules(engines, examples, seed):
    given_rows, kinds = examples.rows, examples.kinds
    random = np.random.default_rng(seed)
    # of every field: what stands in any example, what no example holds, and nothing
    pools = {
        name: [None, *{row[name] for row in given_rows if row.get(name) is not None}, *ODD.get(str(kind), ())]
        for name, kind in kinds.items()
    }
    drawn = [{name: pool[random.integers(len(pool))] for name, pool in pools.items()} for _row in range(400)]
    one, other = answers(engines, drawn, kinds)
    assert_same(one, other)
    assert one.isna().any().any()


ODD = {
    "string": (
        "",
        "-",
        "x",
        "I21.0",
        "O80.0",
        "Z53.901",
        "C61.x00",
        "F",
        "v",
        "|I10|",
        "|I10|E11.9|",
        "|01.01=4|",
        "0000",
        "FQY",
    ),
    "int8": (-1, 0, 1, 4, 127),
    "int16": (-1, 0, 1, 120, 121, 2022, 32767),
    "int32": (-1, 0, 1, 60, 61, 10**6),
    "int64": (-1, 0, 1, 499, 500, 10**12),
    "double": (-1.0, 0.0, 0.5, 1e15),
    "bool": (True, False),
    "date32[day]": (dt.date(1800, 1, 1), dt.date(1989, 12, 31), dt.date(2022, 12, 31), dt.date(2025, 1, 1)),
}


# --- quantiles, cube, indicators --------------------------------------------------------------------------------------------

POLICIES = [
    {"trimming": {"method": "none"}},
    {"trimming": {"method": "iqr", "frozen": "same"}},
    {
        "trimming": {"method": "percentile", "frozen": "same"},
        "price_index": {y: 1 + 0.03 * (y - 2019) for y in range(2019, 2025)},
    },
    {"trimming": {"method": "sd", "frozen": "same"}, "reference": {"scope": "level_group", "minimum_cases": 1}},
]


def cube_of(connection, frame: pd.DataFrame, params) -> pd.DataFrame:
    groups = rows.registry_of(frame).rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    table = connection.create_table("given_discharges", rows.stored(frame), overwrite=True)
    return cubes.build(table, params, groups, connection=connection)


@pytest.mark.parametrize("policy", POLICIES[1:], ids=lambda p: p["trimming"]["method"])
def test_trim_limits_are_the_same_quantiles(engines, policy):
    frame, params = random_tables.discharges_of(7, 400), rows.params(cycles=rows.CYCLES, **policy)
    for basis in cubes.BASES:
        keys = ["level_group", "drg"] + ["year"] * (basis == "contemporaneous")
        table = rows.stored(frame).append_column("level_group", pa.array(frame["level_group"]))
        one, other = on_both(engines, table, lambda made, b=basis: trim_limits(made, params, b), keys)
        assert_same(one, other, basis)
        assert one.isna().any().any()  # an empty group is among them
        if policy["trimming"]["method"] != "percentile":
            continue
        # and they are what pandas gives
        used = frame[
            (frame["cost_fen"] != "")
            & (frame["drg"] == one["drg"][0])
            & (frame["level_group"] == one["level_group"][0])
        ]
        if basis == "contemporaneous":
            flags = rows.stored(used).to_pandas()
            of_year = flags[(flags["year"] == one["year"][0]) & flags["cost_usable"].astype(bool)]["cost_fen"].astype(
                float
            )
            if len(of_year):
                assert one["cost_low"][0] == pytest.approx(np.quantile(of_year, 0.05), rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p["trimming"]["method"])
@settings(max_examples=2)
@given(seed=SEEDS, size=st.sampled_from([1, 30, 400]))
def test_the_cube_and_every_indicator_are_the_same(engines, policy, seed, size):
    frame, params = random_tables.discharges_of(seed, size), rows.params(cycles=rows.CYCLES, **policy)
    one, other = (cube_of(connection, frame, params) for connection in engines.values())
    assert_same(one, other, "cube")
    hospitals = rows.registry_of(frame)
    for basis in cubes.BASES:
        for by in (["hospital", "specialty", "cycle"], ["hospital", "year"]):
            cells = [collect(attach(c, params, hospitals, basis), CATALOGUE.values(), by) for c in (one, other)]
            assert_same(*cells, f"cells, {basis}")
            assert set(cells[0]["indicator"]) == set(CATALOGUE)


def test_the_examples_of_the_catalogue_have_their_value_on_spark(spark, work):
    """All examples that share the plain policy, from one file through the rules and the store of Spark."""
    after_the_cube = {"reference", "weights", "risk_grades", "indicators"}
    shared = [
        one
        for one in CATALOGUE.values()
        if not set(one.example.policy) - after_the_cube and "discharge_date" not in one.example.discharges
    ]
    frames = {one.id: rows.received(one.example.discharges) for one in shared}
    # codes as the door lets them in: capitals and figures
    begins = {one.id: f"H{number:03d}" for number, one in enumerate(shared)}
    frames = {id_: frame.assign(hospital=begins[id_] + frame["hospital"]) for id_, frame in frames.items()}
    frame, folder = pd.concat(frames.values(), ignore_index=True).fillna(""), work / "examples"
    folder.mkdir()
    (folder / "合成.csv").write_bytes(rows.csv_of(frame))
    params, hospitals = rows.params(files=(str(folder / "合成.csv"),)), rows.registry_of(frame)
    intake = take_in(params, run_groups(params.data), hospitals, spark, folder)
    groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
    cube = cubes.build(discharges(spark, intake.store), params, groups, connection=spark)
    assert len(shared) >= 20
    for indicator in shared:
        own = cube[cube["hospital"].str.startswith(begins[indicator.id])].reset_index(drop=True)
        policy = rows.params(**indicator.example.policy)
        referenced = attach(own, policy, rows.registry_of(frames[indicator.id]), "contemporaneous")
        cells = collect(referenced, [indicator], ["hospital"], policy=policy.indicators)
        values = cells.loc[cells["hospital"] == f"{begins[indicator.id]}A", "value"].tolist()
        assert values == [pytest.approx(indicator.example.value, rel=1e-9)], indicator.id


def test_discharges_per_month_are_the_same(engines):
    table = rows.stored(random_tables.discharges_of(3, 200))
    one, other = (cubes.monthly(c.create_table("given_discharges", table, overwrite=True)) for c in engines.values())
    assert_same(one, other)


# --- where Ibis alone would let them differ ---------------------------------------------------------------------------------


def test_sums_beyond_64_bits_are_exact(engines):
    cost = 200_000_000  # 2 million yuan in fen: the sum of squares of a few hundred such stays leaves 64 bits
    frame = rows.received(f"""
        hospital | cost_fen | cases
        A        | {cost}   | 500
        """)
    for connection in engines.values():
        made = cube_of(connection, frame, rows.params())
        assert made["cost_sq"].tolist() == [float(500 * cost**2)]
        assert made["cost"].tolist() == [500 * cost]


def test_two_stays_are_hardly_ever_taken_for_one(engines):
    """A hash of 32 bits would give about twenty collisions among 400,000 keys."""
    table = pa.table({"key": pa.array([f"合成␟{i}␟1" for i in range(400_000)])})
    for connection in engines.values():
        made = connection.create_table("keys", table, overwrite=True)
        assert made.aggregate(n=made.key.hash().nunique()).execute()["n"][0] == 400_000


def test_what_is_written_is_read_again_on_either_engine(engines, work):
    table = rows.stored(random_tables.discharges_of(5, 50))
    for name, connection in engines.items():
        made = connection.create_table("given_rows", table, overwrite=True)
        path = work / name / "it's written.parquet"
        assert write_parquet(connection, made, path, order_by=["line"]) == 50
        assert write_parquet(connection, made.filter(_.line < 0), work / name / "none.parquet") == 0
        again = connection.read_parquet(str(path)).order_by("line").execute()
        assert_same(again, made.order_by("line").execute(), name)
        assert pd.read_parquet(path)["line"].is_monotonic_increasing


def test_text_is_cut_and_stripped_alike(engines):
    """Spark splits by a regular expression, and Ibis writes it an escape that it does not know: codes of v, f, | and . show it."""
    texts = ["|I10|E11.9|", "a.b|c", "", "|", "vvf", "ff", " v ", "\fv\v", "\tf\n", "\\Q|\\E", None]
    table = pa.table({"text": pa.array(texts), "position": pa.array(range(len(texts)))})

    def of(made):
        parts = {f"by_{i}": _.text.split(d).length() for i, d in enumerate("|.v\\")}
        return made.mutate(bare=_.text.strip(), first=_.text.split("|")[0], **parts)

    one, other = on_both(engines, table, of, ["position"])
    assert_same(one, other)
    assert one["bare"].tolist()[4:9] == ["vvf", "ff", "v", "v", "f"]
    assert one["by_0"].tolist()[:4] == [4, 2, 1, 2]


# --- from files to indicators -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_region_goes_from_files_to_indicators_alike(engines, work):
    from toolkit.synthetic.as_data import with_synthetic

    base = rows.params(cycles=rows.CYCLES)
    data = base.data.model_copy(
        update={"synthetic": Synthetic(discharges=1500, hospitals=6, projects=2, dirt=0.05, seed=11), "files": []}
    )
    params = with_synthetic(
        base.model_copy(update={"data": data, "specialties": [], "projects": []}), work / "synthetic"
    )
    found = {}
    for name, shared in engines.items():
        folder = work / f"region-{name}"
        inputs = [work / "synthetic", work / "synthetic" / "front_pages"]
        # a connection as a run opens it; Spark's session stays the one of all tests
        connection = connect(
            folder, inputs, engine="spark" if shared.name != "duckdb" else "duckdb", threads=2, memory="1GB"
        )
        registry = read_registry(params.data.hospitals, folder)
        intake = take_in(params, run_groups(params.data), registry, connection, folder)
        stored = discharges(connection, intake.store)
        groups = registry.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        cube = cubes.build(stored, params, groups, connection=connection)
        cells = pd.concat(
            collect(attach(cube, params, registry, b), CATALOGUE.values(), ["hospital", "specialty", "cycle"])
            for b in cubes.BASES
        )
        records = stored.order_by(["file", "line"]).execute()
        fates = pd.read_parquet(intake.fates)
        found[name] = {
            "files": intake.files,
            "accounts": intake.accounts,
            "fates": fates,
            "records": records,
            "cube": cube,
            "cells": cells.reset_index(drop=True),
        }
    for table, of_duckdb in found["duckdb"].items():
        of_spark = found["spark"][table]
        for column in HASHED & set(of_duckdb):  # what a hash is may differ, never what it makes equal
            pairs = pd.DataFrame({"one": of_duckdb[column], "other": of_spark[column]}).drop_duplicates()
            assert pairs["one"].is_unique, column
            assert pairs["other"].is_unique, column
        hashed = [c for c in of_duckdb if c in HASHED]
        assert_same(of_duckdb.drop(columns=hashed), of_spark.drop(columns=hashed), table)
    fates = found["spark"]["accounts"].groupby("fate")["n"].sum()
    assert set(fates.index) == {"accepted", "excluded", "quarantined"}
    assert fates.sum() == found["spark"]["files"]["received"].sum()
    assert not found["spark"]["cells"]["value"].isna().all()


HASHED = {"patient", "pseudonym"}
