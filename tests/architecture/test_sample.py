"""The sample that a visitor sees before installing: small, synthetic, of the released edition, and said to be so on every file."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "reports/sample"
LINK = re.compile(r"\]\((sample/[^)]+)\)")


def test_it_is_small():
    assert 0 < sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) <= 1_000_000


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.html")), ids=lambda p: p.parent.name + "-" + p.stem)
def test_every_page_says_that_it_is_synthetic_and_released(path):
    page = path.read_text("utf-8")
    assert "合成数据，仅供演示，不得用于评价" in page
    assert "发布版" in page
    assert "内部评估版 ·" not in page


@pytest.mark.parametrize("path", sorted(SAMPLE.rglob("*.docx")), ids=lambda p: p.parent.name)
def test_every_word_file_says_so_too(path):
    with zipfile.ZipFile(path) as files:
        heads = "".join(files.read(n).decode() for n in files.namelist() if n.startswith("word/header"))
    assert "合成数据" in heads
    assert "发布版" in heads


def test_what_the_readme_links_is_there():
    links = LINK.findall((SAMPLE.parent / "README.md").read_text("utf-8"))
    assert len(links) >= 6
    assert not [link for link in links if not (SAMPLE.parent / link).exists()]
