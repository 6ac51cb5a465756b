"""The region's report: it counts each project once, names those that moved, and stays within twelve pages."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from toolkit.reporting.content.plain_words import SUMMARIES, summary
from toolkit.reporting.formats import pdf
from toolkit.reporting.formats.document import document
from toolkit.reporting.sections import region
from toolkit.runs import golden

from . import samples
from .test_documents import pages
from .test_plain_words import JARGON, change


@pytest.fixture(scope="module")
def results():
    return golden()


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["worse", "improved"], "有改善，也有变差"),
        (["worse", "undecided"], "有变差"),
        (["improved", "not_judged"], "有改善"),
        (["stable", "not_judged"], "基本持平"),
        (["stable", "undecided"], "分辨不出"),
        (["not_judged", "not_judged"], "不能评价"),
        ([], "不能评价"),
    ],
)
def test_a_project_is_summed_up_in_a_few_words(verdicts, said):
    assert summary([change(v) for v in verdicts]) == said
    assert said in SUMMARIES


def test_every_project_is_counted_once_in_the_first_sentence(results):
    [_title, _heading, first, *_] = region.first_page(results)
    sentence = first.parts[0].text
    total, counts = int(re.match(r"\d+", sentence).group()), re.findall(r"(\d+) 个(?=[；。])", sentence)
    assert total == (results.units["project"] != "").sum() == sum(map(int, counts))


def test_the_table_of_movers_holds_the_changed_verdicts_and_no_others(results):
    shown = next(b for b in region.movers(results) if b.kind == "table")
    own = results.changes.merge(results.units[results.units["project"] != ""][["hospital", "specialty"]])
    own = own[(own["level"] == "unit") & own["indicator"].isin(results.params.change.primary)]
    assert len(shown.rows) == own["verdict"].isin(["improved", "worse"]).sum() > 0
    words = [row[2][2:4] for row in shown.rows]
    assert words == sorted(words, key=["变差", "改善"].index)


def test_at_a_glance_every_project_has_one_mark_for_each_primary_indicator(results):
    [shown] = [b for b in region.glance(results) if b.kind == "table"]
    marks = [cell.rstrip("※") for row in shown.rows for cell in row[1:] if cell]
    assert len(marks) == (results.units["project"] != "").sum()
    assert {len(m) for m in marks} == {len(results.params.change.primary)}


def test_hospitals_without_a_single_fault_stand_in_no_league(results):
    spotless = results.accounts[results.accounts["rules"] == ""]
    blocks = region.league(replace(results, tables={**results.tables, "accounts": spotless}))
    assert not [b for b in blocks if b.kind == "table"]
    assert "没有被隔离或提示的病例" in blocks[-1].plain()


def test_the_report_has_at_most_twelve_pages_and_no_term_of_statistics(results):
    sections = (region.first_page, region.glance, region.movers, region.coverage, region.specialties, region.league)
    blocks = [b for section in sections for b in section(results)]
    assert not [term for term in JARGON for b in blocks if term in b.plain()]
    assert pages(pdf.render(document(blocks, samples.provenance()))) <= 12
