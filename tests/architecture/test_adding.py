"""The documents on how to add an indicator, a rule, a format, a method are followed to the letter, and what they promise is looked for."""

from __future__ import annotations

import json

import pytest
from following import ROOT, copy_with, package_of, pytest_in, python, steps

# One process a way asks everything, for starting one costs more than all that it asks: in a copy of the project where all four
# documents were followed, and in the project as it is with the packages of one's own beside it.
WAYS = ("in the project", "as a package")

ASK = """
import json
from pathlib import Path
import rows, toolkit
from toolkit.reporting.formats import handbook
from toolkit.runs.pipeline import check, evaluate

found = {"package": toolkit.__file__, "handbook": handbook.markdown()}


def written(name, text):
    Path(name).mkdir()
    frame = rows.received(text)
    (Path(name) / "合成.csv").write_bytes(rows.csv_of(frame))
    return rows.params(files=(f"{name}/合成.csv",), minimum_value_cases=1)


"""

INDICATOR = """
from toolkit.indicators import CATALOGUE
from toolkit.reporting.sections import indicators

if "very_old_share" in CATALOGUE:
    discharges = CATALOGUE["very_old_share"].example.discharges
    params = written("indicator", discharges.replace("A     ", "A1    ").replace("B     ", "B1    "))
    results = evaluate(params, Path("indicator/run"))
    cells = results.cells[results.cells["indicator"] == "very_old_share"].set_index(["basis", "level", "hospital", "period"])
    found["cell"] = cells["value"].xs(("contemporaneous", "hospital", "A1", "whole"))
    found["region"] = str(indicators.region_by_year(results))
    found["specialty"] = str(indicators.by_specialty(results))
    found["page"] = handbook.page(results).decode()
"""

RULE = """
params = written("rule", '''
hospital | surgery_level | los_days | cases
A1       | 4             | 1        | 2
A1       | 4             | 2        | 1
A1       | 3             | 1        | 1
A1       | 4             |          | 1
''')
results = evaluate(params, Path("rule/run"))
lines = [line for path in Path("rule/run").rglob("*.csv") for line in path.read_text("utf-8-sig").splitlines()]
found["rules"] = [rule.name for rule in results.facts.rules]
found["hit"] = sum("Y01" in line for line in lines)
"""

FORMAT = """
for name in ("county", "county.yaml"):
    work = Path("work-" + name)
    work.mkdir()
    taken = check(rows.params(files=("records.csv",), format=name), work).intake
    counts = taken.accounts.groupby("hospital")["n"].sum().to_dict()
    found["read as " + name] = {"refused": taken.files["rejected"].tolist(), "counts": counts}
"""

# One project and three comparison units of one specialty, one indicator. Mean stays before and after, of 400 cases a year:
# project 10 → 8, comparison units 10 → 10, 10 → 9, 10 → 9.5. ln 0.8 − mean(ln 1, ln 0.9, ln 0.95) = −0.1709, so the ratio
# is 0.8429; SD of the three logs 0.0527 · √(4/3) = 0.0608; t(2, 97.5 %) = 4.303: from 0.649 to 1.095.
METHOD = """
import pandas as pd
from toolkit.indicators import CATALOGUE
from toolkit.models.change import METHODS, Study
from toolkit.models.change.contract import checked
from toolkit.params import Years

units = pd.DataFrame({
    "hospital": ["P", "A", "B", "C"], "specialty": "s", "level_group": "三级",
    "start": [2022, 0, 0, 0], "eligible": True,
})
AFTER = {"P": 8.0, "A": 10.0, "B": 9.0, "C": 9.5}
cells = []
for hospital, after in AFTER.items():
    for year in range(2019, 2025):
        mean, n = (10.0 if year < 2022 else after), 400
        cells.append({"hospital": hospital, "specialty": "s", "period": str(year), "indicator": "mean_los", "n": n,
                      "x": mean * n, "y": n, "xx": (mean**2 + 4) * n, "value": mean, "se": 0.1})
study = Study(indicators=CATALOGUE, units=units, before=Years(first=2019, last=2021), after=Years(first=2022, last=2024))
method = METHODS["plain_peers"]
changes = checked(method.estimate(pd.DataFrame(cells), study), method, ()).changes
found["changes"] = changes[["hospital", "estimate", "low", "high", "n_before", "n_comparison"]].to_dict("records")
print(json.dumps(found, default=float))
"""
FILES = {path: block for path, _place, block in steps("adding-a-format.md")}
MAP = FILES["toolkit/data/reading/formats/county.yaml"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project in which everything was done that the documents say."""
    folder = tmp_path_factory.mktemp("project")
    for document in ("adding-an-indicator.md", "adding-a-rule.md", "adding-a-format.md", "adding-a-method.md"):
        copy_with(document, folder)
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The packages of one's own, beside each other."""
    folder = tmp_path_factory.mktemp("packages")
    package_of("adding-a-rule.md", folder, name="of_rule")
    package_of("adding-a-format.md", folder, name="of_format")
    package_of("adding-a-method.md", folder, name="of_method", module="toolkit/models/change/plain_peers.py")
    (folder / "of_format/maps").mkdir()
    (folder / "of_format/maps/county.yaml").write_text(MAP, encoding="utf-8")
    return folder


def asked(work, *paths):
    """What a process says that finds the toolkit in the first of `paths`."""
    (work / "records.csv").write_text(FILES["records.csv"], encoding="utf-8")
    (work / "county.yaml").write_text(MAP, encoding="utf-8")
    found = json.loads(python(ASK + INDICATOR + RULE + FORMAT + METHOD, *paths, cwd=work))
    assert found["package"] == str(paths[0] / "toolkit/__init__.py")
    return found


@pytest.fixture(scope="module")
def in_project(copy, tmp_path_factory):
    """What the copy says."""
    return asked(tmp_path_factory.mktemp("work"), copy, copy / "tests")


@pytest.fixture(scope="module", params=[WAYS[0], pytest.param(WAYS[1], marks=pytest.mark.slow)])
def answer(request, tmp_path_factory):
    """What is said in each of the two ways; the second takes as long again and tells little more."""
    if request.param == WAYS[0]:
        return request.getfixturevalue("in_project")
    packages = request.getfixturevalue("packages")
    return asked(tmp_path_factory.mktemp("work"), ROOT, ROOT / "tests", packages)


@pytest.mark.slow
def test_the_indicator_is_in_the_cells_the_report_and_the_handbook(in_project):
    found = in_project
    assert found["cell"] == pytest.approx(100 * 2 / 3)
    assert "高龄患者占比" in found["region"]
    assert "高龄患者占比" in found["specialty"]
    assert "高龄患者占比" in found["page"]
    assert found["handbook"].count("高龄患者占比（share of patients of 80 years and more，`very_old_share`）") == 1


@pytest.mark.slow
def test_the_example_of_the_indicator_is_a_test(copy):
    said = pytest_in(copy, "tests/examples/test_indicator_examples.py", "-k", "very_old_share")
    assert "1 passed" in said, said[-2000:]


def test_the_rule_is_in_the_run_the_worklist_and_the_handbook(answer):
    found = answer
    assert "四级手术住院不过一天" in found["rules"]
    assert found["hit"] == 2
    assert found["handbook"].count("| 规则Y01 |") == 1


@pytest.mark.parametrize("form", ["county", "county.yaml"])
def test_the_format_is_read_by_its_name_and_from_a_file_of_ones_own(answer, form):
    assert answer["read as " + form] == {"refused": [""], "counts": {"0012": 2, "0015": 1}}


def test_the_method_gives_the_ratio_worked_out_by_hand_and_keeps_the_contract(answer):
    [row] = answer["changes"]
    assert row["hospital"] == "P"
    assert row["estimate"] == pytest.approx(0.8429, abs=2e-4)
    assert (row["low"], row["high"]) == (pytest.approx(0.649, abs=2e-3), pytest.approx(1.095, abs=2e-3))
    assert (row["n_before"], row["n_comparison"]) == (1200, 3)
