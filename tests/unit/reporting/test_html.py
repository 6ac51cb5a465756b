import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from toolkit.errors import ContractBroken
from toolkit.reporting.content import tables
from toolkit.reporting.content.blocks import Note, Table, Title
from toolkit.reporting.formats import html, site
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER

from . import samples


class Tags(HTMLParser):
    """Tags with their attributes, and the text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def named(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def reports(**changed):
    names = ["合成第十医院", "合成第二医院", samples.HOSTILE[0], samples.HOSTILE[3]]
    return pd.DataFrame(
        {
            "title": [f"{n} 报告" for n in names],
            "hospital": names,
            "specialty": ["儿科", "骨科", "儿科", samples.HOSTILE[4]],
            "level": ["市级", "国家级", "省级", "县级"],
            "verdict": pd.Categorical(["变差", "改善", "改善", None], ["改善", "未见变化", "变差"], ordered=True),
            "n": [1200, 90, 1000, 5],
            "cost": [1.1, 0.9, None, 1.0],
            "status": ["value", "value", "too_few", "value"],
            "href": ["a.html", "reports/b.html", "c.html", "d.html"],
        }
        | changed
    )


COLUMNS = [
    tables.Column(name="verdict", label="结论", format=tables.text),
    tables.Column(name="n", label="例数", format=tables.count),
    tables.Column(name="cost", label="费用消耗指数", format=tables.decimal(2), status="status"),
]
FAILED = pd.DataFrame({"title": [samples.HOSTILE[0]], "reason": ["收到 ≠ 纳入\n办法：<b>检查</b>"]})


def rendered(**changed):
    return html.render(samples.report(), title=samples.HOSTILE[4], provenance=samples.provenance(**changed))


def index(frame=None):
    return site.index(
        reports() if frame is None else frame,
        provenance=samples.provenance(),
        columns=COLUMNS,
        filters=("specialty", "level", "verdict"),
        failed=FAILED,
        links=[("全区报告", "region.html")],
    )


PAGES = {"report": rendered, "index": index}


def test_a_report_has_no_script_and_a_policy_without_script():
    page = Tags(rendered())
    assert not page.named("script")
    [policy] = [m["content"] for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_hostile_names_are_text(page):
    tags = Tags(page())
    assert not [a for _, a in tags.tags if "onerror" in a]
    assert all(i["src"].startswith("data:image/svg+xml;base64,") for i in tags.named("img"))
    assert samples.HOSTILE[0] in "".join(tags.text)  # printed as written
    assert "49" not in re.sub(r"base64,\S+|[0-9a-f]{8,}", "", "".join(tags.text)) or page is index


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_nothing_is_loaded_from_outside(page):
    text = page()
    for _, attrs in Tags(text).tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert not re.match(r"\s*(https?:|//|file:|javascript:)", attrs.get(name) or ""), attrs
    assert not re.search(r"@import|url\(\s*[\"']?\s*(https?:|//)", text)


def test_captions_are_numbered_by_the_renderer():
    captions = re.findall(r'<span class="number">(.*?)</span>', rendered())
    assert captions == ["表 1", "图 1", "表 2"]


def test_a_report_says_where_its_numbers_come_from():
    text = "".join(Tags(rendered(generated_note="2025 年 6 月")).text)
    for wanted in (
        "demo-1",
        "ab" * 6,
        "cd" * 6,
        "ef" * 6,
        "0.1.0",
        "2019-01 至 2024-12",
        "标杆范围",
        "同地区、同级别",
        "2025 年 6 月",
    ):
        assert wanted in text


def test_synthetic_data_are_marked_on_screen_and_on_each_printed_page():
    page = rendered()
    assert f'<div class="banner" role="note">{SYNTHETIC_BANNER}</div>' in page
    assert f'@top-right {{ content: "{SYNTHETIC_BANNER}"' in page
    assert SYNTHETIC_BANNER not in rendered(synthetic=False)
    assert SYNTHETIC_BANNER in index()


@pytest.mark.parametrize("changed", [{"run": 'a"; } body {display:none'}, {"data_hash": "</style>"}, {"lock_hash": ""}])
def test_provenance_that_could_break_the_page_style_is_refused(changed):
    with pytest.raises(ContractBroken):
        samples.provenance(**changed)


def test_contents_appear_in_a_long_report_and_lead_to_its_chapters():
    tags = Tags(rendered())
    targets = [a["href"] for a in tags.named("a")]
    assert targets == ["#section-1", "#section-2", "#section-3", "#section-4"]
    assert {t[1:] for t in targets} <= {a.get("id") for a in tags.named("section")}


def test_a_report_without_title_block_gets_its_title_and_only_one():
    assert [
        a for a in Tags(html.render([Note(text="空")], title="题", provenance=samples.provenance())).named("h1")
    ] == [{}]
    assert len(Tags(rendered()).named("h1")) == 1
    assert "<h1>甲</h1>" in html.render([Title(text="甲")], title="乙", provenance=samples.provenance())


def test_an_empty_table_says_so():
    table = Table(id="t", caption="c", columns=[{"label": "a"}], rows=[])
    assert "（无记录）" in html.render([table], title="题", provenance=samples.provenance())


def _pages() -> str:
    return rendered() + index()


def test_two_processes_write_the_same_bytes():
    code = "import sys; from reporting.test_html import _pages; sys.stdout.buffer.write(_pages().encode())"
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[3])])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "11"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert found.stdout.decode() == _pages()


def test_the_index_lists_reports_failures_and_links():
    text = index()
    assert next(a["href"] for a in Tags(text).named("a")) == "region.html"
    assert {a["href"] for a in Tags(text).named("a")} == {"region.html", "a.html", "reports/b.html", "c.html", "d.html"}
    assert "收到 ≠ 纳入\n办法：&lt;b&gt;检查&lt;/b&gt;" in text
    assert "未完成的报告（1 份）" in text


def test_the_index_has_the_same_bytes_for_any_row_order():
    assert index(reports().iloc[::-1]) == index()


def test_cells_sort_by_what_they_mean():
    orders = re.findall(r'<td data-order="([^"]*)"[^>]*>(?:<a [^>]*>)?([^<]*)', index())
    found = {shown: order for order, shown in orders}
    assert (found["国家级"], found["省级"], found["市级"], found["县级"]) == ("0", "1", "2", "3")
    assert (found["改善"], found["变差"]) == ("0", "2")
    assert (found["1,200"], found["1.10"], found["例数不足"], found["—"]) == ("1200.0", "1.1", "", "")
    assert (found["合成第十医院"], found["合成第二医院"]) == ("合成第10医院", "合成第2医院")


@pytest.mark.parametrize(
    ("numeral", "number"), [("二", 2), ("十", 10), ("十二", 12), ("二十", 20), ("一百零三", 103), ("三百二十一", 321)]
)
def test_chinese_ordinals_are_read_as_numbers(numeral, number):
    assert site._arabic(f"第{numeral}医院") == f"第{number}医院"


@pytest.mark.parametrize(
    "path",
    ["http://x/a.html", "//x/a", "/etc/passwd", "../a.html", "a/../b.html", "javascript:alert(1)", "甲.html", ""],
)
def test_the_index_links_only_below_its_folder(path):
    with pytest.raises(ContractBroken, match="相对路径"):
        index(reports(href=[path, "b.html", "c.html", "d.html"]))


def test_filters_offer_values_with_counts_in_their_order():
    chosen = re.search(r'级别<select data-column="3">(.*?)</select>', index())
    assert chosen
    assert re.findall(r">([^<]+)</option>", chosen.group(1)) == [
        "全部",
        "国家级（1）",
        "省级（1）",
        "市级（1）",
        "县级（1）",
    ]
