"""Every indicator's own example, from a file through the rules, the store and the cube, on every engine."""

from __future__ import annotations

import pandas as pd
import pytest
import rows

from toolkit import cube as cubes
from toolkit.catalogues import Catalogue
from toolkit.data.intake import take_in
from toolkit.data.lists.diseases import disease_sums
from toolkit.data.reading.groups import run_groups
from toolkit.data.store import discharges
from toolkit.engine import connect
from toolkit.errors import ContractBroken
from toolkit.indicators import CATALOGUE
from toolkit.indicators.diseases import CASES, DISEASES, attach_diseases
from toolkit.indicators.table import collect
from toolkit.reference import attach

AT_THE_CUBE = (
    "reference",
    "weights",
    "risk_grades",
    "indicators",
)  # policies that come after it: examples may share a cube


def key_of(indicator) -> str:
    # a file with dates must have them in every row
    dated = "discharge_date" in indicator.example.discharges
    return repr([dated, *sorted((k, v) for k, v in indicator.example.policy.items() if k not in AT_THE_CUBE)])


def hospital_of(indicator) -> str:
    """What the codes of the example's hospitals begin with: a code as the door lets it in, capitals and figures only."""
    return f"H{list(CATALOGUE).index(indicator.id):03d}"


def frame_of(indicator) -> pd.DataFrame:
    """Discharges of the example; each example has hospitals of its own."""
    frame = rows.received(indicator.example.discharges)
    return frame.assign(hospital=hospital_of(indicator) + frame["hospital"])


@pytest.fixture(scope="module")
def taken_in(tmp_path_factory):
    """Policy of the cube → the discharges of all its examples, parameters, and the cube after file, rules and store."""
    made = {}
    for key in sorted({key_of(one) for one in CATALOGUE.values()}):
        members = [one for one in CATALOGUE.values() if key_of(one) == key]
        frame = pd.concat([frame_of(one) for one in members], ignore_index=True).fillna("")
        work = tmp_path_factory.mktemp("examples")
        file = work / "合成.csv"
        file.write_bytes(rows.csv_of(frame))
        params = rows.params(files=(str(file),), **members[0].example.policy)
        hospitals = rows.registry_of(frame)
        connection = connect(work / "work", [file], threads=2)
        intake = take_in(params, run_groups(params.data), hospitals, connection, work / "work")
        groups = hospitals.rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        cube = cubes.build(discharges(connection, intake.store), params, groups, connection=connection)
        connection.disconnect()
        made[key] = frame, params, cube
    return made


@pytest.mark.parametrize("indicator", CATALOGUE.values(), ids=CATALOGUE)
def test_worked_example(engine, taken_in, indicator):
    _, _, cube = taken_in[key_of(indicator)]
    frame, params = frame_of(indicator), rows.params(**indicator.example.policy)
    own = cube[cube["hospital"].str.startswith(hospital_of(indicator))].reset_index(drop=True)
    for basis in cubes.BASES:  # one year: both bases have the same reference
        referenced = attach(own, params, rows.registry_of(frame), basis)
        cells = collect(referenced, [indicator], ["hospital"], policy=params.indicators)
        [value] = cells.loc[cells["hospital"] == hospital_of(indicator) + "A", "value"]
        assert value == pytest.approx(indicator.example.value, rel=1e-9)


def test_the_rows_of_tests_make_the_same_cube_as_files_do(engine, taken_in):
    for frame, params, cube in taken_in.values():
        pd.testing.assert_frame_equal(cube, engine.cube(frame, params), check_dtype=False)


@pytest.fixture(scope="module")
def disease_cases(tmp_path_factory):
    """The discharges of the diseases' examples after file, rules and store, summed by disease."""
    frame = rows.received(CASES)
    work = tmp_path_factory.mktemp("diseases")
    file = work / "合成.csv"
    file.write_bytes(rows.csv_of(frame))
    params, hospitals = rows.params(files=(str(file),)), rows.registry_of(frame)
    connection = connect(work / "work", [file], threads=2)
    intake = take_in(params, run_groups(params.data), hospitals, connection, work / "work")
    sums = disease_sums(discharges(connection, intake.store))
    connection.disconnect()
    return sums, params, hospitals


@pytest.mark.parametrize("indicator", DISEASES.values(), ids=DISEASES)
def test_worked_example_of_a_disease(disease_cases, indicator):
    assert indicator.example.discharges == CASES  # one table for all: what counts in one is left out in another
    sums, params, hospitals = disease_cases
    for basis in cubes.BASES:
        cells = collect(attach_diseases(sums, params, hospitals, basis), [indicator], ["hospital", "disease"])
        [value] = cells.loc[(cells["hospital"] == "A") & (cells["disease"] == "ami"), "value"]
        assert value == pytest.approx(indicator.example.value, rel=1e-9)


def test_an_id_declared_twice_is_refused():
    first = next(iter(CATALOGUE.values()))
    with pytest.raises(ContractBroken, match="declared twice"):
        Catalogue([first, first])
