"""Every table is what its declaration says: in real runs, when saved, when loaded, and when given out."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import rows

from toolkit.declared import Col, TableDecl
from toolkit.errors import ContractBroken, RunError
from toolkit.evaluation.results import FACTS, PARAMETERS, Results, load, load_tables, save
from toolkit.evaluation.tables import TABLES
from toolkit.params import DisclosurePolicy
from toolkit.release.disclosure import released
from toolkit.runs import demo, pipeline
from toolkit.runs.crate import RESULTS as OF_CRATE

DECLARED = TableDecl(
    name="beds",
    zh="床位",
    one_row="a hospital and year",
    one_row_zh="一家机构与一年",
    key=("hospital", "year"),
    columns=(
        Col("hospital", str, "机构"),
        Col("year", int, "年"),
        Col("beds_*", int, "床位数", "张"),
        Col("share", float, "占比"),
        Col("open", bool, "开放"),
        Col("note", str, "备注", optional=True),
    ),
    stage="sums",
)
BEDS = pd.DataFrame(
    {"hospital": ["A", "B"], "year": [2021, 2022], "beds_icu": [3.0, None], "share": [0.5, None], "open": [True, False]}
)


def as_declared(results: Results) -> int:
    """Check every table of a run; returns how many have rows."""
    for one in TABLES:
        frame = results.tables[one.name]
        assert one.faults(frame) == [], one.name
        keys = list(one.key)
        assert not frame[keys].isna().any(axis=None), f"{one.name}: a key is missing"
        assert not frame.duplicated(keys).any(), f"{one.name}: two rows of one key"
        plain = [c for c in one.by_name if c in frame]
        # of the cube, the measures of one basis stand together
        assert plain == [c for c in frame if c in plain] or one.name == "cube", f"{one.name}: columns in another order"
        for column in one.columns:
            if column.words and column.name in frame:
                assert set(frame[column.name].dropna()) <= {"", *dict(column.words)}, f"{one.name}.{column.name}"
    return sum(len(frame) > 0 for frame in results.tables.values())


@pytest.fixture(scope="module")
def golden():
    """The small demo that notebooks show (合成数据)."""
    return demo.golden()


@pytest.fixture(scope="module")
def stored(golden, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored") / "results"
    save(golden, folder)
    return folder


@pytest.fixture
def folder(stored, tmp_path):
    """A copy of a results folder that may be spoilt."""
    return shutil.copytree(stored, tmp_path / "results")


# --- of real runs ---------------------------------------------------------------------------------------------------------


def test_every_table_of_the_demo_is_as_declared(golden):
    assert as_declared(golden) >= 30


def test_every_table_of_its_release_edition_is_as_declared_and_without_control_it_has_no_row(golden):
    given = released(golden, DisclosurePolicy())
    for one in TABLES:
        assert one.faults(given.tables[one.name]) == [], one.name
        # what is found of units (breaks, holds) may be nothing to begin with
        shown = bool(one.release) and not golden.tables[one.name].empty
        assert shown != given.tables[one.name].empty, one.name


def test_a_run_without_cycles_or_projects_has_every_table_as_declared(tmp_path):
    lines = [f"{h} | 2022 | {9000 + n} | 5 | D1 | 1" for h in ("A", "B") for n in range(30)]
    (tmp_path / "in.csv").write_bytes(
        rows.csv_of(rows.received("\n".join(["hospital | year | cost_fen | los_days | drg | died", *lines])))
    )
    params = rows.params(files=(str(tmp_path / "in.csv"),))
    results = pipeline.evaluate(params, tmp_path / "run")
    load(tmp_path / "run" / "results")
    for one in TABLES:
        assert one.faults(one.checked(results.tables[one.name])) == [], one.name


def test_the_crate_takes_no_table_of_single_cases():
    assert not any("cube" in name or "diseases" in name for name in OF_CRATE)
    assert {one.name for one in TABLES if one.crate} <= {one.name for one in TABLES if one.release}


# --- bad input ------------------------------------------------------------------------------------------------------------


def test_a_table_with_a_column_missing_is_named_with_the_column_and_the_remedy(folder):
    path = folder / "units.parquet"
    pd.read_parquet(path).drop(columns="eligible").to_parquet(path)
    with pytest.raises(RunError) as caught:
        load(folder)
    said = str(caught.value)
    assert "units（评价单元）的列 eligible：缺少这一列" in said
    assert "column eligible: the column is missing" in said
    assert str(path) in said
    assert "--fresh" in said


def test_a_column_of_another_kind_is_named(folder):
    path = folder / "cells.parquet"
    frame = pd.read_parquet(path)
    frame.assign(n=frame["n"].astype(str)).to_parquet(path)
    with pytest.raises(RunError, match="cells（指标值）的列 n：应为整数，实为 str"):
        load(folder)


def test_a_column_that_nobody_declared_is_named(folder):
    path = folder / "grades.parquet"
    pd.read_parquet(path).assign(colour="red").to_parquet(path)
    with pytest.raises(RunError, match="grades（DRG 死亡风险分级）的列 colour：没有声明这一列"):
        load(folder)


def test_a_folder_without_one_of_the_tables_is_of_another_layout(folder):
    (folder / "funnels.parquet").unlink()
    (folder / "power.parquet").unlink()
    with pytest.raises(RunError, match=r"缺少结果表 funnels（漏斗图）、power（可检出的最小变化）") as caught:
        load(folder)
    assert "--fresh" in str(caught.value)


def test_a_table_cut_short_is_one_message_not_a_trace(folder):
    path = folder / "changes.parquet"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(RunError, match=r"结果表 changes.parquet 不能读取"):
        load(folder)


def test_facts_of_another_layout_are_named_by_field(folder):
    path = folder / FACTS
    path.write_text(path.read_text("utf-8").replace('"grouping"', '"grouped_by"'), "utf-8")
    with pytest.raises(RunError, match=r"facts.json 的 (grouping|grouped_by) 不合声明"):
        load(folder)


def test_parameters_of_another_layout_are_named_by_field(folder):
    path = folder / PARAMETERS
    path.write_text(path.read_text("utf-8").replace('"minimum_unit_cases"', '"minimum_cases_of_a_unit"'), "utf-8")
    with pytest.raises(RunError, match=r"parameters.json 的 minimum_cases_of_a_unit 不合"):
        load(folder)


def test_a_folder_with_nothing_of_a_run_is_none(tmp_path):
    with pytest.raises(RunError, match="不是一次已完成运行的文件夹"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_tables(tmp_path)


# --- the declaration itself -----------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_as_it_was(golden, folder):
    again = load(folder)
    assert again.facts == golden.facts
    assert again.params == golden.params
    for name, frame in golden.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], frame)


def test_a_whole_number_may_be_missing_and_a_name_may_stand_for_several_columns():
    assert DECLARED.faults(BEDS) == []
    assert DECLARED.faults(BEDS.assign(beds_day=[1, 2], note=["", "x"])) == []
    assert DECLARED.col("beds_icu") is DECLARED.columns[2]
    assert DECLARED.col("beds_") is None


@pytest.mark.parametrize(
    ("spoilt", "column"),
    [
        (BEDS.drop(columns="share"), "share"),
        (BEDS.assign(beds_icu=[3.5, 1.0]), "beds_icu"),
        (BEDS.assign(year=["2021", "2022"]), "year"),
        (BEDS.assign(open=[1, 0]), "open"),
        (BEDS.assign(hospital=[1, 2]), "hospital"),
        (BEDS.assign(colour="red"), "colour"),
    ],
)
def test_a_new_table_that_is_not_as_declared_is_a_fault_of_the_toolkit(spoilt, column):
    assert [c for c, *_ in DECLARED.faults(spoilt)] == [column]
    with pytest.raises(ContractBroken, match=f"beds（床位）的列 {column}："):
        DECLARED.checked(spoilt)


def test_types_lost_where_a_part_had_no_rows_come_back():
    lost = BEDS.astype({"year": object, "beds_icu": object, "share": object})
    assert DECLARED.checked(lost).dtypes[["year", "beds_icu", "share"]].astype(str).tolist() == [
        "int64",
        "float64",
        "float64",
    ]
    empty = DECLARED.checked(pd.DataFrame(columns=list(BEDS)))
    assert empty.dtypes.astype(str).tolist() == ["str", "int64", "int64", "float64", "bool"]


def test_results_with_a_table_too_few_or_too_many_are_refused(golden):
    tables = dict(golden.tables)
    with pytest.raises(ContractBroken, match="beds"):
        Results(params=golden.params, facts=golden.facts, tables={**tables, "beds": BEDS})
    del tables["power"]
    with pytest.raises(ContractBroken, match="power"):
        Results(params=golden.params, facts=golden.facts, tables=tables)
    with pytest.raises(AttributeError, match="no table 'cell', but cells"):
        golden.cell  # noqa: B018
