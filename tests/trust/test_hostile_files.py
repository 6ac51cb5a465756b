"""No file stops the others, and no input ends in a traceback."""

import gzip
import io
import os
import resource
import shutil
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from regions import CASES, rows, speceval, write

from toolkit.documents import readable
from toolkit.errors import ContractBroken, EvaluationError, unforeseen
from toolkit.params import load_params
from toolkit.runs import pipeline


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A good file among a name in GBK bytes, damaged and bomb-like Parquet, and files that are nothing."""
    folder = tmp_path_factory.mktemp("files")
    path = write(folder, [], run="files", data={"format": "canonical", "files": ["all"]})
    write(folder / "all", rows(60))
    (folder / "all" / "p.yaml").unlink()
    (folder / "all" / "a.csv").rename(folder / "all" / os.fsdecode("中文.csv".encode("gbk")))
    shutil.copy(CASES / "data_corrupt.parquet", folder / "all")
    count = 30_000_000
    one = pa.DictionaryArray.from_arrays(pa.nulls(count, pa.int8()).fill_null(0), pa.array(["0001"]))
    pq.write_table(pa.table({"hospital": one}), folder / "all" / "bomb.parquet", compression="zstd")
    (folder / "all" / "cut.parquet").write_bytes(b"PAR1" + bytes(40) + b"PAR1")
    (folder / "all" / "zeros.csv").write_bytes(bytes(4096))
    (folder / "all" / "dots.zip").write_bytes(b"PK\x03\x04" + b"\xff" * 300)
    return pipeline.check(load_params(path), folder / "work")


def test_the_good_file_is_read_and_each_of_the_others_named_with_its_reason(checked):
    files = checked.intake.files.set_index("name")
    assert files.loc["中文.csv", "rejected"] == ""
    assert checked.intake.accounts["n"].sum() == 60
    refused = files[files["rejected"] != ""]
    assert set(refused.index) == {"data_corrupt.parquet", "bomb.parquet", "cut.parquet", "zeros.csv", "dots.zip"}
    assert "30,000,000 行" in refused.loc["bomb.parquet", "rejected"]


def test_a_name_of_any_bytes_becomes_text():
    assert readable("a.csv") == "a.csv"
    assert readable(os.fsdecode("中文".encode("gbk"))) == "中文"
    readable(os.fsdecode(bytes([0xFF, 0x80, 0x31]))).encode()


def test_what_the_system_lacks_is_named_and_no_value_told():
    assert "ulimit" in str(unforeseen(OSError(24, "Too many open files")))
    assert "内存" in str(unforeseen(MemoryError()))
    wrapped = RuntimeError("哨兵张三")
    wrapped.__cause__ = OSError(28, "No space left on device")
    assert "磁盘" in str(unforeseen(wrapped))
    said = unforeseen(ValueError("哨兵张三 110101199003074577"))
    assert isinstance(said, ContractBroken)
    assert "哨兵" not in str(said)
    assert isinstance(said, EvaluationError)


def test_few_files_or_little_memory_end_in_a_message(tmp_path):
    write(tmp_path, rows(60))
    for limit, value in ((resource.RLIMIT_NOFILE, 14), (resource.RLIMIT_AS, 500 << 20)):
        done = speceval(
            *("check", "p.yaml", "-q"),
            cwd=tmp_path,
            preexec_fn=lambda limit=limit, value=value: resource.setrlimit(limit, (value, value)),
        )
        assert done.returncode == 0 or done.stderr.startswith("错误 error: "), done.stderr[-500:]
        assert "Traceback" not in done.stderr


def test_a_data_folder_that_vanishes_is_told_in_one_message(tmp_path):
    path = write(tmp_path / "in", rows(60))
    params = load_params(path)
    shutil.rmtree(tmp_path / "in")
    with pytest.raises(EvaluationError, match="没有这个文件"):
        pipeline.check(params, tmp_path / "work")


def packed(folder, how):
    """A file of 40,000 records in one of the ways in which it must be unpacked beside."""
    write(folder, rows(40_000))
    text = (folder / "a.csv").read_bytes()
    if how == "zip":
        with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
    elif how == "zip.gz":
        inside = io.BytesIO()
        with zipfile.ZipFile(inside, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
        (folder / "a.zip.gz").write_bytes(gzip.compress(inside.getvalue()))
    else:
        sheet = xlsxwriter.Workbook(folder / "a.xlsx", {"constant_memory": True})
        table = sheet.add_worksheet()
        for n, line in enumerate(text.decode().splitlines()):
            table.write_row(n, 0, line.split(","))
        sheet.close()
    (folder / "a.csv").unlink()
    write(folder, rows(600), name="b.csv", data={"format": "canonical", "files": [f"a.{how}", "b.csv"]})


@pytest.mark.parametrize("how", ["zip", "zip.gz", "xlsx"])
def test_a_disk_that_fills_while_a_file_is_unpacked_is_not_called_a_damaged_file(how, tmp_path):
    """The file is whole: leaving its records out, and passing the check, would be a loss with a false reason."""
    packed(tmp_path, how)

    def little_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))

    done = speceval("check", "p.yaml", cwd=tmp_path, preexec_fn=little_disk)
    assert done.returncode != 0
    assert "错误 error: 磁盘空间不足" in done.stderr, done.stderr[-500:]
    assert "损坏" not in done.stdout + done.stderr
    assert "检查通过" not in done.stdout
    done = speceval("check", "p.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-500:]
    assert "40,600" in done.stdout


def test_a_damaged_member_stands_aside_for_the_others(tmp_path):
    write(tmp_path, rows(600))
    whole = (tmp_path / "a.csv").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.csv", whole)
        archive.writestr("bad.csv", whole.replace(b"R0", b"S0"))
    raw = bytearray((tmp_path / "a.zip").read_bytes())
    at = raw.rindex(b"S0000001")
    raw[at] ^= 0xFF  # its checksum no longer fits
    (tmp_path / "a.zip").write_bytes(bytes(raw))
    write(tmp_path, rows(1), data={"format": "canonical", "files": ["a.zip"]})
    done = speceval("check", "p.yaml", cwd=tmp_path)
    assert "a.zip › bad.csv: 压缩包内的文件损坏" in done.stdout
    assert "received 600" in done.stdout
