"""Two hundred hospitals, each with another mixture of format, encoding, titles, sheets, written forms and dirt. 合成数据.

Every choice is drawn for each hospital by itself; what is planted is written down while it is written: `write` returns the truth,
`python tests/door/mixtures.py FOLDER 200` writes it beside the folder. Nothing of the toolkit is used.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import random
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import many_hospitals
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from many_hospitals import CHINESE, FIELDS, FRONT_PAGE, FULL_WIDTH, NAMED, OTHER, WORDS, YEARS, _stay

# what is wrong with a record → the rule that finds it; the first group is put apart, the second stays and is marked
APART = ("D01", "D02", "D06", "P05", "P07", "K09", "K03", "F07", "F05", "F10")
MARKED = ("G01", "G08", "P17", "C01")
IMPOSSIBLE = ("2022-02-30", "0000-00-00")
DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y年%m月%d日", "%Y.%m.%d", "%Y-%m-%d 08:30:00", "%Y/%m/%d 上午 8:05")
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be-bom")
TEXTS = ("csv", "tsv", "txt", "gz", "zip", "zip in zip")
KINDS = (*TEXTS, "xlsx", "xlsx", "xlsm", "ods", "parquet")


@dataclass
class Truth(many_hospitals.Truth):
    """What a reader must find; `not_read` also knows "empty" and "copy" (the content of another file).

    Attributes
    ----------
    deaths, days, fen
        Hospital → deaths, days of stay and cost of the sound records, of those that have one.
    silent
        (hospital, specialty) of which months were left out.
    """

    deaths: Counter[str] = field(default_factory=Counter)
    days: Counter[str] = field(default_factory=Counter)
    fen: Counter[str] = field(default_factory=Counter)
    silent: set[tuple[str, str]] = field(default_factory=set)

    def plain(self) -> dict[str, object]:
        return {
            "received": self.received,
            "not_read": self.not_read,
            "months": {" ".join(map(str, key)): n for key, n in self.months.items()},
            "faults": {" ".join(key): n for key, n in self.faults.items()},
            **{name: dict(getattr(self, name)) for name in ("deaths", "days", "fen")},
            "silent": [list(one) for one in sorted(self.silent)],
        }


@dataclass(frozen=True)
class Shape:
    """One hospital's way to send records."""

    kind: str
    names: tuple[str, ...]
    encoding: str
    days: str
    words: bool
    by_year: bool
    where: str  # the hospital: "column", "folder", "file"
    titles: int
    footer: bool
    blank_columns: int
    numbered: bool  # whether there are record numbers
    again: str  # "", "other form", "packed": how one year is sent once more
    silent: bool  # surgery of the last two years is left out
    split: bool  # a header of two lines

    @property
    def text(self) -> bool:
        return self.kind in TEXTS

    @property
    def absent(self) -> set[str]:
        return ({"hospital"} if self.where != "column" else set()) | (set() if self.numbered else {"record", "visit"})

    @property
    def faults(self) -> tuple[str, ...]:
        """Those that can be written in this shape and told from a sound record."""
        no = set() if self.where == "column" else {"K09"}
        no |= set() if self.numbered else {"K03", "F07"}
        no |= set() if self.text else {"F05"}
        return tuple(f for f in (*APART, *MARKED) if f not in no)


def drawn(rng: random.Random) -> Shape:
    names = rng.choice([FRONT_PAGE, CHINESE, OTHER])
    kind = rng.choice(KINDS)
    numbered = names is FRONT_PAGE or rng.random() < 0.85
    by_year = rng.random() < 0.6
    where = "column" if names is FRONT_PAGE else rng.choice(["column", "column", "folder", "file"])
    return Shape(
        kind=kind,
        names=names,
        encoding=rng.choice(ENCODINGS),
        days=rng.choice(DAYS),
        words=names is not FRONT_PAGE and rng.random() < 0.7,
        by_year=by_year,
        where=where if kind not in ("zip", "zip in zip") or where != "file" else "folder",
        titles=rng.choice([0, 0, 1, 2]) if kind != "parquet" else 0,
        footer=rng.random() < 0.3 and kind != "parquet",
        blank_columns=rng.choice([0, 0, 2]) if kind != "parquet" else 0,
        numbered=numbered,
        again=rng.choice(["", "", "other form", "packed"]) if by_year and where != "file" else "",
        silent=rng.random() < 0.1,
        split=names is OTHER and kind == "xlsx" and rng.random() < 0.5,
    )


def write(folder: Path, hospitals: int, seed: int = 1, stays: int = 4) -> Truth:
    """Write the folder; `stays` a hospital and month of every second month."""
    truth = Truth()
    for place in range(hospitals):
        rng = random.Random(f"mixtures {seed} {place}")
        _hospital(folder, f"{31003 + 7 * place}", place, drawn(rng), rng, stays, truth)
    (folder / "报送说明.txt").write_text("本文件夹为合成数据，没有病例\n", encoding="utf-8")
    truth.not_read["报送说明.txt"] = "other"
    return truth


def _hospital(folder: Path, code: str, place: int, shape: Shape, rng: random.Random, stays: int, truth: Truth) -> None:
    home = folder / (f"{code}合成医院" if shape.where == "folder" else f"第{place:03}家合成医院")
    home.mkdir(parents=True)
    number = 0
    parts: dict[str, list[list[str]]] = {}
    planted: Counter[tuple[str, str]] = Counter()
    sound: dict[str, list[dict[str, str]]] = {}
    for year in YEARS:
        part = str(year) if shape.by_year else ""
        rows = parts.setdefault(part, [])
        for month in range(1, 13, 2):
            for _ in range(stays):
                number += 1
                stay = _stay(code, number, year, month, rng)
                if shape.silent and year >= 2023 and stay["department"] == "04.01":
                    continue
                fault = rng.choice(shape.faults) if rng.random() < 0.04 else ""
                rows.append(_row(stay, shape, fault, rng))
                if fault:
                    planted[(part, fault)] += 1
                if fault not in APART:
                    truth.months[(code, year, month)] += 1
                    truth.deaths[code] += stay["way"] == "5"
                    truth.days[code] += int(stay["los"])
                    truth.fen[code] += 0 if fault == "C01" else round(100 * float(stay["cost"]))
                if not fault:
                    sound.setdefault(part, []).append(stay)
                if not fault and shape.numbered and rng.random() < 0.01:  # the same row once more
                    rows.append(rows[-1])
                    planted[(part, "K04")] += 1
    if shape.silent:
        truth.silent.add((code, "general-surgery"))
    names = WRITERS[shape.kind](home, shape, parts, code, truth)
    for part, rows in parts.items():
        name = f"{home.name}/{names[part]}"
        below = int(shape.footer)
        truth.received[name] = len(rows) + below
        # a line with a count is no record
        truth.faults[(name, "F05" if shape.text else "K09" if shape.where == "column" else "D01")] += below
        for (of_part, fault), n in planted.items():
            if of_part == part:
                truth.faults[(name, fault)] += n
    _once_more(home, shape, parts, sound, truth, rng)
    _beside(home, place, truth)


def _once_more(
    home: Path,
    shape: Shape,
    parts: dict[str, list[list[str]]],
    sound: dict[str, list[dict[str, str]]],
    truth: Truth,
    rng: random.Random,
) -> None:
    """One year sent again: its sound records in another written form, or the same table under another name."""
    if shape.again == "other form":
        names = {CHINESE: OTHER, OTHER: CHINESE}.get(shape.names, FRONT_PAGE)
        other = Shape(
            **{**vars(shape), "kind": "csv", "names": names, "encoding": "gb18030", "days": "%Y/%m/%d", "again": ""}
            | {"words": shape.names is not FRONT_PAGE and not shape.words}
            | {"titles": 0, "footer": False, "blank_columns": 0, "by_year": False, "split": False}
        )
        rows = [_row(stay, other, "", rng) for stay in sound["2021"]]
        name = "补报.csv"  # after the others in the order of names
        (home / name).write_bytes(_encoded(_text(other, rows), other.encoding))
        truth.received[f"{home.name}/{name}"] = len(rows)
        truth.faults[(f"{home.name}/{name}", "K04" if shape.numbered else "K12")] += len(rows)
    elif shape.again == "packed" and shape.kind == "csv":
        (home / "重发.csv.gz").write_bytes(gzip.compress(_encoded(_text(shape, parts["2020"]), shape.encoding)))
        truth.not_read[f"{home.name}/重发.csv.gz"] = "copy"


def _beside(home: Path, place: int, truth: Truth) -> None:
    """What programs and people leave behind."""
    if place % 6 == 0:
        (home / "~$病案.xlsx").write_bytes(b"\x05lock")
        truth.not_read[f"{home.name}/~$病案.xlsx"] = "locked"
    if place % 9 == 1:
        (home / "._病案.csv").write_bytes(b"\0\5\26\7")
        truth.not_read[f"{home.name}/._病案.csv"] = "locked"
    if place % 11 == 2:
        (home / "空.csv").write_bytes(b"")
        truth.not_read[f"{home.name}/空.csv"] = "empty"
    if place % 13 == 3:
        (home / "联系人.csv").write_text("科室,职务\n病案室,主任\n", encoding="utf-8")
        truth.not_read[f"{home.name}/联系人.csv"] = "other"


def _row(stay: dict[str, str], shape: Shape, fault: str, rng: random.Random) -> list[str]:
    stay = _faulty(dict(stay), fault, rng)
    if not fault and rng.random() < 0.2:  # other written forms of the same, which cost nothing
        stay["drg"] = rng.choice([stay["drg"].lower(), f" {stay['drg']} ", stay["drg"].translate(FULL_WIDTH)])
        stay["diagnosis"] = rng.choice(
            [f"{stay['diagnosis']}\u3000", "'" + stay["diagnosis"], f"\u200b{stay['diagnosis']}"]
        )
        stay["hospital"] = rng.choice([stay["hospital"].translate(FULL_WIDTH), f'="{stay["hospital"]}"'])
    if shape.words:
        stay |= {name: words.get(stay[name], stay[name]) for name, words in WORDS.items()}
        stay["department"] = NAMED.get(stay["department"], stay["department"])
    for day in ("admitted", "discharged"):
        if stay[day] not in ("", "-", *IMPOSSIBLE):
            stay[day] = dt.date.fromisoformat(stay[day]).strftime(shape.days)
    if fault == "D06":
        stay["admitted"] = stay["admitted"].lstrip("2")[1:] if shape.days[:2] == "%Y" else stay["admitted"]
    cells = [stay[name] for name in FIELDS if name not in shape.absent]
    return cells[:-3] if fault == "F05" else cells


def _faulty(stay: dict[str, str], fault: str, rng: random.Random) -> dict[str, str]:
    changes: dict[str, Callable[[], dict[str, str]]] = {
        "D01": lambda: {"admitted": rng.choice(["", *IMPOSSIBLE])},
        "D02": lambda: {"admitted": stay["discharged"], "discharged": stay["admitted"]},
        "P05": lambda: {"diagnosis": rng.choice(["", "-", "无", "NULL"])},
        "P07": lambda: {"diagnosis": rng.choice(["G01＊", "G01*", "V01.100"])},
        "P17": lambda: {"diagnosis": rng.choice(["163.900", "I6"])},
        "K09": lambda: {"hospital": "合成医院甲"},
        "K03": lambda: {"record": rng.choice(["", "-"])},
        "F07": lambda: {"record": "1.23457E+11"},
        "F10": lambda: {"diagnosis": "张三"},
        "G01": lambda: {"drg": rng.choice(["", "未入组", "NULL", "0000", "#N/A", "歧义组"])},
        "G08": lambda: {"drg": rng.choice(["FA-1", "11FA"])},
        "C01": lambda: {"cost": rng.choice(["", "0", "-"])},
    }
    return stay | changes[fault]() if fault in changes else stay


# --- how a hospital writes ------------------------------------------------------------------------------------------------


def _header(shape: Shape) -> list[str]:
    return [n for n, name in zip(shape.names, FIELDS, strict=True) if name not in shape.absent]


def _lines(shape: Shape, rows: list[list[str]]) -> list[list[str]]:
    """The table with all that people put around it."""
    header = _header(shape)
    blank = [""] * shape.blank_columns
    above = [["合成医院出院病例", *[""] * (len(header) - 1)], ["制表：合成", *[""] * (len(header) - 1)]][: shape.titles]
    below = [[], [f"合计 {len(rows)} 例，末例 {rows[-1][0]}-{rows[-1][1]}"]] if shape.footer else []
    return [*above, [*header, *blank], *([*row, *blank] if len(row) == len(header) else row for row in rows), *below]


def _text(shape: Shape, rows: list[list[str]]) -> str:
    out = io.StringIO()
    delimiter = {"tsv": "\t", "txt": "|"}.get(shape.kind, ",")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(_lines(shape, rows))
    return out.getvalue()


def _encoded(text: str, encoding: str) -> bytes:
    return b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)


def _stem(shape: Shape, part: str, code: str) -> str:
    return f"{code}_{part or '全部'}" if shape.where == "file" else f"病案{part}"


def _texts(home: Path, shape: Shape, parts: dict[str, list[list[str]]], code: str, truth: Truth) -> dict[str, str]:
    names = {}
    for part, rows in parts.items():
        ending = {"gz": "csv.gz"}.get(shape.kind, shape.kind)
        names[part] = f"{_stem(shape, part, code)}.{ending}"
        content = _encoded(_text(shape, rows), shape.encoding)
        (home / names[part]).write_bytes(gzip.compress(content) if shape.kind == "gz" else content)
    return names


def _zipped(home: Path, shape: Shape, parts: dict[str, list[list[str]]], code: str, truth: Truth) -> dict[str, str]:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, rows in parts.items():
            archive.writestr(f"年{part}.csv", _encoded(_text(shape, rows), shape.encoding))
    if shape.kind == "zip":
        (home / "病案.zip").write_bytes(inner.getvalue())
        return {part: f"病案.zip › 年{part}.csv" for part in parts}
    with zipfile.ZipFile(home / "病案.zip", "w") as archive:
        archive.writestr("内.zip", inner.getvalue())
    return {part: f"病案.zip › 内.zip › 年{part}.csv" for part in parts}


def _parquet(home: Path, shape: Shape, parts: dict[str, list[list[str]]], code: str, truth: Truth) -> dict[str, str]:
    names = {}
    for part, rows in parts.items():
        names[part] = f"{_stem(shape, part, code)}.parquet"
        pq.write_table(pa.table(list(map(list, zip(*rows, strict=True))), names=_header(shape)), home / names[part])
    return names


def _workbook(home: Path, shape: Shape, parts: dict[str, list[list[str]]], code: str, truth: Truth) -> dict[str, str]:
    """A sheet for each part, titles merged, an empty sheet and a hidden one beside them."""
    file = f"{_stem(shape, '', code)}.{shape.kind}"
    with xlsxwriter.Workbook(home / file, {"strings_to_numbers": False}) as book:
        for part, rows in parts.items():
            sheet = book.add_worksheet(f"{part or '全部'}年")
            for line, row in enumerate(_lines(shape, rows)):
                for column, cell in enumerate(row):
                    sheet.write_string(line, column, cell)
            if shape.titles:
                sheet.merge_range(0, 0, 0, 5, "合成医院出院病例")
        book.add_worksheet("空表")
    truth.not_read[f"{home.name}/{file} › 空表"] = "empty"
    return {part: f"{file} › {part or '全部'}年" for part in parts}


def _opendocument(
    home: Path, shape: Shape, parts: dict[str, list[list[str]]], code: str, truth: Truth
) -> dict[str, str]:
    """By the description of the format, without a library."""
    file = f"{_stem(shape, '', code)}.ods"
    sheets = "".join(
        f'<table:table table:name="{part or "全部"}年">'
        + "".join(
            "<table:table-row>"
            + "".join(
                f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
                if cell
                else "<table:table-cell/>"
                for cell in row or [""]
            )
            + "</table:table-row>"
            for row in _lines(shape, rows)
        )
        + "</table:table>"
        for part, rows in parts.items()
    )
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    with zipfile.ZipFile(home / file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>',
        )
        archive.writestr(
            "content.xml",
            f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces} office:version="1.2">'
            f"<office:body><office:spreadsheet>{sheets}</office:spreadsheet></office:body></office:document-content>",
        )
    return {part: f"{file} › {part}年" if len(parts) > 1 else file for part in parts}


WRITERS: dict[str, Callable[..., dict[str, str]]] = {
    **dict.fromkeys(("csv", "tsv", "txt", "gz"), _texts),
    **dict.fromkeys(("zip", "zip in zip"), _zipped),
    **dict.fromkeys(("xlsx", "xlsm"), _workbook),
    "ods": _opendocument,
    "parquet": _parquet,
}


if __name__ == "__main__":
    where = Path(sys.argv[1])
    truth = write(where, int(sys.argv[2]))
    said = json.dumps(truth.plain(), ensure_ascii=False, indent=1)
    where.with_name(where.name + "-truth.json").write_text(said, encoding="utf-8")
