"""What code a module is made of, on a small package of one's own."""

import pytest

from toolkit.running.closure import closure


@pytest.fixture
def package(tmp_path):
    root = tmp_path / "house"

    def write(path, text=""):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)

    write("__init__.py", "def all_of_it():\n    from house.pages import render\n")
    write("sums/__init__.py")
    write("sums/adding.py", "from house.base import one\n\ndef f():\n    from house.late import two\n")
    write(
        "base.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.pages import render\none = 1\n"
    )
    write("late.py", "two = 2\n")
    write("sums/rates.csv", "a,b\n")
    write("sums/tables/more.yaml", "a: 1\n")
    write("pages/__init__.py", "from .render import page\n")
    write("pages/render.py", "from ..sums import adding\npage = 1\n")
    write("pages/style.css", "p {}\n")
    write("templates/start.yaml", "a: 1\n")
    return root


def test_imports_at_any_remove_and_inside_functions_count_and_those_for_types_do_not(package):
    assert sorted(closure(["house.sums.adding"], package)) == [
        "__init__.py",
        "base.py",
        "late.py",
        "sums/__init__.py",
        "sums/adding.py",
        "sums/rates.csv",
        "sums/tables/more.yaml",
    ]


def test_a_byte_of_style_changes_what_imports_the_pages_and_nothing_else(package):
    before = {m: closure([m], package) for m in ("house.sums.adding", "house.pages")}
    (package / "pages" / "style.css").write_text("p { }\n")
    after = {m: closure([m], package) for m in before}
    assert after["house.sums.adding"] == before["house.sums.adding"]
    changed = {f for f in after["house.pages"] if after["house.pages"][f] != before["house.pages"].get(f)}
    assert changed == {"pages/style.css"}
    assert {"pages/render.py", "sums/adding.py"} <= set(after["house.pages"])


def test_a_module_that_is_none_is_told(package):
    with pytest.raises(ValueError, match=r"house\.sums\.odd"):
        closure(["house.sums.odd"], package)
