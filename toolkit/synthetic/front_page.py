"""The files a commission receives: A/B/C/D CSV by hospital and year, a grouper's table, the registry, and the truth."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from toolkit.documents import Document
from toolkit.synthetic.details import Details
from toolkit.synthetic.dirt import ELSEWHERE, Assigned, assign
from toolkit.synthetic.pages import page_columns, year_stays
from toolkit.synthetic.records import Stays
from toolkit.synthetic.region import SyntheticRegion, stream
from toolkit.synthetic.truth import write_registry

# by the hospital's position: how its system exports. The last quotes every cell, as some do.
ENCODINGS = (("gb18030", False), ("utf-8", False), ("utf-8-sig", True))
LONG_STAY = 60  # days; limit of rule D08 in its default
_GROUPER = ("A01", "A48", "A49", "B15", "DRG")


def write_front_pages(region: SyntheticRegion, folder: Path | str) -> Path:
    """Write the region as front-page files; returns the path of truth.json.

    `front_pages/<hospital code>_<year>.csv` (A/B/C/D columns, one row per stay, header on line 1), drg.csv (A01, A48, A49,
    B15, DRG; UTF-8), hospitals.csv, departments.csv, projects.csv, deflators.csv, README.txt, truth.json.

    truth.json gains
    - `files`: file, hospital, year, encoding, quoted, rows (data lines), and the balance of the record-level fates:
      quarantined + excluded + included = rows (all 0 but rows for a file that is rejected: `rejected` holds the rule);
    - `defects`: file, line (physical, header = 1), rule, kind, fate, scope, natural (drawn so, not seeded), also (further
      rules the same edit breaks), pair (line of the other row of a repeat), both (the other
      row is at fault too); a key that does not apply is absent. Hospital-level rules
      (D15, O07, P12, G04, X02, X03), trimming (C05) and small reference cells (G07) are judgements on aggregates and are
      not listed; F09 holds for every file.
    """
    folder = Path(folder)
    pages = folder / "front_pages"
    pages.mkdir(parents=True, exist_ok=True)
    defects: list[Document] = []
    files: list[Document] = []
    with open(folder / "drg.csv", "wb") as grouper:
        for position, year in enumerate(region.settings.years):
            table = _write_year(region, year, pages, files, defects)
            options = pcsv.WriteOptions(include_header=position == 0, quoting_style="none", quoting_header="none")
            pcsv.write_csv(table, grouper, options)
    if region.settings.broken_file and files:
        _break(pages, files, defects)
    _balance(files, defects)
    write_registry(region, folder, files=files, defects=defects)
    return folder / "truth.json"


def _write_year(
    region: SyntheticRegion, year: int, pages: Path, files: list[Document], defects: list[Document]
) -> pa.Table:
    """Write a year's files, append to `files` and `defects`, and return the year's part of the grouper's table."""
    settings, position = region.settings, region.settings.years.index(year)
    rng = stream(settings, 22, position)
    stays, details, minute = year_stays(region, year)
    table = page_columns(region, year, stays, details, minute)
    hospital = region.units.hospital.to_numpy()[stays.unit]
    long = stays.los > LONG_STAY
    # a patient with several stays is the business of the rules over patients
    alone = np.bincount(details.patient)[details.patient] == 1 if len(stays) else np.zeros(0, bool)
    given = assign(
        rate=settings.dirt_rate,
        eligible=stays.grouped & ~long & alone,
        hospital=hospital,
        fits=_fits(stays, details, table),
        ragged_limit=settings.ragged_limit,
        first=7 * position,
        rng=rng,
    )
    table, appended = _apply(table, given, rng, region)
    # a further stay is grouped like any other; a repeat of the same stay has its group
    new = pa.array([item.defect.rule in ("K06", "O03", "K07") for item in given if item.defect.appended], pa.bool_())
    grouper = pa.concat_tables([table.select(_GROUPER), appended.select(_GROUPER).filter(new)])
    grouper = grouper.filter(pa.array(~np.isin(grouper["A48"].to_numpy(zero_copy_only=False), ("", "-"))))
    table, appended = table.drop_columns(["DRG"]), appended.drop_columns(["DRG"])

    natural = {int(row): ["D08"] for row in np.flatnonzero(long)}
    for row in np.flatnonzero(~stays.grouped):
        natural.setdefault(int(row), []).append("G01")
    bounds = np.searchsorted(hospital, np.arange(len(region.hospitals) + 1))
    for place, (start, stop) in enumerate(pairwise(int(b) for b in bounds)):
        if start == stop:
            continue
        code = region.hospitals.code.iloc[place]
        part = _Part(table=table, appended=appended, given=given, natural=natural, start=start, stop=stop)
        encoding, quoted = ENCODINGS[int(hospital[start]) % len(ENCODINGS)]
        name = f"{code}_{year}.csv"
        whole = part.whole()
        _write_file(pages / name, whole, encoding, quoted, part.ragged())
        described = {"file": f"front_pages/{name}", "hospital": code, "year": year}
        files.append({**described, "encoding": encoding, "quoted": quoted, "rows": len(whole)})
        found = sorted(part.entries(), key=lambda entry: entry["line"])
        defects += [{"file": described["file"], **entry} for entry in found]
    return grouper


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """The rows `start` … `stop` of a year: one hospital's file. `natural`: row -> rules that stays break without a defect."""

    table: pa.Table
    appended: pa.Table
    given: list[Assigned]
    natural: dict[int, list[str]]
    start: int
    stop: int

    def _mine(self) -> list[Assigned]:
        return [item for item in self.given if self.start <= item.row < self.stop]

    def whole(self) -> pa.Table:
        """The rows, and below them those that are appended."""
        extra = [item for item in self.given if item.defect.appended]
        mine = [index for index, item in enumerate(extra) if self.start <= item.row < self.stop]
        rows = self.table.slice(self.start, self.stop - self.start)
        return pa.concat_tables([rows, self.appended.take(pa.array(mine, pa.int64()))])

    def ragged(self) -> list[int]:
        """Lines that are too long or too short."""
        return [item.row - self.start + 2 for item in self._mine() if item.defect.ragged]

    def entries(self) -> list[Document]:
        """What is wrong in the file, line by line: defects given, and what stays have by nature."""
        appended = [item for item in self._mine() if item.defect.appended]
        lines = {item.row: self.stop - self.start + 2 + index for index, item in enumerate(appended)}
        found = [_entry(item, self.start, lines) for item in self._mine()]
        by_nature: Document = {"kind": "natural", "natural": True, "fate": "X"}
        return found + [
            {"line": row - self.start + 2, "rule": rule, **by_nature, "scope": "cost,los" if rule == "D08" else "cmi"}
            for row, rules in self.natural.items()
            if self.start <= row < self.stop
            for rule in rules
        ]


def _entry(item: Assigned, start: int, lines: dict[int, int]) -> Document:
    defect, line = item.defect, int(item.row - start + 2)
    entry: Document = {"line": line, "rule": defect.rule, "kind": defect.kind, "fate": defect.fate}
    if defect.appended:  # a repeat is named by the later line, which is the one excluded; of two versions both are out
        entry |= {"line": int(lines[item.row]), "pair": line}
        if defect.both:
            entry["both"] = True
    if defect.scope:
        entry["scope"] = defect.scope
    if defect.also:
        entry["also"] = list(defect.also)
    return entry


def _fits(stays: Stays, details: Details, table: pa.Table) -> dict[str, np.ndarray]:
    """Which rows each need of a defect is met by; deaths are few, and kept for what needs them."""
    letter = pc.utf8_slice_codeunits(table["C03C"], 0, 1).to_numpy(zero_copy_only=False)
    alive = ~stays.died
    return {
        "any": alive,
        "no_operation": alive & ~details.coded,
        "operation": alive & stays.surgical,
        "death": stays.died,
        "injury": alive & (letter == "S"),
        "tumour": alive & (letter == "C"),
        "transfer": alive & np.isin(stays.exit_mode, (2, 3)),
    }


def _apply(
    table: pa.Table, given: list[Assigned], rng: np.random.Generator, region: SyntheticRegion
) -> tuple[pa.Table, pa.Table]:
    """Edit the given rows; the second table holds the rows to append, in the order of `given`."""
    edited, added = {}, []
    originals = table.take(pa.array([item.row for item in given], pa.int64())).to_pylist()
    for item, row in zip(given, originals, strict=True):
        changed = dict(row)
        item.defect.edit(changed, rng)
        if changed["A01"] == ELSEWHERE:
            next_one = (int(region.hospitals.index[region.hospitals.code == row["A01"]][0]) + 1) % len(region.hospitals)
            changed["A01"], changed["A02"] = region.hospitals.loc[next_one, ["code", "name"]]
        if item.defect.appended:
            added.append(changed)
        else:
            edited[item.row] = changed
    rows = sorted(edited)
    mask = np.zeros(len(table), bool)
    mask[rows] = True
    columns = {}
    for name in table.column_names:
        values = pa.array([edited[row][name] for row in rows], pa.string())
        columns[name] = pc.replace_with_mask(table[name].combine_chunks(), pa.array(mask), values)
    return pa.table(columns), pa.Table.from_pylist(added, table.schema)


def _write_file(path: Path, table: pa.Table, encoding: str, quoted: bool, ragged: list[int]) -> None:
    style = "needed" if quoted else "none"
    buffer = io.BytesIO()
    pcsv.write_csv(table, buffer, pcsv.WriteOptions(quoting_style=style, quoting_header=style))
    data = buffer.getvalue()
    if ragged:
        lines = data.split(b"\n")
        for count, line in enumerate(ragged):
            text = lines[line - 1]
            lines[line - 1] = text + (b',""' if quoted else b",0") if count % 2 else text[: text.rindex(b",")]
        data = b"\n".join(lines)
    if encoding == "utf-8-sig":
        data = b"\xef\xbb\xbf" + data
    elif encoding != "utf-8":
        data = data.decode("utf-8").encode(encoding)
    path.write_bytes(data)


def _break(pages: Path, files: list[Document], defects: list[Document]) -> None:
    """Spoil the smallest file of the last year: bytes that are neither UTF-8 nor GB18030."""
    last = max(entry["year"] for entry in files)
    chosen = min((entry for entry in files if entry["year"] == last), key=lambda entry: entry["rows"])
    path = pages.parent / chosen["file"]
    path.write_bytes(path.read_bytes() + b"\xff\xfe\xff\n")
    chosen |= {"encoding": "invalid", "rejected": "F03"}
    defects[:] = [entry for entry in defects if entry["file"] != chosen["file"]]
    defects.append(
        {"file": chosen["file"], "line": chosen["rows"] + 2, "rule": "F03", "kind": "invalid_encoding", "fate": "R"}
    )


def _balance(files: list[Document], defects: list[Document]) -> None:
    """收到 = 纳入 + 排除 + 隔离 of each file, from the record-level fates."""
    quarantined: dict[str, set[int]] = {}
    excluded: dict[str, set[int]] = {}
    for entry in defects:
        if entry["fate"] in "QX" and not entry.get("scope"):
            target = quarantined if entry["fate"] == "Q" else excluded
            lines = {entry["line"], entry["pair"]} if entry.get("both") else {entry["line"]}
            target.setdefault(entry["file"], set()).update(lines)
    for entry in files:
        counts = {
            "quarantined": len(quarantined.get(entry["file"], ())),
            "excluded": len(excluded.get(entry["file"], ())),
        }
        counts["included"] = 0 if "rejected" in entry else entry["rows"] - sum(counts.values())
        entry.update(counts)
