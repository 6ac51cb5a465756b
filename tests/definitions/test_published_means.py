"""An index against published means treats records as the table treated its own. Made-up records (合成数据)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from toolkit.errors import InputError, ParameterError
from toolkit.params import Trimming, load_params
from toolkit.runs import pipeline

HERE = Path(__file__).parent / "published-means"
RUN = """
run: published
title: 合成数据
data: {{format: canonical, files: ["{records}"]}}
years: {{first: 2021, last: 2021}}
specialties: [{{id: s1, name_zh: 甲科, departments: [D1]}}]
reference: {{means: means.csv}}
{more}
"""


@pytest.fixture(scope="module")
def records() -> pd.DataFrame:
    """The records of hospital A as any program reads them, of costs and stays that the run counts."""
    table = pd.read_csv(HERE / "regA.csv")
    assert (table["cost_fen"] >= 500).all()
    return table[table["los_days"] <= 60].reset_index(drop=True)  # the declared exclusion


def indices(params) -> pd.DataFrame:
    """`value, low, high, n, covered` of the two indices of hospital A, by indicator and basis."""
    cells = pipeline.evaluate(*params).cells
    mine = cells[(cells["level"] == "unit") & (cells["period"] == "2021")]
    return mine.set_index(["indicator", "basis"]).loc[["cost_index", "los_index"]].sort_index()


def written(folder: Path, means: pd.DataFrame, more: str = "") -> tuple:
    means.to_csv(folder / "means.csv", index=False)
    (folder / "run.yaml").write_text(RUN.format(records=HERE / "regA.csv", more=more), encoding="utf-8")
    return load_params(folder / "run.yaml"), folder / "out"


def table_of(records: pd.DataFrame) -> pd.DataFrame:
    """A table of means over these very records: each DRG cut at its 5 % and 95 % points, which the table then carries."""
    rows = []
    for drg, part in records.groupby("drg"):
        row: dict[str, object] = {"drg": drg}
        for name, values in (("cost", part["cost_fen"] / 100), ("los", part["los_days"].astype(float))):
            low, high = values.quantile(0.05), values.quantile(0.95)
            kept = values[values.between(low, high)]
            row |= {f"mean_{name}": kept.mean(), f"low_{name}": low, f"high_{name}": high}
        rows.append(row)
    return pd.DataFrame(rows)


@pytest.mark.slow
def test_without_limits_nothing_is_cut_and_the_run_says_so(tmp_path, records):
    found = pipeline.evaluate(load_params(HERE / "s_ext.yaml"), tmp_path / "default")
    cells = found.cells[(found.cells["level"] == "unit") & (found.cells["basis"] == "contemporaneous")]
    value = cells[cells["period"] == "2021"].set_index("indicator")["value"]
    means = pd.read_csv(HERE / "m2.csv").set_index("drg")
    by_hand = {
        "cost_index": (records["cost_fen"] / 100 / records["drg"].map(means["mean_cost"])).mean(),
        "los_index": (records["los_days"] / records["drg"].map(means["mean_los"])).mean(),
    }
    assert value["cost_index"] == pytest.approx(by_hand["cost_index"], rel=1e-9)
    assert value["los_index"] == pytest.approx(by_hand["los_index"], rel=1e-9)
    # as handed in: alone against the table, untrimmed, the average hospital is average
    assert (round(value["cost_index"], 3), round(value["los_index"], 3)) == (1.044, 1.028)
    assert found.facts.lists["参照均值"] == "外部均值表 m2.csv，没有裁剪界限，病例不裁剪"


def test_by_the_limits_of_a_table_of_its_own_records_an_index_is_exactly_one(tmp_path, records):
    found = indices(written(tmp_path, table_of(records)))
    assert found["value"].tolist() == pytest.approx([1.0] * 4, abs=1e-9)  # both indices on both bases
    whole = len(records)
    kept = found["n"].xs("contemporaneous", level="basis")
    assert 0.85 * whole < kept["cost_index"] < 0.92 * whole  # a tenth of each DRG lies outside its own limits


@pytest.mark.slow
def test_a_drg_without_limits_in_a_table_with_limits_is_not_cut(tmp_path, records):
    table = table_of(records)
    one = table["drg"] == "FC31"
    table.loc[one, ["low_cost", "high_cost", "low_los", "high_los"]] = None
    table.loc[one, "mean_cost"] = records.loc[records["drg"] == "FC31", "cost_fen"].mean() / 100
    found = indices(written(tmp_path, table))
    assert found.loc[("cost_index", "contemporaneous"), "value"] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("method", ["iqr", "percentile", "sd"])
def test_trimming_records_against_a_table_of_means_is_refused(tmp_path, records, method):
    with pytest.raises(ParameterError, match="trimming") as error:
        written(tmp_path, table_of(records), f"trimming: {{method: {method}}}")
    assert "不写 trimming.method" in str(error.value)


def test_leaving_records_uncut_against_means_of_cut_ones_is_refused(tmp_path, records):
    params, out = written(tmp_path, table_of(records), "trimming: {method: none}")
    with pytest.raises(InputError, match="裁剪界限"):
        pipeline.evaluate(params, out)


def test_limits_need_a_table(tmp_path):
    text = RUN.format(records=HERE / "regA.csv", more="trimming: {method: table}").replace("reference:", "# reference:")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"reference\.means"):
        load_params(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"high_cost": None}, "只有一侧"),
        ({"low_cost": 1e9}, "不在裁剪界限"),
        ({"high_los": 0.5}, "不在裁剪界限"),
        ({"mean_cost": 100 * 7000}, "不在裁剪界限"),  # in fen
    ],
)
def test_limits_that_cannot_be_those_of_their_mean_are_refused_with_the_line(tmp_path, records, change, said):
    table = table_of(records)
    for column, value in change.items():
        table.loc[1, column] = value
    params, out = written(tmp_path, table)
    with pytest.raises(InputError, match=said) as error:
        pipeline.evaluate(params, out)
    assert "means.csv:3" in str(error.value)


def test_a_kept_parameter_file_means_the_same(tmp_path, records):
    params, _out = written(tmp_path, table_of(records))
    again = type(params).model_validate(params.model_dump(mode="json"))
    assert (again.trimming.method, again.trimming.on("frozen")) == (Trimming.TABLE, Trimming.TABLE)
