"""The documents on how to add an indicator, a rule, a format, a method are followed to the letter, and what they promise is looked for."""

from __future__ import annotations

import json

import pytest
from following import ROOT, copy_with, package_of, pytest_in, python, steps

OURS = ROOT, ROOT / "tests"  # the project as it is, where a package of one's own stands beside it


def in_copy(folder):
    return folder, folder / "tests"


# --- an indicator -------------------------------------------------------------------------------------------------------

INDICATOR = """
from pathlib import Path
import rows, toolkit
assert Path(toolkit.__file__).is_relative_to(sys.path[0]), toolkit.__file__
from toolkit.indicators import CATALOGUE
from toolkit.runs.pipeline import evaluate
from toolkit.reporting.formats import handbook
from toolkit.reporting.sections import indicators

discharges = CATALOGUE["very_old_share"].example.discharges
frame = rows.received(discharges.replace("A     ", "A1    ").replace("B     ", "B1    "))
Path("合成.csv").write_bytes(rows.csv_of(frame))
results = evaluate(rows.params(files=("合成.csv",), minimum_value_cases=1), Path("run"))
cells = results.cells[(results.cells["indicator"] == "very_old_share") & (results.cells["basis"] == "contemporaneous")]
value = cells[(cells["level"] == "hospital") & (cells["hospital"] == "A1") & (cells["period"] == "whole")]["value"].iloc[0]
print("cell", value)
for name, shown in (("region", indicators.region_by_year(results)), ("specialty", indicators.by_specialty(results))):
    print(name, str(shown).count("高龄患者占比"))
print("handbook", handbook.markdown().count("高龄患者占比（share of patients of 80 years and more，`very_old_share`）"))
print("page", handbook.page(results).decode().count("高龄患者占比"))
"""


@pytest.fixture(scope="module")
def with_indicator(tmp_path_factory):
    assert [place for _path, place, _block in steps("adding-an-indicator.md")] == [
        "as the first entry of `MEASURES`",
        "above `DECLARED`",
        "in `DECLARED`",
    ]
    return copy_with("adding-an-indicator.md", tmp_path_factory.mktemp("copy"))


def test_the_indicator_is_in_the_cells_the_report_and_the_handbook(with_indicator, tmp_path):
    said = dict(line.split(" ", 1) for line in python(INDICATOR, *in_copy(with_indicator), cwd=tmp_path).splitlines())
    assert float(said["cell"]) == pytest.approx(100 * 2 / 3)
    assert int(said["region"]) >= 1
    assert int(said["specialty"]) >= 1
    assert said["handbook"] == "1"
    assert int(said["page"]) >= 1


def test_the_example_of_the_indicator_is_a_test(with_indicator):
    said = pytest_in(with_indicator, "tests/examples/test_indicator_examples.py", "-k", "very_old_share")
    assert "1 passed" in said, said[-2000:]


# --- a rule -------------------------------------------------------------------------------------------------------------

RULE = """
import json
from pathlib import Path
import rows
from toolkit.runs.pipeline import evaluate
from toolkit.reporting.formats import handbook

Path("合成.csv").write_bytes(rows.csv_of(rows.received('''
hospital | surgery_level | los_days | cases
A1       | 4             | 1        | 2
A1       | 4             | 2        | 1
A1       | 3             | 1        | 1
A1       | 4             |          | 1
''')))
results = evaluate(rows.params(files=("合成.csv",), minimum_value_cases=1), Path("run"))
lines = [line for path in Path("run").rglob("*.csv") for line in path.read_text("utf-8-sig").splitlines()]
print(json.dumps({
    "named": "四级手术住院不过一天" in [rule.name for rule in results.facts.rules],
    "hit": sum("Y01" in line for line in lines),
    "handbook": handbook.markdown().count("| 规则Y01 |"),
}))
"""


@pytest.mark.parametrize("way", ["in the project", "as a package"])
def test_the_rule_is_in_the_accounts_the_worklist_and_the_handbook(way, tmp_path):
    if way == "as a package":
        paths = (*OURS, package_of("adding-a-rule.md", tmp_path / "packages"))
    else:
        paths = in_copy(copy_with("adding-a-rule.md", tmp_path / "copy"))
    (tmp_path / "work").mkdir()
    assert json.loads(python(RULE, *paths, cwd=tmp_path / "work")) == {"named": True, "hit": 2, "handbook": 1}


# --- a format -----------------------------------------------------------------------------------------------------------

FORMAT = """
import json
from pathlib import Path
import rows
from toolkit.runs.pipeline import check
found = check(rows.params(files=("records.csv",), format=FORMAT), Path("work")).intake
counts = found.accounts.groupby(["hospital"])["n"].sum()
print(json.dumps({"files": found.files["rejected"].tolist(), "counts": counts.to_dict()}))
"""


@pytest.mark.parametrize("way", ["in the project", "as a package", "as a file"])
def test_the_format_is_read_wherever_its_map_lies(way, tmp_path):
    (tmp_path / "work/work").mkdir(parents=True)
    files = {path: block for path, _place, block in steps("adding-a-format.md")}
    (tmp_path / "work/records.csv").write_text(files["records.csv"], encoding="utf-8")
    form, name = files["toolkit/data/reading/formats/county.yaml"], "county"
    if way == "in the project":
        paths = in_copy(copy_with("adding-a-format.md", tmp_path / "copy"))
    elif way == "as a package":
        paths = (*OURS, package_of("adding-a-format.md", tmp_path / "packages"))
        (tmp_path / "packages/province/maps").mkdir()
        (tmp_path / "packages/province/maps/county.yaml").write_text(form, encoding="utf-8")
    else:
        paths, name = OURS, "county.yaml"
        (tmp_path / "work/county.yaml").write_text(form, encoding="utf-8")
    said = json.loads(python(FORMAT.replace("FORMAT", repr(name)), *paths, cwd=tmp_path / "work"))
    assert said == {"files": [""], "counts": {"0012": 2, "0015": 1}}


# --- a method of change -------------------------------------------------------------------------------------------------

# Two projects and three comparison units of one specialty, one indicator. Mean values before and after, of 400 cases a year:
# project 10 → 8, comparison units 10 → 10, 10 → 9, 10 → 9.5. ln 0.8 − mean(ln 1, ln 0.9, ln 0.95) = −0.1709, so the ratio
# is 0.8429; SD of the three logs 0.0527 · √(4/3) = 0.0608; t(2, 97.5 %) = 4.303: from 0.649 to 1.095.
METHOD = """
import json
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
rows = []
for hospital, after in AFTER.items():
    for year in range(2019, 2025):
        mean, n = (10.0 if year < 2022 else after), 400
        rows.append({"hospital": hospital, "specialty": "s", "period": str(year), "indicator": "mean_los", "n": n,
                     "x": mean * n, "y": n, "xx": (mean**2 + 4) * n, "value": mean, "se": 0.1})
study = Study(indicators=CATALOGUE, units=units, before=Years(first=2019, last=2021), after=Years(first=2022, last=2024))
method = METHODS["plain_peers"]
found = checked(method.estimate(pd.DataFrame(rows), study), method, ()).changes
print(found[["hospital", "estimate", "low", "high", "n_before", "n_comparison"]].to_json(orient="records"))
"""
FILE = "toolkit/models/change/plain_peers.py"


@pytest.mark.parametrize("way", ["in the project", "as a package"])
def test_the_method_gives_the_ratio_worked_out_by_hand_and_keeps_the_contract(way, tmp_path):
    if way == "as a package":
        paths = (*OURS, package_of("adding-a-method.md", tmp_path / "packages", module=FILE))
    else:
        paths = in_copy(copy_with("adding-a-method.md", tmp_path / "copy"))
    [row] = json.loads(python(METHOD, *paths, cwd=tmp_path))
    assert row["hospital"] == "P"
    assert row["estimate"] == pytest.approx(0.8429, abs=2e-4)
    assert (row["low"], row["high"]) == (pytest.approx(0.649, abs=2e-3), pytest.approx(1.095, abs=2e-3))
    assert (row["n_before"], row["n_comparison"]) == (1200, 3)
