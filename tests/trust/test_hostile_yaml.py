"""A parameter file may be anything: one message, within a second and a few megabytes, and nothing of another file's content."""

import os
import resource
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import CASES, rows, write

from toolkit.errors import ParameterError
from toolkit.params import load_params
from toolkit.strict_yaml import read_yaml

MEMORY = 2 * 2**30


def refused(path):
    with pytest.raises(ParameterError) as caught:
        load_params(path)
    said = str(caught.value)
    assert len(said) < 4000
    return said


@pytest.mark.parametrize("name", ["selfref", "hugeint", "bomb", "complexkey", "deep"])
def test_a_crafted_file_gets_one_message_in_bounded_memory(name):
    program = "import sys; from toolkit.params import load_params; load_params(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", program, str(CASES / "yaml" / f"{name}.yaml")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "toolkit.errors.ParameterError" in done.stderr
    assert "MemoryError" not in done.stderr
    assert "RecursionError" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [ls]",
        "a: !mine x",
        "a: 1\na: 2",
        "{a: 1, a: 2}",
        "a: &x 1\nb: *y",
        "a: \t- 1",
        "? {a: 1}\n: 2",
        "a: \x00",
        "\x01\x02",
        "--- 1\n--- 2",
        "a: 1e99999",
        "- a\n- b",
        "7",
        "",
        "%YAML 9.9\n---\na: 1",
        "a: [1, 2",
        "[" * 5000,
        "a: " + "1" * 5000,
        "&a [*a, *a]",
    ],
)
def test_odd_yaml_gets_one_message(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_bytes(text.encode())
    refused(path)


def test_a_folder_a_pipe_bytes_and_a_huge_file_get_one_message(tmp_path):
    assert "文件夹" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    refused(tmp_path / "pipe.yaml")
    (tmp_path / "b.yaml").write_bytes(bytes(range(128, 256)))
    assert "UTF-8" in refused(tmp_path / "b.yaml")
    with (tmp_path / "huge.yaml").open("wb") as stream:
        stream.truncate(1 << 33)
    assert "大于" in refused(tmp_path / "huge.yaml")
    refused(tmp_path / "\udcd6\udcd0.yaml")


def test_a_data_file_given_as_parameters_shows_none_of_its_content(tmp_path):
    marks = ("哨兵", "110101199003074577", "13900001111")
    said = refused(CASES / "pat.csv")
    assert not any(mark in said for mark in marks)
    for text in (
        "哨兵张三: 110101199003074577\n哨兵李四: 13900001111\n",
        "- 哨兵张三\n- 110101199003074577\n",
        "哨兵张三: 1\n哨兵张三: 2\n",
        '"哨兵张三" x: [*哨兵李四]\n',
        "a: *哨兵李四\n",
        "a: !哨兵 x\n",
        "哨兵张三,110101199003074577: {13900001111\n",
    ):
        (tmp_path / "d.csv").write_text(text, encoding="utf-8")
        said = refused(tmp_path / "d.csv")
        assert not any(mark in said for mark in marks), text


def test_aliases_that_unfold_to_little_are_read(tmp_path):
    (tmp_path / "p.yaml").write_text("a: &x [1, 2]\nb: *x\n")
    assert read_yaml(tmp_path / "p.yaml")[0] == {"a": [1, 2], "b": [1, 2]}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.text(alphabet="ab:-[]{}&*!|>?'\"#%@`,\n \t0_.é中", max_size=60) | st.binary(max_size=60))
def test_any_text_or_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("f") / "p.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        load_params(path)
    except ParameterError:
        return
    raise AssertionError("such a file has no parameters of a run")


@settings(max_examples=60)
@given(
    key=st.sampled_from(["run", "title", "data", "cycles", "specialties", "projects", "change", "trimming", "quality"]),
    value=PLAIN,
)
def test_any_value_in_the_place_of_a_section_is_read_or_refused(tmp_path_factory, key, value):
    path = write(tmp_path_factory.mktemp("f"), rows(2), **{key: value})
    try:
        load_params(path)
    except ParameterError:
        return
