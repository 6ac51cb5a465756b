"""One bad line costs that line; a file is refused only where its lines cannot be told apart. 合成数据."""

from __future__ import annotations

import pytest
from doors import case, checked

GOOD = (case("02") / "data" / "ok.csv").read_text(encoding="utf-8").splitlines()


def test_line_breaks_inside_quotation_marks_are_read():
    with checked(case("13") / "data") as door:
        assert (door.received, door.files["rejected"].tolist(), door.hit("F05")) == (3000, [""], 0)


@pytest.mark.slow
@pytest.mark.parametrize("block", [100, 257, 1000])
def test_a_record_of_several_lines_is_whole_however_the_file_is_cut(tmp_path, monkeypatch, block):
    from toolkit.data.reading import files

    monkeypatch.setattr(files, "BLOCK", block)
    lines = [line.replace("合成诊断", '"合成\n诊断，\n\n三行"') if n % 7 == 3 else line for n, line in enumerate(GOOD)]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with checked(tmp_path) as door:
        assert (door.received, door.hit("F05")) == (60, 0)
        # each under the number of its first line
        wanted = [n + 1 + 3 * sum(1 for before in range(1, n) if before % 7 == 3) for n in range(1, 61)]
        assert sorted({*door.store["line"], *door.fates["line"]}) == wanted


def test_a_line_break_that_nobody_quoted_costs_its_record_once(tmp_path):
    cells = GOOD[5].split(",")
    broken = ",".join([*cells[:9], cells[9][:2]]) + "\n" + ",".join([cells[9][2:], *cells[10:]])
    (tmp_path / "a.csv").write_text("\n".join([*GOOD[:5], broken, *GOOD[6:]]) + "\n", encoding="utf-8")
    with checked(tmp_path) as door:
        assert (door.received, door.hit("F05"), door.files["rejected"].tolist()) == (60, 1, [""])


@pytest.mark.slow
@pytest.mark.parametrize(
    "footer",
    ["合计,,,,,,,,,123456.78\n", "制表人：样例\n打印时间：2024-01-01\n", ",,,,\n", "\n\n", "共 60 条\n"],
    ids=["sum", "two words", "cells too few", "empty lines", "count"],
)
def test_what_stands_below_the_records_costs_itself_at_most(tmp_path, footer):
    (tmp_path / "a.csv").write_text("\n".join(GOOD) + "\n" + footer, encoding="utf-8")
    with checked(tmp_path) as door:
        assert door.files["rejected"].tolist() == [""]
        assert door.received - door.hit("F05") == 60


def test_a_file_of_which_most_lines_are_no_records_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("\n".join([GOOD[0], *(f"{line},x" for line in GOOD[1:])]), encoding="utf-8")
    (tmp_path / "b.csv").write_text("\n".join(GOOD), encoding="utf-8")
    with checked(tmp_path) as door:
        assert "F05" in door.files.loc["a.csv", "rejected"]


@pytest.mark.slow
@pytest.mark.parametrize("used", [False, True])
def test_a_repeated_column_does_harm_only_where_the_map_uses_it(tmp_path, used):
    name = "A48" if used else "备注"
    lines = [f"{GOOD[0]},{name},{name}", *(f"{line},1,2" for line in GOOD[1:])]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b.csv").write_text("\n".join(GOOD), encoding="utf-8")
    with checked(tmp_path) as door:
        assert door.files.loc["a.csv", "status"] == ("refused" if used else "read")
        assert ("A48" in door.files.loc["a.csv", "rejected"]) == used
