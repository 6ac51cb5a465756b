"""Pages as a reader's browser shows them, opened from a folder and without network."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from toolkit.reporting.content import tables
from toolkit.reporting.content.blocks import Heading, Meta, Note, Paragraph, Title
from toolkit.reporting.figures import indicators as figures
from toolkit.reporting.formats import html, site
from toolkit.reporting.formats.provenance import Provenance

websocket = pytest.importorskip("websocket", reason="websocket-client is not installed: the browser cannot be driven")
from chromium import PROGRAM, Page  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine (Debian: apt-get install chromium)"),
]

SAMPLE = Path(__file__).resolve().parents[2] / "reports" / "sample"
READY = "document.documentElement.dataset.ready === 'yes'"
PROVENANCE = Provenance(
    run="demo-1",
    title="演示评估（合成数据）",
    synthetic=True,
    data_hash="ab" * 32,
    parameter_hash="cd" * 32,
    lock_hash="ef" * 32,
    version="0.1.0",
    data_date="2019-01 至 2024-12",
    policies=(("标杆范围", "同地区、同级别"),),
)
HOSTILE = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">医院"
NAMES = ["合成第十医院", "合成第二医院", "合成县中心医院（东院）", HOSTILE]


def column(name, label, format, **more):
    return tables.Column(name=name, label=label, format=format, **more)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    opened = Page(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    k = 120
    frame = pd.DataFrame(
        {
            "hospital": [NAMES[i % 4] for i in range(k)],
            "specialty": [("儿科", "骨科", "心血管内科")[i % 3] for i in range(k)],
            "level": [("市级", "国家级")[i % 2] for i in range(k)],
            "n": [(i * 37) % 1009 + 5 for i in range(k)],
            "cost": [None if i == 7 else 0.8 + i / 200 for i in range(k)],
            "status": ["too_few" if i == 7 else "value" for i in range(k)],
            "href": [f"r{i}.html" for i in range(k)],
        }
    ).assign(title=lambda f: f["hospital"] + "·" + f["specialty"])
    columns = [column("n", "例数", tables.count), column("cost", "费用消耗指数", tables.decimal(2), status="status")]
    folder = tmp_path_factory.mktemp("site")
    path = folder / "index.html"
    path.write_text(site.index(frame, provenance=PROVENANCE, columns=columns), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    units = pd.DataFrame(
        {
            "label": [f"合成医院 {i}" for i in range(9)],
            "value": 1.0,
            "low": 0.9,
            "high": 1.1,
            "n": 99,
            "highlight": False,
        }
    )
    wide = pd.DataFrame({"name": NAMES} | {f"c{i}": 1234.5 for i in range(14)})
    columns = [
        column("name", "医疗机构", tables.text),
        *(column(f"c{i}", f"{2010 + i} 年次均费用（元）", tables.decimal(2)) for i in range(14)),
    ]
    blocks = [
        Title(text="临床重点专科建设项目评估报告（合成数据）"),
        Meta(pairs=[("医疗机构", HOSTILE)]),
        Heading(text="一、结果"),
        Paragraph(text="A" * 300),
        tables.table(wide, columns, id="wide", caption="宽表"),
        tables.table(pd.concat([wide] * 75), columns[:4], id="long", caption="长表"),
        figures.ranking(units, id="rank", caption="排序", x_label="指数"),
        Note(text=HOSTILE),
    ]
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(blocks, title="报告", provenance=PROVENANCE), encoding="utf-8")
    return path


def cells(page, number):
    return page.run(f"[...document.querySelectorAll('#reports tbody tr')].map(r => r.cells[{number}].innerText)")


def info(page):
    return page.run("document.getElementById('info').innerText")


def head(page, label):
    page.run(
        f"[...document.querySelectorAll('#reports thead th')].find(h => h.innerText.includes('{label}')).querySelector('button').click()"
    )


def test_search_finds_a_chinese_hospital(page, index):
    page.open(index, READY)
    page.type("#search", "中心医院（东院）　骨科")  # with the wide space of a Chinese keyboard
    assert info(page).startswith("第 1–10 份，共 10 份")
    assert set(cells(page, 1)) == {"合成县中心医院（东院）"}
    page.run("document.getElementById('reset').click()")
    assert "共 120 份" in info(page)


def test_a_filter_and_a_search_hold_together(page, index):
    page.open(index, READY)
    page.run(
        "{const s = document.querySelector('select[data-column=\"2\"]'); s.value = '儿科'; s.dispatchEvent(new Event('change'))}"
    )
    page.type("#search", "第二")
    assert set(zip(cells(page, 1), cells(page, 2), strict=True)) == {("合成第二医院", "儿科")}


def test_numbers_sort_as_numbers_with_missing_ones_last(page, index):
    page.open(index, READY)
    head(page, "例数")
    shown = [int(c.replace(",", "")) for c in cells(page, 4)]
    assert shown == sorted(shown)
    page.run("{const s = document.getElementById('length'); s.value = '0'; s.dispatchEvent(new Event('change'))}")
    for _ in range(2):
        head(page, "费用")
        assert cells(page, 5)[-1] == "例数不足"
    assert cells(page, 5)[0] == "1.40"  # 0.8 + 119 / 200 is 1.395


def test_chinese_ordinals_sort_as_numbers_and_levels_by_rank(page, index):
    page.open(index, READY)
    page.type("#search", "合成第")
    page.run("{const s = document.getElementById('length'); s.value = '0'; s.dispatchEvent(new Event('change'))}")
    head(page, "医疗机构")
    assert list(dict.fromkeys(cells(page, 1))) == ["合成第二医院", "合成第十医院"]
    head(page, "级别")
    assert list(dict.fromkeys(cells(page, 3))) == ["国家级", "市级"]


def test_a_hostile_name_stays_text(page, index, report):
    for path, ready in ((index, READY), (report, "document.readyState === 'complete'")):
        page.open(path, ready)
        assert page.run("document.title") != "taken"
        assert "onerror" in page.run("document.body.innerText")
        assert page.run("document.images.length") == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_are_not_wider_than_the_window(page, index, report, width):
    page.resize(width, 800)
    page.open(index, READY)
    assert page.overflow() <= 0
    page.open(report)
    assert page.overflow() <= 0
    page.resize(1280, 900)


def test_on_a_desk_a_wide_table_takes_the_room_it_needs_and_hides_no_column(page, report):
    page.resize(1280, 900)
    page.open(report)
    hidden = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
    assert page.run("document.querySelector('#wide table').offsetWidth > document.querySelector('main').clientWidth")
    assert page.run(hidden) == 0
    assert page.overflow() <= 0


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.html")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_sample_hides_no_column_on_a_desk_and_is_as_wide_as_a_telephone(page, path):
    for width in (1280, 390):
        page.resize(width, 900)
        page.open(path)
        assert page.overflow() <= 0
        assert page.run("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    page.resize(1280, 900)


def test_on_a_telephone_each_row_of_a_table_is_a_card_whose_cells_say_their_column(page, report):
    page.resize(390, 800)
    page.open(report)
    assert page.run("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")
    said = "getComputedStyle(document.querySelector('#wide tbody td:nth-child(3)'), '::before').content"
    assert page.run(said) == '"2011 年次均费用（元）"'
    page.resize(1280, 900)


def test_a_point_of_a_picture_can_be_reached_by_the_keyboard_and_says_its_value(page, report):
    page.open(report)
    titles = page.run("[...document.querySelectorAll('#rank g[tabindex] > title')].map(t => t.textContent)")
    assert len(titles) == 9
    assert titles[0].startswith("合成医院 ")
    assert "1.00" in titles[0]
    page.run("document.querySelector('#rank g[tabindex]').focus()")
    assert page.run("document.activeElement.querySelector('title').textContent") == titles[0]


def test_pages_report_no_error_and_load_nothing(page, index, report):
    page.messages.clear()
    for path, ready in ((index, READY), (report, "document.readyState === 'complete'")):
        page.open(path, ready)
        assert page.run("performance.getEntriesByType('resource').every(e => /^(data|blob):|\\.woff2$/.test(e.name))")
    assert page.messages == []


def test_a_report_prints(page, report):
    page.open(report)
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(page, index, report, width):
    pytest.importorskip("axe_core_python", reason="axe-core-python is not installed (requirements-dev.lock)")
    page.resize(width, 800)
    assert page.faults_for_readers(index, READY) == []
    assert page.faults_for_readers(report) == []
    page.resize(1280, 900)
