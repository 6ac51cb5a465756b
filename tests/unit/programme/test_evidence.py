"""佐证材料: workbooks that are filled in come back as they were filled, with every fault told at once. 合成数据."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.errors import InputError
from toolkit.programme.evidence import (
    ABOUT,
    ITEM_COLUMNS,
    ITEMS,
    PLAN,
    PLAN_COLUMNS,
    asked_of,
    kept,
    read_workbooks,
    take_in,
    targets_of,
    values_with,
    write_templates,
)
from toolkit.programme.run_values import values_of
from toolkit.programme.scoring import score
from toolkit.programme.systems import read_system
from toolkit.programme.tables import read_values
from toolkit.runs import golden

SYSTEM = read_system(Path(__file__).parents[3] / "params" / "systems" / "wenzhou-25.yaml")
APPLICANTS = pd.DataFrame({"applicant": ["p1", "p2"], "tier": ["市", "县"], "track": ["市级外科", "内科"]})


def filled(
    template: Path, path: Path, values: dict[str, object], plan: dict[str, tuple] | None = None, **more: str
) -> Path:
    """A template filled in by another program than the one that wrote it."""
    sheets = {name: read_values(template, name) for name in (ABOUT, ITEMS, PLAN)}
    items, goals, about = sheets[ITEMS], sheets[PLAN], sheets[ABOUT]
    for id_, value in values.items():
        items.loc[items["编号"] == id_, ["数值", "佐证文件"]] = [str(value), "文件.pdf" if value != "" else ""]
    for id_, cells in (plan or {}).items():
        goals.loc[goals["编号"] == id_, list(PLAN_COLUMNS[3:])] = [str(c) for c in cells]
    for key, value in more.items():
        about.loc[about["项目"] == key, "内容"] = value
    with xlsxwriter.Workbook(str(path)) as book:
        for name, frame in sheets.items():
            sheet = book.add_worksheet(name)
            for column, header in enumerate(frame):
                sheet.write(0, column, header)
                for line, cell in enumerate(frame[header], start=1):
                    sheet.write_string(line, column, cell)
    return path


@pytest.fixture
def templates(tmp_path) -> list[Path]:
    return write_templates(SYSTEM, APPLICANTS, tmp_path / "out")


def test_a_workbook_asks_for_the_15_items_that_records_cannot_give_with_help_and_scale(templates):
    assert [path.name for path in templates] == ["p1.xlsx", "p2.xlsx"]
    items = read_values(templates[0], ITEMS)
    assert list(items) == list(ITEM_COLUMNS)
    assert len(items) == 15
    assert (items["填写要求"] != "").all()
    assert set(items["取值"]) == {"0–10", "不小于 0 的数"}
    # the plan asks for targets of the indicators that apply to this applicant only
    assert "level4_share" in set(read_values(templates[0], PLAN)["编号"])
    assert "level4_share" not in set(read_values(templates[1], PLAN)["编号"])


def test_what_was_filled_in_comes_back_and_what_was_left_empty_is_missing_not_0(templates, tmp_path):
    book = filled(
        templates[0], tmp_path / "f.xlsx", {"organisation": 8.5, "research": 0}, {"cmi": (1.1, 1.2, 1.3, 1.4)}
    )
    [one] = read_workbooks(SYSTEM, ["p1", "p2"], [book])
    assert dict(zip(one.items["item"], one.items["value"], strict=True)) == {"organisation": 8.5, "research": 0.0}
    take_in(tmp_path / "store", [one])
    records = pd.DataFrame({"applicant": ["p1", "p2"], "cmi": [1.1, 1.0]})
    both = values_with(SYSTEM, records, tmp_path / "store").set_index("applicant")
    assert both.loc["p1", "organisation"] == 8.5
    assert both.loc["p1", "research"] == 0  # given as 0
    assert pd.isna(both.loc["p1", "funds"])
    assert both.loc["p2", [i.of for i in asked_of(SYSTEM)]].isna().all()
    assert targets_of(tmp_path / "store").to_dict("records") == [{"project": "p1", "indicator": "cmi", "target": 1.4}]


def test_every_fault_of_every_workbook_is_told_at_once_and_nothing_is_taken(templates, tmp_path):
    bad = filled(templates[0], tmp_path / "a.xlsx", {"organisation": 11, "funds": "很好"}, {"cmi": ("x", 1, 1, 1)})
    stranger = filled(templates[1], tmp_path / "b.xlsx", {}, 申报项目="p9", 指标体系="another")
    sheet = read_values(templates[1], ITEMS)
    assert len(sheet) == 15
    done = CliRunner().invoke(
        app,
        [
            "evidence",
            "import",
            str(Path(__file__).parents[3] / "params" / "systems" / "wenzhou-25.yaml"),
            str(bad),
            str(stranger),
            "--applicants",
            str(_listed(tmp_path)),
            "--store",
            str(tmp_path / "store"),
        ],
    )
    said = str(done.exception)
    for line in (
        "a.xlsx 佐证材料 第 2 行",  # organisation: 11 of 10
        "a.xlsx 佐证材料 第 4 行",  # funds: no number
        "a.xlsx 建设方案 第 3 行",  # cmi's baseline
        "申报项目不在名单中",
        "工作簿属于另一指标体系",
    ):
        assert line in said
    assert "共 5 处问题" in said
    assert "很好" not in said
    assert not (tmp_path / "store").exists()


def _listed(folder: Path) -> Path:
    APPLICANTS.to_csv(folder / "applicants.csv", index=False)
    return folder / "applicants.csv"


def test_a_value_without_its_document_and_two_workbooks_of_one_applicant_are_faults(templates, tmp_path):
    without = filled(templates[0], tmp_path / "a.xlsx", {"organisation": 8})
    items = read_values(without, ITEMS)
    assert items.loc[0, "佐证文件"] == "文件.pdf"
    first = filled(templates[0], tmp_path / "c.xlsx", {"funds": 5})
    with pytest.raises(InputError, match="两份工作簿"):
        read_workbooks(SYSTEM, ["p1"], [without, first])
    bare = tmp_path / "d.xlsx"
    sheets = {name: read_values(without, name) for name in (ABOUT, ITEMS, PLAN)}
    sheets[ITEMS].loc[0, "佐证文件"] = ""
    with xlsxwriter.Workbook(str(bare)) as book:
        for name, frame in sheets.items():
            sheet = book.add_worksheet(name)
            for column, header in enumerate(frame):
                sheet.write_column(0, column, [header, *frame[header]])
    with pytest.raises(InputError, match="没有佐证文件"):
        read_workbooks(SYSTEM, ["p1"], [bare])
    (tmp_path / "x.xlsx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="不是本工具写出的"):
        read_workbooks(SYSTEM, ["p1"], [tmp_path / "x.xlsx"])


def test_versions_are_kept_and_the_same_workbook_twice_makes_none(templates, tmp_path):
    store = tmp_path / "store"
    first = read_workbooks(SYSTEM, ["p1"], [filled(templates[0], tmp_path / "a.xlsx", {"organisation": 6, "funds": 5})])
    assert take_in(store, first) == {"p1": 1}
    assert take_in(store, first) == {"p1": 1}
    second = read_workbooks(SYSTEM, ["p1"], [filled(templates[0], tmp_path / "b.xlsx", {"organisation": 7})])
    assert take_in(store, second) == {"p1": 2}
    evidence, _targets = kept(store)
    assert evidence["version"].tolist() == ["1", "1", "2"]
    records = pd.DataFrame({"applicant": ["p1"]})
    now = values_with(SYSTEM, records, store).loc[0]
    assert now["organisation"] == 7
    assert pd.isna(now["funds"])  # taken back with the newer version
    assert len(list((store / "files").iterdir())) == 2


def test_an_applicant_whose_id_leads_out_of_the_folder_gets_no_file(tmp_path):
    with pytest.raises(InputError, match="不能作文件名"):
        write_templates(SYSTEM, APPLICANTS.assign(applicant=["../p1", "p2"]), tmp_path / "out")


def test_the_ten_items_from_records_come_from_a_run_and_the_whole_is_scored(tmp_path):
    results = golden()
    values, errors = values_of(results, SYSTEM, "before")
    cells = results.cells.query("level == 'unit' and basis == 'contemporaneous' and period == 'before'")
    some = values.sample(8, random_state=1)
    for row in some.itertuples():
        own = cells[(cells["hospital"] == row.hospital) & (cells["specialty"] == row.specialty)].set_index("indicator")
        assert row.cmi == pytest.approx(own.loc["cmi", "value"], nan_ok=True)
        assert errors.set_index("applicant").loc[row.applicant, "los_index"] == pytest.approx(
            own.loc["los_index", "se"]
        )
    surgical = {s.id for s in results.params.specialties if s.surgical}
    assert set(values.loc[values["track"] == "内科", "specialty"]).isdisjoint(surgical)
    assert set(values.loc[values["track"] != "内科", "specialty"]) <= surgical
    card = score(SYSTEM, values_with(SYSTEM, values, tmp_path).assign(organisation=7.0, funds=6.0, staff=5.0))
    assert card.units["score"].notna().all()
