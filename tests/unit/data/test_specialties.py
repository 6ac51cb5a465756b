"""Which specialty a discharge belongs to."""

from __future__ import annotations

import pyarrow as pa
import pytest
import rows
from pydantic import ValidationError

from toolkit.data.lists.specialties import attribute
from toolkit.params import Specialty


def of(engine, specialties, **columns):
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    table = table.append_column("k", pa.array(range(len(table))))
    made = engine.connection.create_table("to_attribute", table, overwrite=True)
    found = attribute(made, [Specialty(name_zh="合成", **one) for one in specialties])
    return [None if v is None or v != v else v for v in found.order_by("k").execute()["specialty"]]


def test_departments_are_equal_and_diagnoses_and_drgs_begin_alike(engine):
    found = of(
        engine,
        [
            {"id": "dept", "departments": ["03", "03.01"]},
            {"id": "dx", "diagnoses": ["I21", "I22"]},
            {"id": "drg", "drgs": ["FA"]},
        ],
        department=["03", "03.01", "03.02", "3", None, "x", "x", None],
        principal_diagnosis=["x", "x", "x", "x", "I21.9", "I2", "xI21", None],
        drg=["x", "x", "FA11", "GFA1", "x", None, "FA", None],
    )
    assert found == ["dept", "dept", "drg", None, "dx", None, "drg", None]


def test_the_first_definition_that_fits_takes_the_discharge(engine):
    both = [{"id": "a", "diagnoses": ["I2"]}, {"id": "b", "diagnoses": ["I21"]}]
    assert of(engine, both, department=["x"], principal_diagnosis=["I21"], drg=["x"]) == ["a"]
    assert of(engine, both[::-1], department=["x"], principal_diagnosis=["I21"], drg=["x"]) == ["b"]


def test_without_definitions_no_discharge_belongs_anywhere(engine):
    assert of(engine, [], department=["x"], principal_diagnosis=["x"], drg=["x"]) == [None]


def test_two_specialties_cannot_claim_one_department():
    both = [{"id": i, "name_zh": i, "departments": ["03"]} for i in ("a", "b")]
    with pytest.raises(ValidationError, match="科别 03 同时属于 a 和 b"):
        rows.params(specialties=both)


def test_a_specialty_of_one_case_has_cells(engine):
    from toolkit.indicators import CATALOGUE

    frame = rows.received("hospital | department | cases\nA | D1 | 5\nA | D2 | 1")
    cells = engine.cells(frame, rows.params(), CATALOGUE.values(), ["specialty"])
    one = cells[cells["specialty"] == "s2"].set_index("indicator")
    assert one.loc[["volume", "cost_index", "cmi"], "value"].tolist() == [1.0, 1.0, 1.0]
    assert one.loc[["cost_index", "cmi"], ["se", "low", "high"]].isna().all().all()
    # 0 of 1 says nothing: the Poisson limit of no event is 3.69, more than the one case that there is
    assert one.loc["mortality", ["low", "high"]].tolist() == [0, 100]
