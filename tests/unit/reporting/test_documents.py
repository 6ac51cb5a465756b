"""One executed notebook, two documents, three formats."""

from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree as ET

import docx
import pandas as pd
import pytest
from fontTools.ttLib import TTFont

from toolkit.errors import ParameterError, RunError
from toolkit.reporting.content import tables
from toolkit.reporting.content.blocks import Annex, Heading, Paragraph, Signatures, Title, numbered, numeral
from toolkit.reporting.formats import html, pdf, word
from toolkit.reporting.formats.client_template import fill
from toolkit.reporting.formats.document import Part, document, oriented
from toolkit.reporting.formats.fonts import web_font
from toolkit.reporting.sections import finding
from toolkit.reporting.sections.change import projects
from toolkit.runs import golden

from . import samples

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def wide(id, k=20, rows=200):
    frame = pd.DataFrame({f"c{i}": ["合成医院的很长的名字"] * rows for i in range(k)})
    columns = [tables.Column(name=f"c{i}", label=f"列 {i}", format=tables.text) for i in range(k)]
    return tables.table(frame, columns, id=id, caption="宽表")


def blocks():
    return [
        *samples.report(),
        Signatures(places=[("专家签字", 1)]),
        Annex(),
        Heading(text="附件的一章"),
        Paragraph(text="𠮷与\u202e文字方向\u202c、=HYPERLINK(1)"),
        wide("wide"),
        samples.charts()[2],
    ]


@pytest.fixture(scope="module")
def shown():
    return {part: document(blocks(), samples.provenance(), part) for part in Part}


def texts(docx: bytes, part: str = "word/document.xml") -> str:
    root = ET.fromstring(zipfile.ZipFile(io.BytesIO(docx)).read(part))
    return "".join(t.text or "" for t in root.iter(f"{W}t"))


def pages(made: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", made))


@pytest.mark.parametrize(
    "number", [(1, "一"), (10, "十"), (12, "十二"), (20, "二十"), (21, "二十一"), (99, "九十九"), (100, "100")]
)
def test_chapters_are_counted_as_in_official_documents(number):
    assert numeral(number[0]) == number[1]


def test_headings_are_numbered_by_level_and_start_anew_below_a_higher_one():
    given = [Heading(text="x", level=level) for level in (1, 2, 2, 3, 1, 2)]
    assert [n for _, n in numbered(given)] == ["一、", "（一）", "（二）", "1. ", "二、", "（一）"]


def test_the_annex_begins_at_its_mark_and_has_the_reports_title(shown):
    first = shown[Part.ANNEX].blocks[0][0]
    assert isinstance(first, Title)
    assert first.text == "合成报告：技术附件"
    assert "附件的一章" not in html.page(shown[Part.REPORT])
    assert "附件的一章" in html.page(shown[Part.ANNEX])


def test_a_notebook_without_annex_gives_none():
    with pytest.raises(RunError, match="没有技术附件"):
        document(samples.report(), samples.provenance(), Part.ANNEX)


def test_a_wide_table_takes_its_heading_with_it_onto_the_landscape_page():
    given = list(
        numbered([Paragraph(text="前"), Heading(text="章"), Paragraph(text="引"), wide("w"), Heading(text="后")])
    )
    assert [(flat, [b.kind for b, _ in part]) for flat, part in oriented(given)] == [
        (False, ["paragraph"]),
        (True, ["heading", "paragraph", "table"]),
        (False, ["heading"]),
    ]


@pytest.mark.parametrize("part", Part)
@pytest.mark.parametrize("render", [pdf.render, word.render])
def test_the_same_bytes_come_twice(shown, part, render):
    assert render(shown[part]) == render(document(blocks(), samples.provenance(), part))


@pytest.mark.parametrize("part", Part)
def test_a_pdf_is_tagged_and_passes_the_checks_of_its_standards(shown, part):
    made = pdf.render(shown[part])
    assert made.startswith(b"%PDF-1.7")
    assert b"/StructTreeRoot" in made
    assert b"pdfuaid" in made
    assert pages(made) >= 1


def test_word_holds_hostile_names_as_they_are(shown):
    said = texts(word.render(shown[Part.REPORT]))
    for name in samples.HOSTILE:
        assert name in said
    assert "=HYPERLINK(1)" in texts(word.render(shown[Part.ANNEX]))


def test_in_word_heads_of_tables_repeat_rows_are_whole_and_pictures_say_what_they_show(shown):
    root = ET.fromstring(zipfile.ZipFile(io.BytesIO(word.render(shown[Part.ANNEX]))).read("word/document.xml"))
    rows = list(root.iter(f"{W}tr"))
    assert len(rows) == 201
    assert [r.find(f"{W}trPr/{W}tblHeader") is not None for r in rows] == [True] + [False] * 200
    assert all(r.find(f"{W}trPr/{W}cantSplit") is not None for r in rows)
    named = [e.get("descr") for e in root.iter() if e.tag.endswith("}docPr")]
    assert named == [samples.charts()[2].alt]
    orientations = [e.get(f"{W}orient") for e in root.iter(f"{W}pgSz")]
    assert "landscape" in orientations


def test_captions_in_word_are_counted_by_word_and_can_be_referred_to(shown):
    root = ET.fromstring(zipfile.ZipFile(io.BytesIO(word.render(shown[Part.REPORT]))).read("word/document.xml"))
    codes = [e.text.strip() for e in root.iter(f"{W}instrText")]
    assert codes.count(r"SEQ 表 \* ARABIC") == 2
    assert codes.count(r"SEQ 图 \* ARABIC") == 1
    assert [e.get(f"{W}name") for e in root.iter(f"{W}bookmarkStart")] == ["_scores", "_rank", "_second"]


def test_word_counts_pages_and_says_what_is_synthetic_on_each(shown):
    made = word.render(shown[Part.REPORT])
    files = zipfile.ZipFile(io.BytesIO(made))
    heads = "".join(texts(made, n) for n in files.namelist() if re.fullmatch(r"word/header\d*\.xml", n))
    feet = "".join(files.read(n).decode() for n in files.namelist() if re.fullmatch(r"word/footer\d*\.xml", n))
    assert "合成数据" in heads
    assert "内部评估版" in heads
    assert "NUMPAGES" in feet


def test_the_font_of_a_run_holds_the_characters_used_and_no_others():
    made = web_font("评估 1%\U000e0000")  # the last: a character that no font has
    assert made == web_font("评估 1%\U000e0000")
    assert made.startswith(b"wOF2")
    with TTFont(io.BytesIO(made)) as font:
        assert {chr(c) for c in font.getBestCmap()} == set("评估 1%")


def test_no_project_has_more_than_four_pages_and_one_that_cannot_be_judged_has_one():
    results = golden()
    for project in projects(results)["id"]:
        made = document([b for s in samples.REPORT for b in s(results, project)], samples.provenance())
        most = 1 if finding.judged(results, project).one_page else 4
        assert pages(pdf.render(made)) <= most, project


class TestClientTemplate:
    """A template of a client's own, made here with python-docx as anyone makes one in Word."""

    @staticmethod
    def template(tmp_path, *lines):
        made = docx.Document()
        for line in lines:
            made.add_paragraph(line)
        made.save(tmp_path / "template.docx")
        return tmp_path / "template.docx"

    def test_declared_places_are_filled_and_the_rest_stays(self, tmp_path, shown):
        given = self.template(
            tmp_path, "某市卫生健康委员会（合成数据）", "关于“{{ title }}”的意见", "{{ body }}", "此致"
        )
        made = fill(given, shown[Part.REPORT])
        said = [p.text for p in docx.Document(io.BytesIO(made)).paragraphs]
        assert said[:2] == ["某市卫生健康委员会（合成数据）", "关于“合成报告”的意见"]
        assert said[-1] == "此致"
        assert any("专家签字" in line for line in said)
        assert made == fill(given, shown[Part.REPORT])

    def test_hostile_words_stay_words(self, tmp_path, shown):
        made = fill(self.template(tmp_path, "{{ subtitle }}"), shown[Part.REPORT])
        assert texts(made) == samples.HOSTILE[2]

    def test_an_unknown_place_is_named_with_the_nearest(self, tmp_path, shown):
        with pytest.raises(ParameterError, match="bodi") as refused:
            fill(self.template(tmp_path, "{{ bodi }}"), shown[Part.REPORT])
        assert "是否为 body" in str(refused.value)

    @pytest.mark.parametrize("line", ["{{ title", "{{ ''.__class__.__mro__ }}"])
    def test_an_expression_that_is_broken_or_reaches_beyond_the_places_is_refused(self, tmp_path, shown, line):
        with pytest.raises(ParameterError, match="表达式"):
            fill(self.template(tmp_path, line), shown[Part.REPORT])

    def test_a_file_that_is_no_word_document_is_refused(self, tmp_path, shown):
        (tmp_path / "template.docx").write_text("text")
        with pytest.raises(ParameterError, match="不是 Word 文档"):
            fill(tmp_path / "template.docx", shown[Part.REPORT])
