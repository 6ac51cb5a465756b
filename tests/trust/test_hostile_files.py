"""No file stops the others, and no input ends in a traceback."""

import os
import resource
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
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
