"""Words in a picture come through the thinning of its SVG letter by letter."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from toolkit.reporting.figures import indicators as figures
from toolkit.reporting.figures.light_svg import light

from . import samples

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = """<?xml version="1.0"?>
<!DOCTYPE svg>
<svg xmlns="http://www.w3.org/2000/svg" width="10.25pt" height="5.25pt" viewBox="0 0 10.25 5.25" version="1.1">
 <g id="text_1">
  <text style="font-size: 8px; font-family: 'X'; fill: #000" x="1.23456" y="2">0.9512: a; b "c" url(#p1) font-family: 'X'; 1.04</text>
 </g>
 <g id="says-0">
  <g clip-path="url(#p1)">
   <use href="#m1" x="1" y="2"/>
   <use href="#m1" x="2" y="2"/>
  </g>
 </g>
</svg>
"""


def test_words_and_numbers_between_tags_stay_as_they_are():
    [text] = [e.text for e in ET.fromstring(light(DRAWN, "f", {})).iter(f"{SVG}text")]
    assert text == "0.9512: a; b \"c\" url(#p1) font-family: 'X'; 1.04"


def test_each_point_says_its_own_in_the_order_drawn_and_can_be_reached_by_the_keyboard():
    root = ET.fromstring(light(DRAWN, "f", {0: ["甲 <1>", "乙 & 2"]}))
    told = [
        (g.find(f"{SVG}title").text, g.find(f"{SVG}use").get("x")) for g in root.iter(f"{SVG}g") if g.get("tabindex")
    ]
    assert told == [("甲 <1>", "1"), ("乙 & 2", "2")]


def test_ids_of_two_pictures_in_one_page_differ():
    one, two = (light(DRAWN, id, {}) for id in ("one", "two"))
    assert 'clip-path="url(#one-' in one
    assert 'clip-path="url(#two-' in two


def test_a_missing_year_says_nothing_and_moves_no_title_to_another():
    frame = samples.years()
    frame.loc[(frame["series"] == "本专科") & (frame["period"] == 2021), ["value", "low", "high"]] = float("nan")
    drawn = figures.trend(frame, id="t", caption="c", y_label="y", unit="本专科")
    titles = [t.text for t in ET.fromstring(drawn.svg).iter(f"{SVG}title")]
    own = [t for t in titles if t.startswith("本专科")]
    assert [t.split(" ")[1] for t in own] == ["2019", "2020", "2022", "2023", "2024"]
    assert own[2].startswith("本专科 2022 年：1.13（")  # 1.1 + 0.01 × 3
