"""Text whose columns stand in fixed places. 合成数据."""

from __future__ import annotations

import pytest
from doors import case, checked

FORM = """id: fixed
title: 合成定长文本
fixed_width:
  counted_in: {unit}
  header_lines: {above}
  columns: {{机构: "1-6", 病案号: "7-16", 次数: "17-18", 入院: "19-26", 出院: "27-34", 科别: "35-44", 诊断: "45-54", 结局: "55-60"}}
fields:
  hospital: {{column: 机构}}
  record: {{column: 病案号}}
  visit: {{column: 次数}}
  admission_date: {{column: 入院}}
  discharge_date: {{column: 出院}}
  department: {{column: 科别}}
  principal_diagnosis: {{column: 诊断}}
  died: {{column: 结局, "true": [死亡]}}
"""


def line(number, way="好转", encoding="gb18030", department="03.04"):
    """A line as a program of old writes it: every column filled with blanks to its width in bytes."""
    cells = (("0012", 6), (f"B{number:05}", 10), ("1", 2), ("20220301", 8), (f"202203{10 + number % 9}", 8))
    cells += ((department, 10), ("I21.900", 10), (way, 6))
    return b"".join(text.encode(encoding) + b" " * (width - len(text.encode(encoding))) for text, width in cells)


def test_columns_are_cut_by_the_bytes_of_the_files_own_encoding(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "f.yaml").write_text(FORM.format(unit="bytes", above=0), encoding="utf-8")
    rows = [line(n, "死亡" if n % 10 == 0 else "好转", department="心内" if n % 2 else "03.04") for n in range(40)]
    rows[5] = rows[5].rstrip()  # trailing blanks are often cut off
    (tmp_path / "in" / "a.txt").write_bytes(b"\r\n".join(rows) + b"\r\n\r\n")
    with checked(tmp_path / "in", format=str(tmp_path / "f.yaml")) as door:
        assert (door.received, door.hit("F05"), len(door.store)) == (40, 0, 40)
        assert door.store["died"].sum() == 4
        assert door.store["department"].value_counts().to_dict() == {"心内": 20, "03.04": 20}
        assert door.store.sort_values("line")["los_days"].tolist()[:3] == [9, 10, 11]


def test_a_line_too_long_or_cut_within_a_character_costs_itself(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "f.yaml").write_text(FORM.format(unit="bytes", above=1), encoding="utf-8")
    rows = [b"title of the export", *(line(n) for n in range(30))]
    rows[3] += b"123"
    rows[7] = rows[7][:34] + b"x" + "科".encode("gb18030") * 5 + rows[7][45:]  # the fifth lies across two columns
    (tmp_path / "in" / "a.txt").write_bytes(b"\n".join(rows))
    with checked(tmp_path / "in", format=str(tmp_path / "f.yaml"), quality={"ragged_share": 0.2}) as door:
        assert (door.received, door.hit("F05"), len(door.store)) == (30, 2, 28)
        assert sorted({4, 8} & set(door.store["line"])) == []


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1])
def test_beside_other_formats_it_takes_the_files_that_fit_its_places(tmp_path, order):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "f.yaml").write_text(FORM.format(unit="characters", above=0), encoding="utf-8")
    rows = [line(n).decode("gb18030") + "  " for n in range(20)]  # two characters take four bytes
    (folder / "a.txt").write_text("\n".join(rows), encoding="utf-8")
    (folder / "b.csv").write_bytes((case("02") / "data" / "ok.csv").read_bytes())
    groups = [
        {"format": "front-page", "files": [str(folder)]},
        {"format": str(tmp_path / "f.yaml"), "files": [str(folder)]},
    ]
    data = {"format": "", "files": [], "sources": groups[::-1] if order else groups}
    with checked(data=data) as door:
        assert door.files["received"].to_dict() == {"a.txt": 20, "b.csv": 60}
