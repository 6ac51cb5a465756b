"""Files as they arrive: encodings, physical lines, archives. No engine."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from toolkit.data import files
from toolkit.data.files import find, open_source
from toolkit.errors import InputError


@pytest.fixture
def opened(tmp_path):
    def run(content: bytes, name: str = "合成.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        (tmp_path / "work").mkdir(exist_ok=True)
        return open_source(0, path, tmp_path / "work")

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
def test_an_accepted_encoding_gives_the_same_text(opened, content, encoding):
    source = opened(content)
    assert (source.rejected, source.encoding, source.received) == ("", encoding, 1)
    assert source.header in (["机构", "科别"], ["a", "b"])
    assert (
        source.readable.read_bytes().removeprefix(b"\xef\xbb\xbf")
        == content.removeprefix(b"\xef\xbb\xbf").decode(encoding).encode()
    )


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
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL"),
        ("a,b\n1,2\n".encode("utf-16"), "编码无法识别"),
        (b"a,b\n1,2\n3,\x00\n", "NUL 字符（约第 3 行）"),
        (TWICE, "乱码"),
        ("机构,科别\n合成\ufffd,二\n".encode(), "乱码"),
        ("机构,科别\n锟斤拷,二\n".encode("gb18030"), "乱码"),
        (b"", "空文件"),
        (b"a,b\n", "没有数据行"),
        (b"a,b\n\n \n", "没有数据行"),
        (b"a,b, A \n1,2,3\n", "列名重复：a"),
        (b'a,"b\nc",d\n1,2,3\n', "表头引号未闭合"),
        (b'\n\na,"b\n1,2\n', "表头引号未闭合"),
    ],
    ids=["broken bytes", "two encodings", "utf-16-le", "utf-16", "nul", "encoded twice", "replaced", "kun jin kao", "empty",
         "header only", "header and blanks", "header repeated", "header of two lines", "header unclosed"],
)  # fmt: skip
def test_an_unreadable_file_is_refused_with_the_reason(opened, content, reason):
    source = opened(content)
    assert reason in source.rejected
    assert source.sha256 == hashlib.sha256(content).hexdigest()


def test_mojibake_is_found_in_long_text_however_the_sample_is_cut(opened):
    # three bytes a character become one and a half; a sample cut anywhere ends inside one
    for extra in range(3):
        content = ("科别\n" + "x" * extra + "\n" + "甲乙丙丁\n" * 300_000).encode()
        assert "乱码" in opened(content.decode("gb18030").encode()).rejected


def test_replacement_characters_are_found_beyond_the_first_block(opened, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 64)
    assert "乱码" in opened(("科别\n" + "心血管病\n" * 50 + "锟斤拷\n").encode()).rejected


@pytest.mark.parametrize("block", [1, 5, 16, 8 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_counted_the_same_whatever_the_blocks(opened, monkeypatch, block, end):
    monkeypatch.setattr(files, "BLOCK", block)
    # line 3 blank, line 5 open quotation mark, line 6 spaces, line 8 has no end
    source = opened(end.join(["a,b", "1,2", "", "3,4", '5,"6', "  ", "7,8", "9,0"]).encode())
    assert source.rejected == ""
    assert source.lines_skipped == [3, 5, 6]
    assert source.unclosed == [5]
    assert source.received == 5  # lines 2, 4, 5, 7, 8
    assert source.readable.read_text().split() == ["a,b", "1,2", "3,4", "7,8", "9,0"]


@pytest.mark.parametrize("end", [",", ',""', ",\r", ',""\r'])
def test_an_empty_cell_too_many_is_noted_and_one_that_has_its_column_is_not(opened, end):
    source = opened(
        (
            "a,b\n1," + end.replace(",", "", 1) + "\n1,2" + end + '\n"x,y",' + end.replace(",", "", 1) + "\n3,4" + end
        ).encode()
    )
    assert source.unclosed == [3, 5]  # lines 2 and 4 end in an empty cell of column b
    assert source.received == 4


def test_spaces_are_blank_whether_or_not_another_line_is(opened):
    assert opened(b"a,b\n1,2\n   \n3,4\n").received == opened(b"a,b\n1,2\n   \n3,4\n\n").received == 2


def test_a_row_of_empty_cells_between_tabs_is_a_record(opened):
    assert opened(b"a\tb\n\t\n1\t2\n").received == 2


@pytest.mark.parametrize(
    ("first", "delimiter"), [("a,b;c,d", ","), ("a\tb", "\t"), ("a;b", ";"), ("a|b", "|"), ("a", ",")]
)
def test_delimiter_is_that_of_the_header(opened, first, delimiter):
    assert opened(f"{first}\n1\n".encode()).delimiter == delimiter


def test_mixed_line_ends_and_a_return_inside_a_line_are_mended_in_the_copy(opened):
    source = opened(b"a,b\r\n1,x\ry\n3,4\r\n")
    assert source.received == 2
    assert source.readable.read_bytes() == b"a,b\n1,x y\n3,4\n"


def test_a_sound_file_is_not_copied(opened):
    for content in (b"a,b\n1,2\n", b"a,b\r\n1,2\r\n", b"\xef\xbb\xbfa,b\n1,2"):
        source = opened(content)
        assert source.readable == source.path


def test_gz_is_the_same_file_as_its_text_in_any_case_of_the_name(opened):
    plain = opened(CHINESE.encode("gb18030"))
    for name in ("合成.csv.gz", "合成.CSV.GZ"):
        packed = opened(gzip.compress(CHINESE.encode("gb18030")), name)
        assert (packed.rejected, packed.received, packed.sha256) == ("", 1, plain.sha256)


@pytest.mark.parametrize("cut", ["truncated", "not gz", "spoiled"])
def test_a_broken_archive_is_refused_and_still_named_by_its_hash(opened, cut):
    whole = gzip.compress(("a,b\n" + "".join(f"{i},{i * i}\n" for i in range(5000))).encode())
    middle = len(whole) // 2
    content = {
        "truncated": whole[:middle],
        "not gz": b"a,b\n1,2\n",
        "spoiled": whole[:middle] + b"\xff" * 64 + whole[middle + 64 :],
    }[cut]
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


def test_files_of_a_folder_come_sorted_and_each_once(tmp_path):
    for name in ("b.csv", "a.CSV.GZ", "deep/c.xlsx", "d.parquet", "notes.docx", "~$x.tmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find([str(tmp_path), str(tmp_path / "b.csv")])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "a.CSV.GZ",
        "b.csv",
        "d.parquet",
        "deep/c.xlsx",
    ]


def test_a_folder_without_files_names_the_suffixes(tmp_path):
    with pytest.raises(InputError, match=r"\.csv\.gz .*\.parquet"):
        find([str(tmp_path)])
