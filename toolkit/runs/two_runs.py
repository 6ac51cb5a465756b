"""Two finished runs held against each other: what they were made from, what they say, and why verdicts differ.

Where more than one of code, data and choices differs, only runs in between can tell which of them turned a verdict: they are
made from the caller's own parameter files, apart from both runs, and no report is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from toolkit.documents import Document, Entries, Plain
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation import two_runs as held
from toolkit.evaluation.names import NAMES
from toolkit.evaluation.results import DATA, RESULTS, Results, load
from toolkit.evaluation.two_runs import Cause, Step
from toolkit.params import RunParams, policies
from toolkit.reporting.content.blocks import Block
from toolkit.reporting.formats import pdf, word
from toolkit.reporting.formats.document import Document as Drawn
from toolkit.reporting.formats.document import document
from toolkit.reporting.formats.html import page_alone
from toolkit.reporting.sections.front import provenance
from toolkit.reporting.sections.two_runs import UNKNOWN, blocks
from toolkit.running.manifest import code_files
from toolkit.running.publish import write_atomically
from toolkit.running.scratch import scratch
from toolkit.runs.evaluated import results_of
from toolkit.runs.run_manifest import read_run_manifest
from toolkit.runs.sources import is_files, other_inputs, places, raw_files
from toolkit.runs.stage import STAGES, linked
from toolkit.runs.stages import EVALUATED
from toolkit.runs.walk import Walk

FEW = 5  # names of files that are shown
ON_SCREEN = 20  # rows of a table in a terminal
NO_CHOICE = ("run", "title", "notes", "engine", "data")  # parameters that no number rests on, and those of the data


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that two runs were made from, as it was in the first and is in the second."""

    cause: Cause
    what: str
    then: str
    now: str


@dataclass(frozen=True, kw_only=True)
class TwoRuns:
    """What was found.

    Attributes
    ----------
    one, other
        The results, earlier and later as the caller named them.
    inputs
        What differs of what they were made from; empty where nothing does.
    verdicts
        As from `toolkit.evaluation.two_runs.verdicts`.
    changed
        Those that differ, with `cause` (words; "?" where runs in between would have to tell).
    moved
        As from `toolkit.evaluation.two_runs.moved`.
    """

    one: Results
    other: Results
    inputs: Sequence[Difference]
    verdicts: pd.DataFrame
    changed: pd.DataFrame
    moved: pd.DataFrame

    @property
    def causes(self) -> list[Cause]:
        """The kinds of things that differ, in the order in which runs in between change them."""
        found = {one.cause for one in self.inputs}
        return [cause for cause in Cause if cause in found]


def compare(
    one: Path, other: Path, *, params: tuple[RunParams, RunParams] | None = None, say: Callable[[str], None]
) -> TwoRuns:
    """Hold two finished runs against each other.

    Parameters
    ----------
    params
        Of both runs, from the caller's own parameter files, for runs in between; None makes none.
    say
        Told of every run in between before it is made.

    Raises
    ------
    RunError
        A folder is not that of a finished run, the two are of different editions, or a run cannot be made from its
        parameter file as it was.
    """
    folders = (one, other)
    manifests = [_manifest(folder) for folder in folders]
    first, second = (load(folder / RESULTS) for folder in folders)
    if first.params.edition != second.params.edition:
        raise RunError(
            "一个是内部评估版，一个是发布版",
            "one is an internal run, the other a release",
            where=f"{one} {other}",
            remedy="比较同一种版本",
            remedy_english="compare runs of one edition",
        )
    inputs = [*_code(*manifests), *_data(*manifests), *_choices(first.params, second.params, *manifests)]
    table = held.verdicts(first, second)
    changed = held.changed(table)
    found = TwoRuns(
        one=first, other=second, inputs=inputs, verdicts=table, changed=changed, moved=held.moved(first, second)
    )
    if len(found.causes) <= 1 or changed.empty:
        cause = found.causes[0].zh if found.causes else UNKNOWN
        told = changed.assign(cause=cause)
    elif params is None:
        told = changed.assign(cause=UNKNOWN)
    else:
        with scratch() as work:
            steps = [*_between(found, folders, manifests, params, Path(work), say), (found.causes[-1], second)]
            told = held.with_causes(changed, first, [Step(cause=cause, results=results) for cause, results in steps])
    return TwoRuns(one=first, other=second, inputs=inputs, verdicts=table, changed=told, moved=found.moved)


def _manifest(folder: Path) -> Document:
    manifest = read_run_manifest(folder)
    if manifest is None:
        raise RunError(
            "这不是一次已完成运行的文件夹，或清单被改动",
            "not the folder of a finished run, or its manifest was changed",
            where=str(folder),
            remedy="先运行 speceval run 参数文件",
            remedy_english="run it first",
        )
    return dict(manifest["identity"])


# --- told ---------------------------------------------------------------------------------------------------------------


def _blocks(found: TwoRuns, most: int | None = None) -> list[Block]:
    return blocks(
        found.one,
        found.other,
        inputs=[(one.cause, one.what, one.then, one.now) for one in found.inputs],
        changed=found.changed,
        compared=len(found.verdicts),
        moved=found.moved,
        most=most,
    )


def as_text(found: TwoRuns) -> str:
    """For a terminal."""
    return "\n\n".join(block.plain() for block in _blocks(found, ON_SCREEN))


def as_json(found: TwoRuns) -> Document:
    """Every table whole; of verdicts their ids."""
    return {
        "inputs": [{"cause": o.cause, "what": o.what, "then": o.then, "now": o.now} for o in found.inputs],
        "verdicts": len(found.verdicts),
        "changed": _records(found.changed),
        "moved": _records(found.moved),
    }


def _records(frame: pd.DataFrame) -> list[Document]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): cell for name, cell in row.items()} for row in plain.to_dict("records")]


def writer(path: Path) -> Callable[[TwoRuns], None]:
    """What writes the comparison to a file, in the format that its name ends in.

    Raises
    ------
    ParameterError
        The name ends in none that can be written.
    """
    formats: dict[str, Callable[[Drawn], str | bytes]] = {".html": page_alone, ".docx": word.render, ".pdf": pdf.render}
    render = formats.get(path.suffix.lower())
    if render is None:
        raise ParameterError(
            f"不能写成 {path.suffix or '没有后缀的文件'}",
            f"cannot be written as {path.suffix or 'a file without a suffix'}",
            where=str(path),
            remedy="后缀用 .html、.docx 或 .pdf",
            remedy_english="end it in .html, .docx or .pdf",
        )

    def write(found: TwoRuns) -> None:
        made = render(document(_blocks(found), provenance(found.other)))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.encode("utf-8") if isinstance(made, str) else made)

    return write


# --- what they were made from -------------------------------------------------------------------------------------------


def _code(one: Entries, other: Entries) -> Iterator[Difference]:
    one_code, other_code = one["package"], other["package"]
    files = {name for name in one_code.keys() | other_code.keys() if one_code.get(name) != other_code.get(name)}
    if files:
        yield Difference(cause=Cause.CODE, what="程序文件", then="", now=f"{len(files)} 个不同：{_some(files)}")
    then, now = (identity["software"]["packages"] for identity in (one, other))
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield Difference(cause=Cause.CODE, what=f"软件包 {name}", then=then.get(name, ""), now=now.get(name, ""))


def _data(one: Entries, other: Entries) -> Iterator[Difference]:
    """Raw files that one run alone has read, and other inputs of the data, by their content."""
    then, now = ({row["name"]: row["sha256"] for row in identity["read"]} for identity in (one, other))
    for what, names in (
        ("数据文件：只有前一次有", then.keys() - now.keys()),
        ("数据文件：只有后一次有", now.keys() - then.keys()),
        ("数据文件：内容不同", {name for name in then.keys() & now.keys() if then[name] != now[name]}),
    ):
        if names:
            said = f"{len(names)} 个：{_some(names)}"
            gone, new = "只有前" in what, "只有后" in what
            yield Difference(cause=Cause.DATA, what=what, then="" if new else said, now="" if gone else said)
    yield from _files(one, other, of_data=True)
    then, now = (identity["parameters"].get("data", {}) for identity in (one, other))
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name) and not is_files(f"data.{name}"):
            yield Difference(
                cause=Cause.DATA, what=f"data.{name}", then=_plain(then.get(name)), now=_plain(now.get(name))
            )


def _files(one: Entries, other: Entries, *, of_data: bool) -> Iterator[Difference]:
    cause = Cause.DATA if of_data else Cause.CHOICE
    for name in sorted(one["inputs"].keys() | other["inputs"].keys()):
        then, now = (identity["inputs"].get(name) for identity in (one, other))
        if name.startswith("data.") is of_data and (then or {}).get("sha256") != (now or {}).get("sha256"):
            yield Difference(
                cause=cause, what=f"名单 {name}", then=(then or {}).get("name", ""), now=(now or {}).get("name", "")
            )


def _choices(first: RunParams, second: RunParams, one: Entries, other: Entries) -> Iterator[Difference]:
    """Choices in the words of reports; those that reports do not print, by their names."""
    told = [dict(policies(params, NAMES)) for params in (first, second)]
    printed = [name for name in dict.fromkeys([*told[0], *told[1]]) if told[0].get(name) != told[1].get(name)]
    for name in printed:
        yield Difference(cause=Cause.CHOICE, what=name, then=told[0].get(name, ""), now=told[1].get(name, ""))
    if not printed:
        then, now = (dict(_flat(identity["parameters"])) for identity in (one, other))
        for name in sorted(then.keys() | now.keys()):
            if then.get(name) != now.get(name) and name.partition(".")[0] not in NO_CHOICE:
                yield Difference(cause=Cause.CHOICE, what=name, then=then.get(name, ""), now=now.get(name, ""))
    yield from _files(one, other, of_data=False)


def _some(names: Iterable[str]) -> str:
    """The first of many names."""
    shown = sorted(names)
    return "、".join(shown[:FEW]) + (" 等" if len(shown) > FEW else "")


def _flat(section: Mapping[str, Plain], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Plain) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


# --- runs in between ----------------------------------------------------------------------------------------------------


def _between(
    found: TwoRuns,
    folders: tuple[Path, Path],
    manifests: Sequence[Entries],
    params: tuple[RunParams, RunParams],
    work: Path,
    say: Callable[[str], None],
) -> Iterator[tuple[Cause, Results]]:
    """The run after each cause but the last: the code is the second run's, then its data come too, then its choices."""
    first, second = params
    for folder, manifest, asked in zip(folders, manifests, params, strict=True):
        _as_it_was(folder, manifest, asked)
    ours = code_files()
    for folder, manifest in zip(folders, manifests, strict=True):
        if dict(manifest["package"]) != ours and not (folder == folders[0] and Cause.CODE in found.causes):
            raise RunError(
                "这次运行不是用现在安装的程序做的，中间的运行无从做起",
                "this run was made by other code than what is installed: runs in between cannot be made",
                where=str(folder),
                remedy="用现在的程序重新运行，再比较",
                remedy_english="run it again, then compare",
            )
    for cause in found.causes[:-1]:
        with_data = cause is Cause.DATA
        asked = first.model_copy(update={"data": second.data}) if with_data else first
        say(
            f"重算 in between: {'前一次的政策选择，后一次的数据' if with_data else '前一次的数据和政策选择，现在的程序'}"
        )
        # under the run's own name: the key of its records is kept by that
        yield cause, _made(asked, work / cause / second.run, folders[1 if with_data else 0])


def _as_it_was(folder: Path, manifest: Entries, asked: RunParams) -> None:
    """Refuse a parameter file that no longer names what the run was made from."""
    where = places(asked)
    raw = sorted(row["sha256"] for row in manifest["raw"])
    there = sorted(row["sha256"] for row in raw_files({k: v for k, v in where.items() if is_files(k)}))
    inputs = {name: row["sha256"] for name, row in manifest["inputs"].items()}
    if raw != there or inputs != {name: row["sha256"] for name, row in other_inputs(where).items()}:
        raise ParameterError(
            "参数文件所指的数据或名单已不是这次运行用的",
            "the data or lists that the parameter file names are not those that the run was made from",
            where=str(folder),
            remedy="用当时的文件；或重新运行后再比较",
            remedy_english="use the files of that time, or run again and compare",
        )


def _made(asked: RunParams, folder: Path, like: Path) -> Results:
    """The results of a run in a folder of its own; what a run `like` it has done already is not done again."""
    for part in (STAGES, DATA):
        for path in sorted((like / part).rglob("*")):
            if path.is_file() and not path.is_symlink():
                target = folder / path.relative_to(like)
                target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                linked(path, target)
    walk = Walk(asked, folder)
    for stage in EVALUATED:
        walk.through(stage)
    results = results_of(walk)
    return results
