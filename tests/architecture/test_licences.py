"""Every package that users get has a licence that may be handed on with the toolkit, and a row in docs/licences.md.

`python tests/architecture/test_licences.py` writes the page anew.
"""

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "licences.md"
# words of licences that allow use, change and handing on without conditions for what stands beside them; LGPL: for an
# unmodified library that is imported, as docxtpl is
ALLOWED = re.compile(
    r"BSD|MIT|Apache|ISC|Python Software Foundation|PSF|MPL|Mozilla Public License|0BSD|Zlib|CC0|SIL Open Font|OFL|Unlicense|LGPL"
)
REFUSED = re.compile(r"(?<![L])GPL|AGPL|SSPL|BUSL|Commons Clause|Proprietary|NonCommercial", re.IGNORECASE)
HEAD = """# 许可 Licences

Packages of `requirements.lock`, as their own metadata say. Written by `python tests/architecture/test_licences.py`; held by a test
against an allow list. Packages that only other systems need are listed without a licence where they are not installed.

| package | licence |
|---|---|
"""


def locked():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock, re.MULTILINE)
    return sorted({re.sub(r"[-_.]+", "-", name).lower() for name in found})


def licence(name):
    """As an SPDX expression, else by classifiers, else by the first line of the old field; None where it is not installed."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    classifiers = [c.split("::")[-1].strip() for c in said.get_all("Classifier") or [] if c.startswith("License")]
    first_line = (said.get("License") or "").strip().split("\n")[0][:60]
    return said.get("License-Expression") or "; ".join(classifiers) or first_line


def page():
    return HEAD + "".join(f"| {name} | {licence(name) or '—'} |\n" for name in locked())


@pytest.mark.parametrize("name", [name for name in locked() if licence(name) is not None])
def test_a_locked_package_has_an_allowed_licence(name):
    said = licence(name)
    assert ALLOWED.search(said), said
    assert not REFUSED.search(said), said


def test_the_page_lists_every_locked_package_with_its_licence():
    rows = dict(re.findall(r"^\| ([\w.-]+) \| (.+) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    rows.pop("package", None)
    assert set(rows) == set(locked())
    # another version may say the same in other words: what is asked is that the page's words are allowed, too
    assert all(one == "—" or ALLOWED.search(one) for one in rows.values())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
