"""Which of the files that have arrived stands for each hospital and period, and what the register then holds of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.register import Part, Register, Submission, read_register
from toolkit.data.quality.marks import ids_in
from toolkit.data.reading.files import WITHIN, SourceFile
from toolkit.engine.types import Table
from toolkit.frames import groups_of

OVERLAP = 0.95  # share of the earlier file's records in months that the later one has too: the same period
WHOLE = (
    0.5  # share of the earlier file's records below which the later one is a list of corrections, not the file mended
)


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Which records of which files stand.

    Attributes
    ----------
    replaced
        (SHA-256, hospital) -> SHA-256 of the later file that took its place.
    files
        File number -> reason, for files of which nothing is left or that were not accepted.
    notes
        File number -> what a person must look at.
    """

    replaced: dict[tuple[str, str], str]
    files: dict[int, str]
    notes: dict[int, str]


def settle_typed(path: Path, sources: Sequence[SourceFile], typed: Table, arrived: str) -> tuple[Table, Entry]:
    """The typed rows of the files that stand, and what the register will hold; other files are marked as rejected.

    Parameters
    ----------
    typed
        One row per record: `file, hospital, year, month`.
    """
    register = read_register(path)
    dated = ibis.ifelse(
        _.month.notnull(), _.year.cast("string") + "-" + _.month.cast("string").lpad(2, "0"), _.year.cast("string")
    )
    counted = typed.group_by(file=_.file, hospital=_.hospital.fill_null(""), period=dated.fill_null("")).aggregate(
        n=_.count()
    )
    periods = counted.execute().sort_values(["file", "hospital", "period"], ignore_index=True)
    settled = settle(register, sources, periods, arrived)
    sizes = periods.groupby(["file", "hospital"])["n"].sum()
    for source in sources:
        if source.number in settled.files:
            source.refuse(settled.files[source.number])
            continue
        gone = sorted(h for (sha, h) in settled.replaced if sha == source.sha256 and (source.number, h) in sizes.index)
        if gone and not source.rejected:
            typed = typed.filter((_.file != source.number) | ~_.hospital.isin(gone).fill_null(False))
            source.received -= int(sum(sizes.loc[source.number, h] for h in gone))
    if settled.files:
        typed = typed.filter(_.file.notin(sorted(settled.files)))
    return typed, Entry(register=register, settled=settled, periods=periods, arrived=arrived)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a run will add to the register, once it has come to its end."""

    register: Register
    settled: Settled
    periods: pd.DataFrame
    arrived: str

    def notes(self, files: pd.DataFrame) -> dict[str, str]:
        """SHA-256 -> what a person must look at."""
        content = dict(zip(files["file"], files["sha256"], strict=True))
        return {content[number]: note for number, note in self.settled.notes.items()}

    def made(self, files: pd.DataFrame, accounts: pd.DataFrame) -> Register:
        """The register after the run.

        Parameters
        ----------
        files, accounts
            As in `toolkit.data.intake.Intake`.
        """
        keys = ["file", "hospital"]
        by_fate = accounts.groupby([*keys, "fate"], as_index=False)[["n"]].sum().rename(columns={"fate": "what"})
        long = accounts[accounts["rules"] != ""].assign(what=lambda f: f["rules"].map(ids_in)).explode("what")
        by_rule = long.groupby([*keys, "what"], as_index=False)["n"].sum()
        counts = pd.concat([by_fate.assign(kind="fate"), by_rule.assign(kind="rule")], ignore_index=True)
        return enter(self.register, files, self.periods, counts, self.settled, self.arrived)


def settle(register: Register, sources: Sequence[SourceFile], periods: pd.DataFrame, arrived: str) -> Settled:
    """Decide which file stands for each hospital and period, file after file in the order of arrival.

    Parameters
    ----------
    periods
        Records read: `file, hospital, period, n`, the period "" where a record has no date.
    arrived
        Day on which files that the register does not know arrived. Files of one day never replace one another.
    """
    arrivals = _arrivals(register, sources, periods, arrived)
    standing = _standing(register, {one.sha256 for one in arrivals})
    replaced: dict[tuple[str, str], str] = {}
    files: dict[int, str] = {}
    notes: dict[int, str] = {}
    for one in arrivals:
        known = register.first(one.sha256)
        if known and known.refused:
            files |= dict.fromkeys(one.files, known.refused)
            continue
        meets = _meets(one, standing)
        if few := [old for old, hospital, share in meets if share >= OVERLAP and one.n(hospital) < WHOLE * old.n]:
            files |= dict.fromkeys(one.files, _of_few(few[0]))
            continue
        for old, hospital, share in meets:
            if share >= OVERLAP:
                replaced[old.sha256, hospital] = one.sha256
                standing[hospital].remove(old)
            else:
                said = f"与 {old.name}（{old.day} 收到）的期间部分重叠，两份都保留；重复的病例按规则K04、K05处理"
                notes |= dict.fromkeys(one.files, said)
        for hospital, own in one.months.items():
            standing.setdefault(hospital, []).append(_Stands(one.sha256, one.name, one.day, own))
    return Settled(replaced=replaced, files=files | _gone(arrivals, replaced), notes=notes)


@dataclass(frozen=True, kw_only=True)
class _Arrival:
    """A file as it arrived, with all tables in it that were read.

    Attributes
    ----------
    files
        Numbers of its tables in the run.
    months
        Records by period, by hospital.
    """

    sha256: str
    name: str
    day: str
    files: tuple[int, ...]
    months: dict[str, dict[str, int]]

    def n(self, hospital: str) -> int:
        return sum(self.months[hospital].values())


def _arrivals(register: Register, sources: Sequence[SourceFile], periods: pd.DataFrame, arrived: str) -> list[_Arrival]:
    """The files that were read, in the order of their arrival."""
    dated = periods[(periods["period"] != "") & (periods["hospital"] != "")]
    tables: dict[str, list[SourceFile]] = {}
    for source in sources:
        if not source.rejected:
            tables.setdefault(source.sha256, []).append(source)
    found = []
    for sha256, mine in tables.items():
        rows = dated[dated["file"].isin([s.number for s in mine])]
        months: dict[str, dict[str, int]] = {}
        for (hospital, period), part in groups_of(rows.groupby(["hospital", "period"])):
            months.setdefault(str(hospital), {})[str(period)] = int(part["n"].sum())
        first = register.first(sha256)
        found.append(
            _Arrival(
                sha256=sha256,
                name=mine[0].file_name,
                day=first.arrived if first else arrived,
                files=tuple(s.number for s in mine),
                months=months,
            )
        )
    return sorted(found, key=lambda one: (one.day, one.files))


def _meets(one: _Arrival, standing: Mapping[str, list[_Stands]]) -> list[tuple[_Stands, str, float]]:
    """Earlier files of the same hospitals, and what share of each is in periods that this one has too."""
    found = [
        (old, hospital, _overlap(old.periods, own))
        for hospital, own in one.months.items()
        for old in standing.get(hospital, ())
        if old.day < one.day
    ]
    return [(old, hospital, share) for old, hospital, share in found if share > 0]


def _of_few(old: _Stands) -> str:
    return (
        f"例数不足 {old.name}（{old.day} 收到，{old.n:,} 例）的一半，像是只含更正的病例；"
        "更正须重新报送整份文件，本文件未接收"
    )


def _gone(arrivals: Sequence[_Arrival], replaced: Mapping[tuple[str, str], str]) -> dict[int, str]:
    """Table number -> reason, of the files of which later ones have taken every hospital's place."""
    by_content = {one.sha256: one for one in arrivals}
    files: dict[int, str] = {}
    for one in arrivals:
        later = [replaced.get((one.sha256, hospital), "") for hospital in sorted(one.months)]
        if later and all(later):
            by = by_content[later[0]]
            files |= dict.fromkeys(one.files, f"已被后来报送的 {by.name}（{by.day} 收到）替代")
    return files


@dataclass(frozen=True)
class _Stands:
    """A file that stands for a hospital so far."""

    sha256: str
    name: str
    day: str
    periods: dict[str, int]

    @property
    def n(self) -> int:
        return sum(self.periods.values())


def _standing(register: Register, present: set[str]) -> dict[str, list[_Stands]]:
    """Files of earlier runs that are not among today's: what arrives now is still measured against them."""
    standing: dict[str, list[_Stands]] = {}
    for one in register.submissions:
        if one.sha256 in present or one.refused:
            continue
        for hospital, part in one.parts.items():
            if not part.replaced_by:
                standing.setdefault(hospital, []).append(_Stands(one.sha256, one.name, one.arrived, part.periods))
    return standing


def _overlap(old: dict[str, int], new: dict[str, int]) -> float:
    """Share of the old file's records in periods that the new one has too."""
    return sum(n for period, n in old.items() if period in new) / max(1, sum(old.values()))


def enter(
    register: Register, files: pd.DataFrame, periods: pd.DataFrame, counts: pd.DataFrame, settled: Settled, arrived: str
) -> Register:
    """The register after a run: new files added, counts of those that stand renewed, replaced ones marked.

    Parameters
    ----------
    files
        The run's file register: `file, name, sha256, size, rejected`.
    counts
        `file, hospital, kind, what, n`: records by `fate` and by `rule` of the files that stand.
    """
    known = {(s.sha256, s.name): s for s in register.submissions}
    first = {s.sha256: s for s in reversed(register.submissions)}
    of_file = files.assign(name=files["name"].str.partition(WITHIN)[0])
    for (sha256, name), tables in groups_of(of_file.groupby(["sha256", "name"], sort=False)):
        read = tables[tables["rejected"] == ""]
        refused = "" if len(read) else "；".join(dict.fromkeys(tables["rejected"]))
        before = first.get(sha256)
        if before is None or (refused and name != before.name):
            parts = _parts(read["file"], periods, counts)
            size = int(tables["size"].max())
            one = Submission(sha256=sha256, name=name, size=size, arrived=arrived, refused=refused, parts=parts)
            known.setdefault((one.sha256, one.name), one)
            first.setdefault(one.sha256, one)
        elif not refused:
            # what was found in a replaced part when it stood is the history; it is not counted again
            old = {h: part for h, part in before.parts.items() if part.replaced_by}
            parts = {**_parts(read["file"], periods, counts), **old}
            known[before.sha256, before.name] = first[sha256] = replace(before, parts=parts)
    submissions = [_marked(s, settled) for s in known.values()]
    return replace(register, submissions=tuple(sorted(submissions, key=lambda s: (s.arrived, s.name, s.sha256))))


def _parts(files: pd.Series, periods: pd.DataFrame, counts: pd.DataFrame) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    mine, found = periods[periods["file"].isin(files)], counts[counts["file"].isin(files)]
    for hospital in sorted(set(found["hospital"]) - {""}):
        when = mine[(mine["hospital"] == hospital) & (mine["period"] != "")]
        what = found[found["hospital"] == hospital]
        of = {
            kind: {str(k): int(n) for k, n in rows.groupby("what")["n"].sum().items()}
            for kind, rows in what.groupby("kind")
        }
        parts[hospital] = Part(
            periods={str(p): int(n) for p, n in when.groupby("period")["n"].sum().items()},
            fates=of.get("fate", {}),
            rules=of.get("rule", {}),
        )
    return parts


def _marked(one: Submission, settled: Settled) -> Submission:
    parts = {
        h: replace(part, replaced_by=settled.replaced.get((one.sha256, h), part.replaced_by))
        for h, part in one.parts.items()
    }
    return replace(one, parts=parts)
