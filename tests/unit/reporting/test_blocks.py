import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pydantic import ValidationError

from toolkit.errors import RunError
from toolkit.reporting.content import blocks
from toolkit.reporting.content.blocks import (
    MIME,
    Blocks,
    Figure,
    Heading,
    Meta,
    Note,
    PageBreak,
    Paragraph,
    Run,
    Table,
    Title,
)

from . import samples

TABLE = Table(
    id="t",
    caption="示例",
    columns=[{"label": "医院", "align": "left"}, {"label": "例数", "align": "right"}],
    rows=[["合成医院", "1,234"], ["abc", "—"]],
)
PICTURE = Figure(id="f", caption="图例", alt="一条线", svg="<svg xmlns='http://www.w3.org/2000/svg'/>")
ALL = [
    Title(text="题目", subtitle="副题"),
    Meta(pairs=[("专科", "儿科")]),
    Heading(text="一、数据", level=2),
    Paragraph(text="正文"),
    Paragraph(runs=[Run(text="结论：", strong=True), Run(text=" 尾")]),
    TABLE,
    PICTURE,
    Note(text="说明", tone="warning"),
    PageBreak(),
]


def notebook(*bundles):
    outputs = [new_output("display_data", data=b) for b in bundles]
    made = new_notebook(cells=[new_markdown_cell("#"), new_code_cell("x", outputs=outputs, execution_count=1)])
    return nbformat.reads(nbformat.writes(made), as_version=4)  # as from disk


def test_every_block_comes_back_from_a_notebook_as_it_went_in():
    assert blocks.read_blocks(notebook(*(b._repr_mimebundle_() for b in ALL))) == ALL


def test_a_figure_carries_its_picture_and_no_html():
    bundle = PICTURE._repr_mimebundle_()
    assert set(bundle) == {MIME, "image/svg+xml", "text/plain"}
    assert "svg" not in bundle[MIME]


def test_cells_are_shown_by_a_real_kernel_display(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    Blocks(TABLE, None, PICTURE)._ipython_display_()
    assert shown == [TABLE, PICTURE]


def change(**given):
    return {MIME: TABLE.model_dump(mode="json") | given}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (change(secret=1), "secret（不认识的字段）"),
        (change(v=2), "版本 2"),
        (change(v=True), "版本 True"),
        (change(kind="pie"), "类型 'pie'"),
        (change(rows=[["甲"]]), "整体"),
        (change(rows=[["甲", 3]]), "rows.0.1"),
        (change(wide="yes"), "wide"),
        ({MIME: {"v": 1, "kind": "note"}}, "text（缺少字段）"),
        ({MIME: "text"}, "版本 None"),
        ({MIME: PICTURE.model_dump(mode="json")}, "图缺少"),
        ({**PICTURE._repr_mimebundle_(), "image/svg+xml": ""}, "svg"),
    ],
)
def test_a_block_that_does_not_fit_is_refused_with_its_cell(data, says):
    with pytest.raises(RunError, match="单元格 cell 2") as caught:
        blocks.read_blocks(notebook(data))
    assert says in caught.value.problem


def test_a_wrong_value_is_not_quoted_in_the_message():
    with pytest.raises(RunError) as caught:
        blocks.read_blocks(notebook(change(id="患者姓名")))
    assert "患者姓名" not in str(caught.value)


def test_numbers_are_refused_as_cells():
    with pytest.raises(ValidationError):
        Table(id="t", caption="c", columns=[{"label": "n"}], rows=[[3]])


@pytest.mark.parametrize("given", [{}, {"text": "a", "runs": [Run(text="b")]}])
def test_a_paragraph_is_text_or_runs(given):
    with pytest.raises(ValidationError):
        Paragraph(**given)


def test_an_id_used_twice_is_refused():
    bundle = TABLE._repr_mimebundle_()
    with pytest.raises(RunError, match="图表编号重复：t"):
        blocks.read_blocks(notebook(bundle, bundle))
    with pytest.raises(RunError, match="编号重复"):
        Blocks(TABLE, TABLE)


def test_plain_tables_align_chinese_by_display_width():
    lines = TABLE.plain().splitlines()
    assert lines == [
        "表：示例",
        "---------------",
        "医院       例数",
        "---------------",
        "合成医院  1,234",
        "abc           —",
        "---------------",
    ]
    assert {blocks.display_width(line) for line in lines[1:]} == {15}


def test_text_loses_what_breaks_a_page():
    assert blocks.printable("甲\x00乙\n丙\u202e丁\ud800") == "甲 乙 丙丁□"
    assert Paragraph(runs=[Run(text="a "), Run(text="b")]).plain() == "a b"


def test_numbers_run_apart_for_tables_and_figures():
    second = TABLE.model_copy(update={"id": "t2"})
    numbers = [number for _, number in blocks.numbered([TABLE, PICTURE, PageBreak(), second])]
    assert numbers == ["表 1", "图 1", "", "表 2"]


def test_the_notebook_fragment_escapes_hostile_names():
    html = samples.scores()._repr_mimebundle_()["text/html"]
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html


def test_bundles_are_plain_json():
    for block in ALL:
        json.dumps(block._repr_mimebundle_())


@pytest.mark.parametrize(
    "links",
    [
        ["https://example.org", ""],
        ["//host", ""],
        ["../../other", ""],
        ["a/../b", ""],
        ["/etc", ""],
        ["javascript:alert(1)", ""],
        ["#a"],
    ],
)
def test_a_table_links_to_nothing_outside_the_runs_folder_and_row_by_row(links):
    with pytest.raises(ValidationError):
        Table.model_validate(TABLE.model_dump() | {"links": links})
    assert Table.model_validate(
        TABLE.model_dump() | {"links": ["../handbook.html#indicator-cmi", "../a-b/report.html"]}
    )
