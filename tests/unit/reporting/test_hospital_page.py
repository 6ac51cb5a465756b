"""A hospital's page (合成数据): its projects lead to their reports, its specialties stand where plain counting puts them."""

import pandas as pd
import pytest

from toolkit.evaluation.cells import report_id
from toolkit.reporting.content.values import with_limits
from toolkit.reporting.sections import hospital
from toolkit.reporting.sections.change import projects
from toolkit.running.report import Outcome, OutcomeState
from toolkit.runs import golden, plan


@pytest.fixture(scope="module")
def results():
    return golden()


def tables(results, code):
    return {b.id: b for b in hospital.blocks(results, code) if b.kind == "table"}


def test_each_project_of_the_hospital_leads_to_its_report_and_no_other_does(results):
    found = projects(results)
    for code in set(found["hospital"]):
        shown = tables(results, code)["projects"]
        assert set(shown.links) == {f"../{i}/report.html" for i in found.loc[found["hospital"] == code, "id"]}


def test_places_are_those_of_a_plain_count(results):
    code = projects(results)["hospital"].iloc[0]
    cells = results.cells.query("level == 'unit' and basis == 'contemporaneous' and indicator == 'volume'")
    cells = cells[cells["period"] == results.last_period]
    names = {s.name_zh: s.id for s in results.params.specialties}
    for row in tables(results, code)["specialties"].rows:
        volumes = cells[cells["specialty"] == names[row[0]]].set_index("hospital")["value"].sort_values(ascending=False)
        assert row[2] == f"第 {list(volumes).index(volumes[code]) + 1} 位，共 {len(volumes)} 家"
        assert row[1] == f"{int(volumes[code]):,}"


def test_a_ratio_to_hardly_any_expected_death_is_not_given():
    row = pd.Series(
        {
            "indicator": "mortality_ratio",
            "status": "value",
            "x": 0.0,
            "y": 0.02,
            "value": 0.0,
            "low": 0.0,
            "high": 184.0,
        }
    )
    assert with_limits(row) == "0 例，预期 <0.1"
    assert with_limits(row.replace({0.02: 1.6})).startswith("0 例，预期 1.6：")


@pytest.mark.parametrize("edition", ["internal", "release"])
def test_the_list_of_projects_leads_to_the_pages_which_the_release_edition_has_not(results, tmp_path, edition):
    units = projects(results)
    outcomes = [Outcome(id=i, title=i, state=OutcomeState.DONE, folder=tmp_path / i) for i in units["id"]]
    (tmp_path / "hospitals").mkdir()
    (tmp_path / "hospitals" / "of-last-time.html").touch()
    given = type(results)(
        params=results.params.model_copy(update={"edition": edition}), facts=results.facts, tables=results.tables
    )
    page = plan.write_index(given, tmp_path, outcomes).read_text("utf-8")
    made = {path.name for path in tmp_path.glob("hospitals/*")}
    expected = {f"{report_id(code, 'all')}.html" for code in units["hospital"]} if edition == "internal" else set()
    assert made == expected
    assert all(f'href="hospitals/{name}"' in page for name in made)
