"""Files as they arrive: encodings, physical lines, archives, rows. No engine."""

from __future__ import annotations

import csv
import gzip
import hashlib
import hmac

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.data.reading import files, text_rows
from toolkit.data.reading.opening import find, open_source
from toolkit.errors import InputError


@pytest.fixture
def opened(tmp_path):
    def run(content: bytes, name: str = "合成.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        (tmp_path / "work").mkdir(exist_ok=True)
        return open_source(0, path, tmp_path / "work")

    return run


@pytest.fixture
def read(opened):
    """A file's rows as a frame (all columns, file, line) and the source after its last row was asked for."""

    def run(content: bytes, name: str = "合成.csv", key: bytes = b""):
        source = opened(content, name)
        frames = (
            [part.rows.to_pandas() for part in text_rows.parts([source], source.header, key=key)]
            if not source.rejected
            else []
        )
        return (pd.concat(frames) if frames else pd.DataFrame(columns=[*source.header, "file", "line"])), source

    return run


CHINESE = "机构,科别\n合成医院,心血管内科\n"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (CHINESE.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + CHINESE.encode(), "utf-8"),
        (CHINESE.encode("gb18030"), "gb18030"),
        ("机构,科别\n𠮷,二\n".encode("gb18030"), "gb18030"),  # neither gbk nor gb2312 has this character
        (b"a,b\n1,2\n", "utf-8"),
    ],
    ids=["utf-8", "bom", "gb18030", "four bytes", "ascii"],
)
def test_an_accepted_encoding_gives_the_same_text(read, content, encoding):
    rows, source = read(content)
    assert (source.rejected, source.encoding, source.received) == ("", encoding, 1)
    text = content.removeprefix(b"\xef\xbb\xbf").decode(encoding)
    assert [source.header, rows.iloc[0, :2].tolist()] == [line.split(",") for line in text.split()]
    assert rows["line"].tolist() == [2]


def test_utf8_that_is_also_valid_gb18030_is_read_as_utf8(opened):
    content = "科室\n协和医院\n".encode()
    assert content.decode("gb18030").endswith("鍗忓拰鍖婚櫌\n")  # the trap: no error
    assert opened(content).encoding == "utf-8"


TWICE = (
    "机构,科别\n合成医院,内科\n".encode().decode("gb18030").encode()
)  # two bytes a character: an even number of them


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"a,b\n1,2\n\xff\xfe\xff\n", "编码无法识别（约第 3 行）"),
        ("机构,科别\n合成医院,内科\n".encode() + "合成医院,内科\n".encode("gb18030"), "编码混杂"),
        ("a,b\n1,2\n".encode("utf-16") + b"\x00", "不是有效的 UTF-16"),
        (b"a,b\n1,2\n3,\x00\n", "NUL 字符（约第 3 行"),
        (TWICE, "乱码"),
        ("机构,科别\n合成\ufffd,二\n".encode(), "乱码"),
        ("机构,科别\n锟斤拷,二\n".encode("gb18030"), "乱码"),
        (b"", "空文件"),
        (b"a,b\n", "没有数据行"),
        (b"a,b\n\n \n", "没有数据行"),
    ],
    ids=[
        "broken bytes",
        "two encodings",
        "half a unit of utf-16",
        "nul",
        "encoded twice",
        "replaced",
        "kun jin kao",
        "empty",
        "header only",
        "header and blanks",
    ],
)
def test_an_unreadable_file_is_refused_with_the_reason(read, content, reason):
    _, source = read(content)
    assert reason in source.rejected
    assert source.sha256 == hashlib.sha256(content).hexdigest()


def test_mojibake_is_found_in_long_text_however_the_sample_is_cut(opened):
    # three bytes a character become one and a half; a sample cut anywhere ends inside one
    for extra in range(3):
        content = ("科别\n" + "x" * extra + "\n" + "甲乙丙丁\n" * 300_000).encode()
        assert "乱码" in opened(content.decode("gb18030").encode()).rejected


@pytest.mark.parametrize("word", ["锟斤拷", "\ufffd", "某医院".encode().decode("gb18030", "ignore")])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_mojibake_is_found_beyond_the_first_block_with_its_line(read, monkeypatch, word, encoding):
    monkeypatch.setattr(files, "BLOCK", 64)
    _, source = read(("科别\n" + "心血管病\n" * 50 + f"{word}\n").encode(encoding))
    assert "乱码" in source.rejected
    assert "约第 52 行" in source.rejected


def test_chinese_full_of_characters_like_those_of_mojibake_is_none(read):
    # 鍗, 鍖 and 涓 are characters too: Chinese of the rare kind must not be refused for one of them
    assert read("科别,备注\n内科,鍖姓患者 涓流\n外科,（，。）忽\n".encode())[1].rejected == ""


@pytest.mark.parametrize("block", [1, 5, 16, 8 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_the_same_whatever_the_blocks(read, monkeypatch, block, end):
    monkeypatch.setattr(files, "BLOCK", block)
    # line 3 blank, line 5 open quotation mark, line 6 spaces, line 8 has no end
    rows, source = read(end.join(["a,b", "1,2", "", "3,4", '5,"6', "  ", "7,8", "9,0"]).encode())
    assert source.rejected == ""
    assert (source.unclosed, source.blank) == ([5], 2)
    assert source.received == 5  # lines 2, 4, 5, 7, 8
    assert rows[["a", "b", "line"]].to_numpy().tolist() == [["1", "2", 2], ["3", "4", 4], ["7", "8", 7], ["9", "0", 8]]


@pytest.mark.parametrize("end", [",", ',""', ",\r", ',""\r'])
def test_an_empty_cell_too_many_is_noted_and_one_that_has_its_column_is_not(read, end):
    _, source = read(
        (
            "a,b\n1," + end.replace(",", "", 1) + "\n1,2" + end + '\n"x,y",' + end.replace(",", "", 1) + "\n3,4" + end
        ).encode()
    )
    assert source.unclosed == [3, 5]  # lines 2 and 4 end in an empty cell of column b
    assert source.received == 4


def test_a_refused_line_is_told_by_length_cells_and_a_keyed_digest_only(read):
    lines = ["a,b", "合成患者甲,1,2", "1,2", '合成患者乙,"1', "合成患者丙"]
    _, source = read("\n".join(lines).encode(), key=b"secret")
    assert [(one.line, one.characters, one.cells) for one in source.refused] == [(2, 9, 3), (4, 8, 0), (5, 5, 1)]
    assert source.refused[0].digest == hmac.new(b"secret", lines[1].encode(), "sha256").hexdigest()[:16]
    assert "合成患者" not in repr(source)


QUOTED = ['"x","y"', '"x, z","y ""q"""', 'x" z,y', '"x"z,y', 'x,"y"z', '"x","y', '"x,"",""","y"', ' "x",y', '"x" ,y']


@pytest.mark.parametrize("row", QUOTED)
def test_quotation_marks_are_read_as_a_strict_reader_does_or_refused(read, row):
    try:
        wanted = next(csv.reader([row], strict=True))
    except csv.Error:
        wanted = []
    rows, source = read(f"a,b\n1,2\n{row}\n3,4\n".encode())
    if len(wanted) == 2:
        held = rows[["a", "b"]].fillna("")  # an empty cell is missing
        assert held.to_numpy().tolist() == [["1", "2"], [cell.strip() for cell in wanted], ["3", "4"]]
    else:
        assert source.unclosed == [3]
        assert rows["line"].tolist() == [2, 4]
    assert source.received == 3


@given(st.lists(st.sampled_from(['"', '""', ",", "x", "协", " ", '","', "\r"]), max_size=12).map("".join))
def test_whatever_a_line_holds_it_is_a_row_or_counted_and_its_neighbours_stand(tmp_path_factory, row):
    path = tmp_path_factory.mktemp("line") / "a.csv"
    path.write_bytes(f"a,b\n1,2\n{row}\n3,4\n".encode())
    source = open_source(0, path, path.parent)
    rows = pd.concat([part.rows.to_pandas() for part in text_rows.parts([source], ["a", "b"])])
    assert (len(rows) + len(source.refused), source.received + source.blank) == (source.received, 3)
    assert rows.iloc[[0, -1]][["a", "b", "line"]].to_numpy().tolist() == [["1", "2", 2], ["3", "4", 4]]


def test_a_row_longer_than_the_parsers_block_is_read(read):
    rows, source = read(f"a,b\n{'x' * (3 << 20)},2\n3,4\n".encode())
    assert source.received == 2
    assert rows["a"].str.len().tolist() == [3 << 20, 1]


def test_parts_of_many_files_hold_every_row_once_in_order(opened, monkeypatch):
    monkeypatch.setattr(text_rows, "PART_BYTES", 200)
    monkeypatch.setattr(files, "BLOCK", 50)
    sources = []
    for number in range(3):
        source = opened(("a,b\n" + "".join(f"{number},{i}\n" for i in range(40))).encode(), f"{number}.csv")
        source.number = number
        sources.append(source)
    parts = [part.rows.to_pandas() for part in text_rows.parts(sources, ["b", "a"])]
    assert len(parts) > 3
    rows = pd.concat(parts)
    assert rows[["a", "b"]].to_numpy().tolist() == [[str(n), str(i)] for n in range(3) for i in range(40)]
    assert rows[["file", "line"]].to_numpy().tolist() == [[n, i + 2] for n in range(3) for i in range(40)]


@pytest.mark.parametrize("end", ["\n", "\n\n"])  # a blank line sends the block the slow way
def test_cells_come_without_blanks_and_missing_where_they_hold_nothing(read, end):
    content = end.join(["a,b,c", ' x ,-,"-"', " - ,, y", '" ",NA,"\tz z "', "甲 ,null,-1"]) + end
    rows, _ = read(content.encode())
    assert [[v if isinstance(v, str) else None for v in row] for row in rows[["a", "b", "c"]].to_numpy()] == [
        ["x", None, None],
        [None, None, "y"],
        [None, "NA", "z z"],
        ["甲", "null", "-1"],
    ]


def test_spaces_are_blank_whether_or_not_another_line_is(read):
    for content in (b"a,b\n1,2\n   \n3,4\n", b"a,b\n1,2\n   \n3,4\n\n", b"a\n1\n  \n2\n"):
        assert read(content)[1].received == 2


@pytest.mark.parametrize("empty", [b",", b" , ", b'"",""', b"\t,\t"])
def test_a_row_of_empty_cells_is_a_blank_line_and_no_record(read, empty):
    rows, source = read(b"a,b\n1,2\n" + empty + b"\n3,4\n" + empty + b"\n")
    assert (source.received, source.blank, rows["line"].tolist()) == (2, 2, [2, 4])


@pytest.mark.parametrize(
    ("first", "delimiter"), [("a,b;c,d", ","), ("a\tb", "\t"), ("a;b", ";"), ("a|b", "|"), ("a", ",")]
)
def test_delimiter_is_that_of_the_header(opened, first, delimiter):
    assert opened(f"{first}\n1\n".encode()).delimiter == delimiter


def test_mixed_line_ends_and_a_return_inside_a_line_break_nothing(read):
    rows, source = read(b"a,b\r\n1,x\ry\n3,4\r\n")
    assert source.received == 2
    assert rows[["a", "b", "line"]].to_numpy().tolist() == [["1", "x y", 2], ["3", "4", 3]]


def test_no_copy_of_a_file_is_written(read, tmp_path):
    for content in (b"a,b\n1,2\n", CHINESE.encode("gb18030"), b"\xef\xbb\xbfa,b\r\n\r\n1,2\n"):
        read(content)
        assert sorted(p.name for p in tmp_path.rglob("*")) == ["work", "合成.csv"]


def test_gz_is_the_same_file_as_its_text_in_any_case_of_the_name(read):
    _, plain = read(CHINESE.encode("gb18030"))
    for name in ("合成.csv.gz", "合成.CSV.GZ"):
        rows, packed = read(gzip.compress(CHINESE.encode("gb18030")), name)
        assert (packed.rejected, packed.received, packed.content) == ("", 1, plain.content)
        assert packed.sha256 == hashlib.sha256(packed.path.read_bytes()).hexdigest()
        assert rows["科别"].tolist() == ["心血管内科"]


@pytest.mark.parametrize("cut", ["truncated", "spoiled"])
def test_a_broken_archive_is_refused_and_still_named_by_its_hash(opened, cut):
    whole = gzip.compress(("a,b\n" + "".join(f"{i},{i * i}\n" for i in range(5000))).encode())
    middle = len(whole) // 2
    content = {"truncated": whole[:middle], "spoiled": whole[:middle] + b"\xff" * 64 + whole[middle + 64 :]}[cut]
    source = opened(content, "合成.csv.gz")
    assert "压缩文件损坏" in source.rejected
    assert source.sha256 == hashlib.sha256(content).hexdigest()


def test_a_compression_bomb_is_refused_before_it_is_unpacked(opened, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 1 << 20)
    monkeypatch.setattr(files, "RATIO", 4)
    content = gzip.compress(b"a,b\n" + b"1,2\n" * (2 << 20))  # 8 MB from some kB; up to 4 MB are taken as harmless
    assert "4 倍" in opened(content, "合成.csv.gz").rejected


def test_a_line_without_end_is_refused(opened, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 1 << 10)
    monkeypatch.setattr(files, "LINE_BYTES", 1 << 14)
    assert "一行超过" in opened(b"a,b\n" + b"x" * (1 << 15)).rejected


def test_all_files_of_a_folder_are_found_sorted_and_each_once(tmp_path):
    for name in ("b.csv", "a.CSV.GZ", "deep/c.xlsx", "d.parquet", "notes.docx", "~$x.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find([str(tmp_path), str(tmp_path / "b.csv")])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.CSV.GZ",
        "b.csv",
        "d.parquet",
        "deep/c.xlsx",
        "notes.docx",
        "~$x.tmp",
    ]


@pytest.mark.parametrize("name", ["", "nowhere", "a.csv"])
def test_an_empty_folder_and_a_missing_file_are_errors_with_a_remedy(tmp_path, name):
    with pytest.raises(InputError, match="办法"):
        find([str(tmp_path / name)])
