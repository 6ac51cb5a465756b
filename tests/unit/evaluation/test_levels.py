"""Cells of every level of a run: who is counted in which, by hand."""

from __future__ import annotations

import rows

from toolkit import cube as cubes
from toolkit.evaluation.cells import all_cells, units_of

# 合成数据: 合成外科 (D1) in three hospitals, of which A has the project; 合成内科 (D2) in A only
DISCHARGES = """
hospital | year | department | cases
A        | 2020 | D1         | 3
B        | 2020 | D1         | 5
C        | 2020 | D1         | 7
A        | 2020 | D2         | 2
A        | 2023 | D1         | 4
B        | 2023 | D1         | 6
C        | 2023 | D1         | 8
"""


def volumes(engine, **more) -> dict[tuple[str, str, str, str], float]:
    frame = rows.received(DISCHARGES)
    params = rows.params(cycles=rows.CYCLES, **more)
    referenced = {basis: engine.attached(frame, params, basis) for basis in cubes.BASES}
    units = units_of(engine.cube(frame, params), params)
    cells = all_cells(referenced, units, params)
    mine = cells[(cells["indicator"] == "volume") & (cells["basis"] == "frozen")]
    return {
        (level, hospital, specialty, period): value
        for level, hospital, specialty, period, value in mine[
            ["level", "hospital", "specialty", "period", "value"]
        ].itertuples(index=False)
    }


def test_the_peers_of_a_specialty_are_its_units_without_a_project(engine):
    found = volumes(engine, projects=[{"hospital": "A", "specialty": "s1", "level": "市"}])
    assert found["peers", "", "s1", "before"] == 5 + 7
    assert found["peers", "", "s1", "after"] == 6 + 8
    assert found["peers", "", "s1", "2023"] == 6 + 8
    assert (
        found["peers", "", "s2", "before"] == 2
    )  # the project of another specialty of the hospital takes nothing away


def test_without_projects_every_unit_is_a_peer(engine):
    found = volumes(engine)
    assert found["peers", "", "s1", "before"] == 3 + 5 + 7


def test_a_specialty_holds_its_units_and_the_region_every_discharge_once(engine):
    found = volumes(engine, projects=[{"hospital": "A", "specialty": "s1", "level": "市"}])
    assert found["specialty", "", "s1", "before"] == 3 + 5 + 7
    assert found["hospital", "A", "", "before"] == 3 + 2
    assert found["region", "", "", "before"] == 3 + 5 + 7 + 2
    assert found["unit", "A", "s1", "after"] == 4
