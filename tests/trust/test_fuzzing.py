"""Anything in the place of manifests, format maps and data files: read, or one message; in bounded time and memory; no cell is told."""

import contextlib
import copy
import json
import resource
import shutil
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import rows, speceval, write
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).parents[1] / "security"))
from scanning import found

from toolkit.data.reading.formats import FormatMap, available, format_map
from toolkit.errors import EvaluationError
from toolkit.params import load_params
from toolkit.running.manifest import digest, sealed
from toolkit.running.publish import canonical
from toolkit.runs import pipeline
from toolkit.runs.verification import verify_run

SECONDS, MEGABYTES = 60, 1500  # of processor time for one example, of growth for all of a test
MARKS = {"name": "哨兵李四光", "identity": "110101199003074577", "mobile": "13900001111"}

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class OverTime(BaseException):
    """An example took more processor time than it may."""


@contextlib.contextmanager
def bounded():
    """Processor time, not the clock's: a busy machine is no fault."""

    def over(*_):
        raise OverTime

    before, grown = signal.signal(signal.SIGPROF, over), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown < MEGABYTES * 1024


def places(value, way=()):
    """Every way from the top of a document to something in it."""
    yield way
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*way, key))


@st.composite
def changed(draw, document):
    """The document with one to three things replaced, removed, added or doubled."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from([one for one in places(made) if one] or [()]))
        holder = made
        for key in way[:-1]:
            holder = holder[key]
        act = draw(st.sampled_from(["replace", "remove", "add", "nest"]))
        if not way:
            return draw(PLAIN)
        if act == "remove":
            del holder[way[-1]]
        elif act == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(PLAIN)
        elif act == "nest":
            holder[way[-1]] = [holder[way[-1]]]
        else:
            holder[way[-1]] = draw(PLAIN)
    return made


def more(examples):
    """A few examples with all other tests, many among the slow ones: the same test under two names."""
    return [pytest.param(1, id="few"), pytest.param(examples, id="many", marks=pytest.mark.slow(seconds=300))]


# --- manifests ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lone(made, tmp_path_factory):
    """A run's manifest, and a folder with it and its parameters only: what is missing is named, and nothing takes long."""
    folder = tmp_path_factory.mktemp("lone") / "r"
    (folder / "results").mkdir(parents=True)
    run = made / "reports" / "r"
    shutil.copy(run / "results" / "parameters.json", folder / "results")
    return folder, json.loads((run / "manifest.json").read_text("utf-8"))


def verified(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with bounded():
        try:
            told = "；".join(str(one) for one in verify_run(folder).differences)
        except EvaluationError as error:
            told = str(error)
    assert told


@pytest.mark.parametrize("factor", more(20))
def test_any_manifest_is_verified_or_refused(lone, factor):
    folder, genuine = lone

    @settings(max_examples=60 * factor)
    @given(st.data())
    def holds(data):
        made = data.draw(changed(genuine))
        verified(folder, json.dumps(made).encode("utf-8", "surrogatepass"))
        if isinstance(made, dict) and "identity" in made:  # the same with every hash made anew
            inner = {name: value for name, value in made.items() if name not in ("seal", "format", "key")}
            try:
                anew = sealed({**inner, "key": digest(canonical(made["identity"]))})
            except ValueError:  # nothing that a seal can be made over: infinite, or no text
                return
            verified(folder, anew)

    holds()


@pytest.mark.parametrize("factor", more(20))
def test_a_manifest_with_any_bytes_in_it_is_refused(lone, factor):
    folder, genuine = lone
    whole = json.dumps(genuine).encode()

    @settings(max_examples=30 * factor)
    @given(st.integers(0, len(whole)), st.integers(0, 40), st.binary(max_size=12))
    def holds(at, cut, bytes_):
        if whole[at : at + cut] != bytes_:
            verified(folder, whole[:at] + bytes_ + whole[at + cut :])

    holds()


# --- format maps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", more(20))
def test_any_format_map_is_read_or_refused(tmp_path, factor):
    maps = [YAML(typ="safe").load(path.read_text("utf-8")) for path in available().values()]

    @settings(max_examples=60 * factor)
    @given(st.data())
    def holds(data):
        made = data.draw(changed(data.draw(st.sampled_from(maps))))
        path = tmp_path / "map.yaml"
        path.write_text(json.dumps(made), encoding="utf-8")  # JSON is YAML
        with bounded():
            try:
                told = format_map(str(path))
            except EvaluationError as error:
                told = str(error)
        assert isinstance(told, FormatMap) or 0 < len(told) < 4000

    holds()


# --- files of data ------------------------------------------------------------------------------------------------------

PIECES = [
    b'"',
    b'""',
    b'"\n',
    b"\n",
    b"\r",
    b"\r\n",
    b",",
    b"\t",
    b";",
    b"|",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\x1a",
    b"\xff\xfe",
    b"\xc3",
    b"=",
    b"\\",
]


@st.composite
def mangled(draw):
    """A file of records with marks in three of its cells and anything between its bytes."""
    records = rows(12)
    for (column, mark), row in zip(
        zip(("department", "drg", "principal_diagnosis"), MARKS.values(), strict=True), records[2:], strict=False
    ):
        row[column] = mark
    lines = [",".join(records[0]), *(",".join(row.values()) for row in records)]
    text = "\n".join(lines)
    content = text.encode(draw(st.sampled_from(["utf-8", "gb18030", "utf-16", "utf-8-sig"])))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.sampled_from(PIECES)) * draw(st.sampled_from([1, 1, 1, 50])) + content[at:]
    if draw(st.booleans()):
        content = content[: draw(st.integers(0, len(content)))]
    return content


@pytest.mark.parametrize("factor", more(12))
def test_any_structure_of_csv_is_read_or_named_and_the_good_file_is_read(tmp_path, factor):
    @settings(max_examples=factor)
    @given(st.lists(mangled(), min_size=12, max_size=25))
    def holds(contents):
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        path = write(folder, [], data={"format": "canonical", "files": ["all"]}, projects=[])
        write(folder / "all", rows(40), name="good.csv")
        (folder / "all" / "p.yaml").unlink()
        for number, content in enumerate(contents):
            (folder / "all" / f"{number:03}.csv").write_bytes(content)
        with bounded():
            checked = pipeline.check(load_params(path), folder / "work", lists=folder / "lists")
        files = checked.intake.files.set_index("name")
        assert files.loc["good.csv", "rejected"] == ""
        assert set(files.index) >= {f"{number:03}.csv" for number in range(len(contents))}
        said = " ".join(files["rejected"].astype(str))
        assert not [mark for mark in MARKS.values() if mark in said]
        assert found(folder / "lists", MARKS) == []
        assert found(folder / "work", MARKS) == []

    holds()


@pytest.mark.parametrize("seed", range(2))
def test_no_command_ends_in_a_traceback_where_its_file_is_any_bytes(tmp_path, seed):
    path = write(tmp_path, rows(3))
    content = path.read_bytes()
    (tmp_path / "p.yaml").write_bytes(content[: 40 + 400 * seed] + bytes(range(256)) + content[700:])
    for command in ("run", "check"):
        done = speceval(command, "p.yaml", "-q", "--json", cwd=tmp_path)
        assert done.returncode not in (0, -signal.SIGSEGV)
        assert "Traceback" not in done.stdout + done.stderr
