"""Every number of a project can be asked: its row in the annex, its definition in the handbook."""

import re

import pytest

from toolkit.indicators import CATALOGUE
from toolkit.reporting.formats import handbook, html
from toolkit.reporting.sections import finding, origins
from toolkit.runs import golden

from . import samples


@pytest.fixture(scope="module")
def results():
    return golden()


@pytest.fixture(scope="module")
def table(results):
    return next(b for b in origins.of_project(results) if b.kind == "table")


def test_numbers_of_the_report_lead_to_their_rows_in_the_annex_and_these_to_their_definitions(results, table):
    shown = next(b for b in finding.with_peers(results) if b.kind == "table")
    assert len(shown.links) == len(shown.rows) > 10
    assert {link.removeprefix("annex.html#") for link in shown.links} <= set(table.places)
    defined = set(re.findall(r'id="(indicator-[a-z0-9-]+)"', handbook.page(results).decode("utf-8")))
    assert {link.removeprefix("../handbook.html#") for link in table.links} <= defined
    assert len(defined) >= len(CATALOGUE)


def test_what_is_divided_gives_what_is_shown(results, table):
    name = {one.name_zh: one for one in CATALOGUE.values()}
    compared = 0
    for row in table.rows:
        one = name[row[0]]
        if row[4] == "—" or not re.match(r"[\d.,]+(（|$)", row[5]) or one.id.endswith("_rarefied"):
            continue
        x, y = (float(cell.replace(",", "")) for cell in row[3:5])
        value = float(re.match(r"[\d.,]+", row[5])[0].replace(",", ""))
        scale = getattr(one, "scale", 1)
        if y:
            compared += 1
            # sums in hundredths, large ones whole; the value in the decimals of its declaration
            off = [0.51 if part >= 10_000 else 0.0051 for part in (x, y)]
            room = scale * off[0] / y + x / y**2 * scale * off[1] + 10.0**-one.decimals
            assert value == pytest.approx(x / y * scale, abs=room), row
    assert compared > 30


def test_a_page_has_the_links_and_paper_has_none(results, table):
    page = html.render([table], title="示例", provenance=samples.provenance())
    assert 'id="origin-cost-index"' in page
    assert 'href="../handbook.html#indicator-cost-index"' in page
    assert table.plain().count("handbook.html") == 0
