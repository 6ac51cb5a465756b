"""Was this report made from that data? Hashes computed anew against a run's manifest, differences named one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import pandas as pd

from toolkit.declared import Word
from toolkit.documents import Document, Entries, Plain
from toolkit.errors import InputError, RunError
from toolkit.params import RunParams
from toolkit.running.manifest import code_files, read_manifest, software
from toolkit.running.manifest import verify as verify_report
from toolkit.running.notebook import file_hash
from toolkit.running.publish import MANIFEST, State, read_state
from toolkit.runs.evaluated import read_evaluation, table_hashes
from toolkit.runs.run_manifest import INDEX, read_record, read_run_manifest
from toolkit.runs.sources import other_inputs, places, portable, raw_files
from toolkit.runs.stage import EVALUATION, STAGES, files_of, read_seal

PARAMETERS = "results/parameters.json"
ABSENT = "—"
FILLED_IN = ("specialties", "projects", "price_index")  # a synthetic region brings its own where none are declared


class Kind(Word):
    """What of a run is not as its manifest says."""

    REPORT = "report", "报告"
    RUN = "run", "运行"
    MANIFEST = "manifest", "清单"
    PARAMETER = "parameter", "参数"
    TABLE = "table", "结果表"
    STAGE = "stage", "中间结果"
    PAGE = "page", "页面"
    RAW_FILE = "raw_file", "原始文件"
    INPUT = "input", "输入"
    CODE = "code", "程序文件"
    PACKAGE = "package", "软件包"
    LOCK_FILE = "lock_file", "锁定文件"


# what a run is handed on for: where any of it differs, it is not
CONTENT = frozenset({Kind.RUN, Kind.TABLE, Kind.REPORT, Kind.PAGE, Kind.PARAMETER, Kind.MANIFEST})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as the manifest says. `expected` and `found` are hashes, values of parameters, versions."""

    kind: Kind
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.kind.zh} {self.where}：应为 {self.expected}，现为 {self.found}"
            f"（{self.kind.replace('_', ' ')} {self.where}: expected {self.expected}, found {self.found}）"
        )

    def as_dict(self) -> dict[str, str]:
        return {**asdict(self), "kind": self.kind.value, "kind_zh": self.kind.zh}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a verification found: differences in the order of checking, and what could not be checked."""

    differences: tuple[Difference, ...]
    unchecked: tuple[str, ...]
    files: int


def verify_run(folder: Path, params: RunParams | None = None) -> Checked:
    """Recompute every hash of a run.

    Parameters
    ----------
    folder
        Of a run, or of a single report.
    params
        The parameters to hold the run against, with the places of the raw files. Without them the run's own are held
        against its manifest, and raw files are looked for where the run found them.

    Raises
    ------
    RunError
        Neither a run nor a report lies there.
    """
    if not folder.is_dir():
        raise RunError(
            f"没有文件夹 {folder.name}",
            "no such folder",
            where=str(folder),
            remedy="给出 reports/ 下的运行文件夹",
            remedy_english="name a run's folder under reports/",
        )
    manifest = read_run_manifest(folder)
    if manifest is None and read_manifest(folder) is not None:
        told = tuple(_difference(Kind.REPORT, line, "一致 same", "不同 differs") for line in verify_report(folder))
        return Checked(differences=told, unchecked=("原始数据 raw files",), files=len(list(folder.iterdir())))
    if manifest is None:
        return Checked(differences=(_no_manifest(folder),), unchecked=(), files=0)
    unchecked: list[str] = []
    found = [
        *_parameters(folder, manifest, params),
        *_tables(folder, manifest),
        *_stages(folder),
        *_reports(folder, manifest),
        *_raw(folder, manifest, params, unchecked),
        *_software(manifest),
    ]
    count = (
        len(manifest["tables"]) + len(manifest["pages"]) + sum(len(r["files"]) for r in manifest["reports"].values())
    )
    return Checked(differences=tuple(found), unchecked=tuple(unchecked), files=count)


def _difference(kind: Kind, where: str, expected: Plain, found: Plain) -> Difference:
    def short(value: Plain) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)

    return Difference(kind=kind, where=where, expected=short(expected), found=short(found))


def _no_manifest(folder: Path) -> Difference:
    state = read_state(folder)
    if state.get("state") in {State.PREPARED, State.RUNNING, State.FAILED}:
        why = f"{state['state']} {state.get('reason', '')}".strip()
        return _difference(Kind.RUN, folder.name, State.DONE, why)
    there = "被改动 changed" if (folder / MANIFEST).exists() else "缺失 missing"
    return _difference(Kind.MANIFEST, MANIFEST, "完整 whole", there)


def _file(kind: Kind, folder: Path, name: str, expected: str) -> Iterator[Difference]:
    path = folder / name
    if not path.is_file():
        yield _difference(kind, name, expected, "缺失 missing")
    elif (now := file_hash(path)) != expected:
        yield _difference(kind, name, expected, now)


def _parameters(folder: Path, manifest: Entries, params: RunParams | None) -> Iterator[Difference]:
    """The first parameter that differs, by name: a hash would not say which."""
    recorded = manifest["identity"]["parameters"]
    try:
        given: Document = json.loads((folder / PARAMETERS).read_text("utf-8"))
    except (OSError, ValueError):
        return  # told with the tables
    yield from _values("", recorded, {k: v for k, v in given.items() if k in recorded})
    if params is not None:
        asked = portable(params).model_dump(mode="json")
        released = manifest["identity"]["edition"] == "release"
        filled_in = {name for name in FILLED_IN if asked["data"]["synthetic"] and not asked[name]}
        skipped = filled_in | ({"notes"} if released else set())  # the release edition begins with a note of its own
        yield from _values("", recorded, {k: v for k, v in asked.items() if k in recorded and k not in skipped})


def _values(name: str, expected: Plain, found: Plain) -> Iterator[Difference]:
    if isinstance(expected, dict) and isinstance(found, dict):
        keys = found if not name else {**expected, **found}
        for key in keys:
            yield from _values(f"{name}.{key}".strip("."), expected.get(key, ABSENT), found.get(key, ABSENT))
    elif expected != found:
        yield _difference(Kind.PARAMETER, name, expected, found)


def _tables(folder: Path, manifest: Entries) -> Iterator[Difference]:
    present, evaluation = table_hashes(folder), read_evaluation(folder)
    of_run = {**(evaluation or {"tables": {}})["tables"], **manifest["tables"]}
    for name, expected in sorted(of_run.items(), reverse=True):  # tables before records
        if present.get(name) != expected:
            yield _difference(Kind.TABLE, name, expected, present.get(name, "缺失 missing"))
    for name in sorted(present.keys() - of_run.keys()):
        yield _difference(Kind.TABLE, name, "不存在 absent", "多出 not of this run")
    if evaluation is None or evaluation["key"] != manifest["evaluation"]:
        found = "被改动 changed" if evaluation is None else evaluation["key"]
        yield _difference(Kind.MANIFEST, EVALUATION, manifest["evaluation"], found)


def _stages(folder: Path) -> Iterator[Difference]:
    """What lies between records and tables: a run goes on from it."""
    for path in sorted((folder / STAGES).glob("*.json")):
        part, seal = f"{STAGES}/{path.stem}", f"{STAGES}/{path.name}"
        content = read_seal(folder, seal)
        if content is None:
            yield _difference(Kind.MANIFEST, seal, "完整 whole", "被改动 changed")
            continue
        told = {name: value for name, value in content["tables"].items() if name.startswith(f"{part}/")}
        for name, expected in told.items():
            yield from _file(Kind.STAGE, folder, name, expected)
        for name in sorted(files_of(folder, [part]).keys() - told.keys()):
            yield _difference(Kind.STAGE, name, "不存在 absent", "多出 not of this stage")


def _reports(folder: Path, manifest: Entries) -> Iterator[Difference]:
    for name, expected in manifest["pages"].items():
        yield from _file(Kind.PAGE, folder, name, expected)
    for id_, report in manifest["reports"].items():
        for name, expected in report["files"].items():
            yield from _file(Kind.REPORT, folder, f"{id_}/{name}", expected)
        yield from _file(Kind.REPORT, folder, f"{id_}/{MANIFEST}", report["manifest"])
        if (folder / id_).is_dir():
            known = {*report["files"], MANIFEST, "run.json", "state.json"}
            for path in sorted((folder / id_).iterdir()):
                if path.name not in known and not path.name.startswith(".tmp-"):
                    yield _difference(Kind.REPORT, f"{id_}/{path.name}", "不存在 absent", "多出 not of this report")
    for id_, reason in manifest["unfinished"].items():
        yield _difference(Kind.REPORT, id_, "完成 finished", f"未完成 unfinished: {reason}")
    for path in sorted(folder.glob("*/manifest.json")):
        if path.parent.name not in manifest["reports"] and path.parent.name not in manifest["unfinished"]:
            yield _difference(Kind.REPORT, path.parent.name, "不存在 absent", "不属于本次运行 not of this run")


def _raw(folder: Path, manifest: Entries, params: RunParams | None, unchecked: list[str]) -> Iterator[Difference]:
    identity = manifest["identity"]
    where = places(params) if params is not None else read_record(folder).get("places", {})
    if not identity["raw"] and not identity["inputs"]:
        return
    try:
        now = raw_files(where)
        others = other_inputs(where)
    except (OSError, InputError):
        now, others = [], {}
    if not now:
        unchecked.append(
            "原始数据不在原处，未核对；用 --params 指明位置 raw files are not where they were: name them by --params"
        )
        return
    yield from _raw_files(identity["raw"], now)
    for name, expected in identity["inputs"].items():
        found = others.get(name)
        if found is None or found["sha256"] != expected["sha256"]:
            yield _difference(
                Kind.INPUT, f"{name} {expected['name']}", expected["sha256"], found["sha256"] if found else ABSENT
            )


def _raw_files(expected: list[Document], found: list[Document]) -> Iterator[Difference]:
    """Raw files by content: one that was only renamed is the same."""
    then, now = {row["sha256"]: row["name"] for row in expected}, {row["sha256"]: row["name"] for row in found}
    gone = sorted((name, content) for content, name in then.items() if content not in now)
    new = {name: content for content, name in now.items() if content not in then}
    for name, content in gone:
        yield _difference(Kind.RAW_FILE, name, content, new.pop(name, "缺失 missing"))
    for name, content in sorted(new.items()):
        yield _difference(Kind.RAW_FILE, name, "不存在 absent", content)


def _software(manifest: Entries) -> Iterator[Difference]:
    identity, present = manifest["identity"], software()
    yield from _named(Kind.CODE, identity["package"], code_files())
    recorded = identity["software"]
    yield from _named(Kind.PACKAGE, recorded["packages"], present.packages)
    if recorded["lock"] != present.lock:
        yield _difference(Kind.LOCK_FILE, "requirements.lock", recorded["lock"], present.lock)


def _named(kind: Kind, expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield _difference(kind, name, expected.get(name, ABSENT), found.get(name, ABSENT))


# --- the numbers made anew ----------------------------------------------------------------------------------------------


def compare_runs(folder: Path, again: Path) -> Iterator[Difference]:
    """What differs between a run and its reproduction: tables by row and column, rendered files by line.

    Records (`data/`) are not compared: every number comes from the tables.
    """
    places = [(one / "results", path) for one in (folder, again) for path in (one / "results").rglob("*")]
    names = sorted({path.relative_to(place).as_posix() for place, path in places if path.is_file()})
    for name in names:
        then, now = folder / "results" / name, again / "results" / name
        if not (then.exists() and now.exists()):
            yield _difference(Kind.TABLE, name, _there(then), _there(now))
        elif then.read_bytes() != now.read_bytes():
            yield from compare_tables(name, then, now)
    ids = sorted({p.parent.name for one in (folder, again) for p in one.glob("*/manifest.json")})
    for id_ in [".", *ids]:
        of_one = {p.name for one in (folder, again) for p in (one / id_).glob("*.html")}
        of_one |= (
            {
                p.name
                for one in (folder, again)
                for p in (one / id_).iterdir()
                if p.suffix in {".ipynb", ".docx", ".pdf"}
            }
            if ((folder / id_).is_dir() and (again / id_).is_dir())
            else set()
        )
        for name in sorted(of_one):
            yield from _compare_rendered(f"{id_}/{name}".removeprefix("./"), folder / id_ / name, again / id_ / name)


def _there(path: Path) -> str:
    return "存在 present" if path.exists() else "缺失 missing"


def compare_tables(name: str, then: Path, now: Path) -> Iterator[Difference]:
    """The first cell that differs between two files of results, named by table, row and column."""
    if not name.endswith(".parquet"):
        yield from _values(name, *(json.loads(path.read_text("utf-8")) for path in (then, now)))
        return
    one, other = pd.read_parquet(then), pd.read_parquet(now)
    if list(one.columns) != list(other.columns):
        yield _difference(Kind.TABLE, f"{name} 的列 columns", list(one.columns), list(other.columns))
        return
    if len(one) != len(other):
        yield _difference(Kind.TABLE, f"{name} 的行数 rows", len(one), len(other))
        return
    unequal = pd.DataFrame({c: (one[c] != other[c]) & ~(one[c].isna() & other[c].isna()) for c in one.columns})
    rows = unequal.any(axis=1).to_numpy().nonzero()[0]
    if not len(rows):  # equal values in other bytes: another version of the writer
        yield _difference(Kind.TABLE, name, file_hash(then), file_hash(now))
        return
    row = int(rows[0])
    column = next(c for c in one.columns if unequal[c].iloc[row])
    keys = [c for c in one.columns if one[c].dtype.kind not in "f" and c != column][:6]
    at = "，".join(f"{c}={one[c].iloc[row]}" for c in keys)
    yield _difference(
        Kind.TABLE,
        f"{name} 第 {row + 1} 行 row（{at}）列 column {column}",
        repr(one[column].iloc[row]),
        repr(other[column].iloc[row]),
    )


def _compare_rendered(name: str, then: Path, now: Path) -> Iterator[Difference]:
    if not (then.exists() and now.exists()):
        yield _difference(Kind.PAGE, name, _there(then), _there(now))
        return
    if then.read_bytes() == now.read_bytes():
        return
    if then.suffix in {".html", ".ipynb"}:
        lines = zip_longest(then.read_text("utf-8").splitlines(), now.read_text("utf-8").splitlines(), fillvalue=ABSENT)
        for number, (a, b) in enumerate(lines, start=1):
            if a != b:
                yield _difference(Kind.PAGE, f"{name} 第 {number} 行 line", *_around(a, b))
                return
    yield _difference(Kind.PAGE, name, file_hash(then), file_hash(now))


def _around(a: str, b: str, width: int = 60) -> tuple[str, str]:
    """The piece of two lines around the first character that differs."""
    first = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(0, first - width // 2)
    return a[start : first + width], b[start : first + width]


__all__ = ["INDEX", "Checked", "Difference", "compare_runs", "compare_tables", "verify_run"]
