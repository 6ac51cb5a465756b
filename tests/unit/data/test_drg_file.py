"""DRGs from a file of their own: each joins its stay, and what cannot be joined is told with its place."""

from __future__ import annotations

import pandas as pd
import pytest
from small_files import HEADER, MAP, frame_bytes, line, row, take, text

from toolkit.errors import InputError


def with_drgs(folder, content: bytes, records: list[dict[str, str]], name: str = "drg.csv", **spec):
    (folder / name).write_bytes(content)
    body = text(*[",".join(r[n] for n in HEADER) for r in records]).encode()
    names = {"hospital": "H", "record": "R", "visit": "V", "drg": "GROUP", **spec}
    return take(folder, {"a.csv": body}, data={"drg_file": {"file": str(folder / name), **names}})


STAYS = [row(R="1"), row(R="2"), row(R="3"), row(R="3", V="2", IN="2022-04-01", OUT="2022-04-06"), row(R="1", H="0013")]


def test_drgs_are_joined_by_hospital_record_and_visit(tmp_path):
    table = "H,R,V,GROUP\n0012,1,1,GA11\n0012, 3 ,2,GC11\n0013,1,1,GD11\n0012,77,1,GX11\n0012,2,1,-\n0012,1,1,GA11\n"
    taken = with_drgs(tmp_path, table.encode("gb18030"), STAYS)
    # stay 2 has an empty DRG, visit 1 of stay 3 no key; 77 is nobody; a repeated line says nothing new
    assert taken.of("a.csv")["drg"].fillna("").tolist() == ["GA11", "", "", "GC11", "GD11"]
    assert taken.files.loc["a.csv", "received"] == 5


def test_the_drg_file_may_be_parquet(tmp_path):
    table = pd.DataFrame({"H": ["0012"], "R": ["1"], "V": [1.0], "GROUP": ["GA11"]})
    assert (
        with_drgs(tmp_path, frame_bytes(table), STAYS, "drg.parquet", least_share=0)
        .of("a.csv")["drg"]
        .fillna("")
        .tolist()[0]
        == "GA11"
    )


def test_a_record_number_used_again_is_told_apart_by_the_day(tmp_path):
    table = (
        "H,R,V,DAY,GROUP\n0012,1,1,2022/3/6 10:00:00,GA11\n0012,1,1,2021-03-06,GB11\n"  # written as another system does
    )
    taken = with_drgs(tmp_path, table.encode(), [row(R="1")], discharge="DAY")
    assert taken.of("a.csv")["drg"].tolist() == ["GA11"]


def test_a_format_without_record_numbers_cannot_be_joined(tmp_path):
    yaml = "\n".join(each for each in MAP.splitlines() if "record:" not in each)
    (tmp_path / "drg.csv").write_text("H,R,V,GROUP\n0012,1,1,GA11\n")
    spec = {"file": str(tmp_path / "drg.csv"), "hospital": "H", "record": "R", "visit": "V", "drg": "GROUP"}
    with pytest.raises(InputError, match="格式没有字段 record"):
        take(tmp_path, {"a.csv": text(line()).encode()}, yaml=yaml, data={"drg_file": spec})


@pytest.mark.parametrize(
    ("table", "spec", "says"),
    [
        ("H,R,V,GROUP\n0012,1,1,GA11\n0012,1,1,GB11\n", {}, "1 次住院对应多个 DRG"),
        ("H,R,V,DRG\n0012,1,1,GA11\n", {}, "缺少列 GROUP"),
        ("H,V,GROUP\n0012,1,GA11\n", {}, "缺少列 R"),
        ("H,R,V,GROUP\n0012,1,1,GA11\n", {"discharge": "DAY"}, "缺少列 DAY"),
        ("H,R,V,GROUP\n0012,1,1,GA11\n0012,2\n", {}, "drg.csv:3"),
        ('H,R,V,GROUP\n0012,1,1,"GA11\n', {}, "drg.csv:2"),
        ("", {}, "空文件"),
    ],
    ids=["contradiction", "no drg column", "no record column", "no day column", "ragged", "unclosed", "empty"],
)
def test_a_faulty_drg_file_stops_the_run_with_its_place(tmp_path, table, spec, says):
    with pytest.raises(InputError, match=says):
        with_drgs(tmp_path, table.encode(), STAYS, **spec)
