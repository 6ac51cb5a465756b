"""Tables that are summed already (合成数据): what is read, and every fault told with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from toolkit.data.summed import read_sums, read_values
from toolkit.errors import InputError, ParameterError
from toolkit.indicators.given import given_cells, given_sums
from toolkit.params import load_params

SPECIALTIES = ("cardiology", "respiratory")
SUMS_HEADER = "hospital,specialty,year,drg,n,cost,cost_sq,died"
VALUES_HEADER = "hospital,specialty,year,indicator,n,value,x,y,observed,expected,sd"


def written(folder: Path, header: str, *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return path


def cell(folder: Path, line: str) -> pd.Series:
    """The one cell of a table with one line."""
    sums = given_sums(read_values(written(folder, VALUES_HEADER, line), SPECIALTIES))
    return given_cells(sums.assign(year="2022"), ["hospital", "specialty", "year"], 0.95).iloc[0]


def test_sums_are_taken_in_the_units_of_the_cube(tmp_path):
    # two cases of 100 and 300 yuan: Σ = 400, Σ² = 10,000 + 90,000
    made = read_sums(written(tmp_path, SUMS_HEADER, "h1,cardiology,2022,FM11,2,400,100000,1"), SPECIALTIES).iloc[0]
    assert (made["hospital"], made["n"], made["cost"], made["cost_sq"]) == ("H1", 2, 40_000, 100_000 * 100**2)
    assert (made["cost_n"], made["died"], made["died_n"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("h1,cardiology,2022,FM11,2,400,100000,3", "died", "不超过例数"),
        ("h1,cardiology,2022,FM11,2,400,70000,1", "cost_sq", "平方和小于"),  # (400)²/2 = 80,000
        ("h1,cardiologie,2022,FM11,2,400,100000,1", "specialty", "cardiology"),
        ("h1,cardiology,22,FM11,2,400,100000,1", "year", "年份无效"),
        ("h1,cardiology,2022,FM11,1.5,400,,1", "n", "整数"),
        ("h1,cardiology,2022,FM11,-1,400,,0", "n", "不是有效的数"),
    ],
)
def test_sums_that_no_cases_can_have_are_refused_by_line_and_column(tmp_path, line, column, said):
    with pytest.raises(InputError) as caught:
        read_sums(written(tmp_path, SUMS_HEADER, "h9,cardiology,2022,FM11,2,400,100000,1", line), SPECIALTIES)
    assert f"table.csv:3 {column}" in str(caught.value)
    assert said in str(caught.value)


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path):
    line = "h1,cardiology,2022,FM11,2,400,100000,1"
    with pytest.raises(InputError, match=r"table.csv:2 重复[\s\S]*table.csv:3"):
        read_sums(written(tmp_path, SUMS_HEADER, line, line), SPECIALTIES)
    line = "h1,cardiology,2022,mean_los,100,8.5,,,,,"
    with pytest.raises(InputError, match="重复"):
        read_values(written(tmp_path, VALUES_HEADER, line, line), SPECIALTIES)


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("h1,cardiology,2022,readmision_share,100,3,,,,,", "indicator", "是否为 readmission_share"),
        ("h1,cardiology,2022,mortality_ratio,10,,,,11,2.5,", "observed", "多于例数"),  # O greater than n
        ("h1,cardiology,2022,mortality_ratio,10,,,,1,0,", "expected", "预期数须大于 0"),  # E of 0
        ("h1,cardiology,2022,mortality_ratio,10,,,,0,0,", "expected", "预期数须大于 0"),
        ("h1,cardiology,2022,mortality_ratio,10,,,,1.5,2,", "observed", "整数"),
        ("h1,cardiology,2022,readmission_share,,3,,,,,", "n", "缺少 n"),
        ("h1,cardiology,2022,readmission_share,100,101,,,,,", "value", "大于 100%"),
        ("h1,cardiology,2022,readmission_share,,,7,6,,,", "x", "多于例数"),
        ("h1,cardiology,2022,readmission_share,,,7,0,,,", "y", "分母须大于 0"),
        ("h1,cardiology,2022,readmission_share,0,3,,,,,", "n", "大于 0"),
        ("h1,cardiology,2022,readmission_share,100,3,3,100,,,", "value", "两种写法"),
        ("h1,cardiology,2022,readmission_share,100,,,,,,", "value", "没有数值"),
        ("h1,cardiology,2022,readmission_share,100,,3,,,,", "y", "缺少 y"),
        ("h1,cardiology,2022,readmission_share,100,,,,3,2.5,", "observed", "只用于 mortality_ratio"),
        ("h1,cardiology,2022,readmission_share,100,nan,,,,,", "value", "不是有效的数"),
    ],
)
def test_values_that_cannot_be_are_refused_by_line_and_column(tmp_path, line, column, said):
    path = written(tmp_path, VALUES_HEADER, "h9,cardiology,2022,mean_los,100,8,,,,,", line)
    with pytest.raises(InputError) as caught:
        given_sums(read_values(path, SPECIALTIES))
    assert f"table.csv:3 {column}" in str(caught.value)
    assert said in str(caught.value)


def test_the_interval_of_a_share_is_made_again_from_its_cases(tmp_path):
    # 3.9 % of 308 are 12 events (12/308 = 3.896 %); Clopper and Pearson by the beta distribution
    found = cell(tmp_path, "h1,cardiology,2022,readmission_share,308,3.9,,,,,")
    low, high = stats.beta.ppf(0.025, 12, 297), stats.beta.ppf(0.975, 13, 296)
    assert (found["x"], found["y"]) == (12, 308)
    assert (found["low"], found["high"]) == (pytest.approx(100 * low), pytest.approx(100 * high))


def test_a_published_ratio_of_deaths_gets_the_exact_poisson_limits(tmp_path):
    # New York's table of cardiac surgery is of this form; limits by the chi-square distribution
    found = cell(tmp_path, "h1,cardiology,2022,mortality_ratio,680,,,,17,10.336,")
    low, high = stats.chi2.ppf(0.025, 34) / 2 / 10.336, stats.chi2.ppf(0.975, 36) / 2 / 10.336
    assert found["value"] == pytest.approx(17 / 10.336)
    assert (found["low"], found["high"]) == (pytest.approx(low), pytest.approx(high))


def test_a_mean_has_an_interval_with_the_standard_deviation_and_none_without(tmp_path):
    # log scale: 8.5 × exp(±1.959964 × 4/√100/8.5)
    found = cell(tmp_path, "h1,cardiology,2022,mean_los,100,8.5,,,,,4")
    assert found["value"] == pytest.approx(8.5)
    assert found["low"] == pytest.approx(8.5 * np.exp(-1.959964 * 0.4 / 8.5), rel=1e-6)
    without = cell(tmp_path, "h1,cardiology,2022,mean_los,100,8.5,,,,,")
    assert without["value"] == pytest.approx(8.5)
    assert np.isnan(without["low"])


def test_what_needs_records_is_refused_in_the_parameters(tmp_path):
    table = written(tmp_path, SUMS_HEADER, "h1,cardiology,2022,FM11,2,400,100000,1")
    path = tmp_path / "run.yaml"
    path.write_text(
        f"run: sums\ntitle: 汇总（合成数据）\ndata: {{sums: {table.name}}}\n"
        "years: {first: 2022, last: 2022}\nspecialties: [{id: cardiology, name_zh: 心内}]\n",
        "utf-8",
    )
    with pytest.raises(ParameterError) as caught:
        load_params(path)
    said = str(caught.value)
    assert all(name in said for name in ("trimming.method", "robustness.trimming", "monitoring.covariates"))


@pytest.mark.parametrize("name", ["sums", "values"])
def test_the_examples_are_valid_and_labelled_synthetic(name):
    path = Path(__file__).parents[3] / "params" / "given" / f"{name}.yaml"
    params = load_params(path)
    assert params.data.summed
    assert any("合成数据" in note for note in params.notes)
