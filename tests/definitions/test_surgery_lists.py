"""What counts as an operation is decided by a dictionary; what a hospital filled in only where it filled it in (合成数据).

Hospitals M, C (county) and Z have the same operations: 60 of level 3, 40 of level 4, 100 of level 2, 50 stays without. Z left
the level of its level-2 operations empty; T has 100 gastroscopies on top, to which it gave level 1.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.data.lists.code_lists import read_code_list
from toolkit.data.lists.registry import read_registry
from toolkit.errors import InputError
from toolkit.params import RunParams
from toolkit.runs import pipeline

HERE = Path(__file__).parent / "surgery-lists"
CATEGORIES = """code,category,valid_from,valid_to
36.0600,介入治疗,2020,
51.2300,手术,2020,
47.0100,手术,2020,
45.1300,诊断性操作,2020,
"""
Found = dict[tuple[str, str], tuple[float | None, str]]


def codes_of(column: str = "C14x01C") -> set[str]:
    with (HERE / "fp.csv").open(encoding="utf-8") as file:
        return {row[column] for row in csv.DictReader(file)} - {""}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Callable[..., tuple[Found, object]]:
    """Shares of the year by hospital and indicator, and the results; each set of lists is run once."""
    kept: dict[str, tuple[Found, object]] = {}

    def once(levels: str = "", *, categories: bool = False, registry: str = "hf.csv") -> tuple[Found, object]:
        name = f"{levels}-{categories}-{registry}"
        if name not in kept:
            folder = tmp_path_factory.mktemp("surgery")
            lists = {"surgery_levels": str(HERE / levels)} if levels else {}
            if categories:
                (folder / "categories.csv").write_text(CATEGORIES, encoding="utf-8")
                lists["procedure_categories"] = str(folder / "categories.csv")
            params = RunParams.model_validate(
                {
                    "run": "surgery",
                    "title": "合成数据",
                    "data": {
                        "format": "front-page",
                        "files": [str(HERE / "fp.csv")],
                        "hospitals": str(HERE / registry),
                    },
                    "years": {"first": 2022, "last": 2022},
                    "specialties": [{"id": "s1", "name_zh": "外科", "surgical": True, "departments": ["04"]}],
                    "indicators": lists,
                }
            )
            results = pipeline.evaluate(params, folder / "run")
            cells = results.cells
            rows = cells[
                (cells["level"] == "unit") & (cells["basis"] == "contemporaneous") & (cells["period"] == "2022")
            ]
            found = {
                (r.hospital, r.indicator): (None if r.value != r.value else round(r.value, 6), r.status)
                for r in rows.itertuples()
            }
            kept[name] = found, results
        return kept[name]

    return once


def test_the_dictionary_of_the_tests_holds_all_codes_of_the_case():
    assert codes_of() == {"36.0600", "51.2300", "47.0100", "45.1300"}


def test_with_a_dictionary_and_a_whole_directory_equal_operations_have_equal_shares(run):
    found, _results = run("full.csv", categories=True)
    assert [found[h, "level4_share"] for h in "MZT"] == [(20.0, "value")] * 3  # 40 of 200
    assert found["C", "level34_share"] == (50.0, "value")  # 100 of 200
    assert found["C", "level4_share"] == (None, "not_applicable")
    assert [found[h, "level_known_share"][0] for h in "MZTC"] == [100.0] * 4


@pytest.mark.slow
def test_with_a_dictionary_alone_a_hospital_that_left_levels_empty_has_no_share(run):
    found, _results = run(categories=True)
    assert found["Z", "level_known_share"] == (50.0, "value")  # 100 of its 200 operations
    assert found["Z", "level4_share"] == (None, "incomplete")
    assert [found[h, "level4_share"][0] for h in "MT"] == [20.0, 20.0]  # gastroscopies are none, whatever level T gave


@pytest.mark.slow
@pytest.mark.parametrize("levels", ["", "l4.csv"])
def test_without_a_dictionary_what_was_filled_in_counts_only_where_it_was(run, levels):
    found, results = run(levels)
    assert found["M", "level4_share"] == (20.0, "value")
    assert found["Z", "level4_share"] == (None, "incomplete")
    assert found["Z", "level_known_share"] == (50.0, "value")
    assert "没有类别字典" in results.facts.lists["手术判别"]


@pytest.mark.slow
def test_a_directory_without_level_3_gives_no_share_of_levels_3_and_4_and_says_why(run):
    found, results = run("l4.csv")
    assert found["C", "level34_share"] == (None, "not_applicable")
    assert "没有 2022 年的三级手术" in results.facts.lists["手术级别"]
    whole, _results = run("full.csv")
    assert whole["C", "level34_share"] == (50.0, "value")


def test_a_directory_without_level_4_is_refused(run, tmp_path):
    (tmp_path / "l3.csv").write_text("code,level,valid_from,valid_to\n51.2300,3,2020,\n", encoding="utf-8")
    with pytest.raises(InputError, match="四级手术"):
        run(str(tmp_path / "l3.csv"))


def test_operations_without_level_and_other_procedures_with_one_are_findings(run):
    _found, results = run(categories=True)
    hit = {
        rule: int(results.accounts.loc[results.accounts["rules"].str.contains(f"|{rule}|", regex=False), "n"].sum())
        for rule in ("P19", "P20", "P21")
    }
    assert hit == {"P19": 100, "P20": 100, "P21": 0}  # Z's appendectomies, T's gastroscopies


@pytest.mark.parametrize("word", ["县级", "区", "县（市、区）", "县级市", "旗"])
def test_a_county_hospital_by_another_word_is_judged_as_one(run, tmp_path, word):
    text = (HERE / "hf.csv").read_text(encoding="utf-8").replace(",县,", f",{word},")
    (tmp_path / "hf.csv").write_text(text, encoding="utf-8")
    tiers = read_registry(tmp_path / "hf.csv", tmp_path).set_index("code")["tier"].to_dict()
    assert tiers == {"M": "市", "C": "县", "Z": "市", "T": "市"}


def test_an_unknown_word_for_the_tier_is_refused_with_file_and_line(tmp_path):
    (tmp_path / "hf.csv").write_text("code,name,tier\nM,市院,市\nC,县院,地方\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_registry(tmp_path / "hf.csv", tmp_path)
    assert "hf.csv:3" in str(error.value)
    assert all(word in str(error.value) for word in ("省", "市", "县"))


def test_a_category_outside_the_closed_list_is_refused_with_its_line(tmp_path):
    (tmp_path / "c.csv").write_text("code,category,valid_from,valid_to\n36.0600,检查,2020,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"c\.csv:2"):
        read_code_list(tmp_path / "c.csv", "手术操作类别字典", [2022], categories=True)
