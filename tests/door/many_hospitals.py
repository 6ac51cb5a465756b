"""A folder as many hospitals send it, with the truth beside it: each in another format, with other dirt. 合成数据.

`write(folder, hospitals, seed)` writes it and returns the truth; by itself: `python tests/door/many_hospitals.py FOLDER 200`.
Nothing of the toolkit is used: files are written by the standard library, xlsxwriter, pyarrow, and what is planted is counted
while it is written.
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
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

YEARS = range(2019, 2025)
FIELDS = (
    "hospital",
    "record",
    "visit",
    "admitted",
    "discharged",
    "los",
    "cost",
    "way",
    "route",
    "sex",
    "age",
    "department",
    "diagnosis",
    "procedure",
    "level",
    "drg",
)
FRONT = ("A01", "A48", "A49", "B12", "B15", "B20", "D01", "B34C", "B11C", "A12C", "A14", "B16C", "C03C", "C14x01C")
FRONT_PAGE = (*FRONT, "C17x01", "DRG")
CHINESE = (
    "机构代码",
    "病案号",
    "住院次数",
    "入院日期",
    "出院日期",
    "实际住院天数",
    "总费用",
    "离院方式",
    "入院途径",
    "性别",
    "年龄",
    "出院科别",
    "主要诊断编码",
    "主要手术操作编码",
    "手术级别",
    "DRG编码",
)
OTHER = (
    "医院编码",
    "住院号",
    "第几次住院",
    "入院时间",
    "出院时间",
    "住院天数",
    "住院总费用",
    "离院方式",
    "入院途径",
    "性别",
    "年龄（岁）",
    "出院科室",
    "出院主要诊断编码",
    "主要手术编码",
    "手术级别",
    "DRG组",
)
DRGS = ("FB13", "GC15", "EB11", "FA11", "BR21", "GZ13", "ES31", "FR45")
WORDS = {"way": {"1": "医嘱离院", "5": "死亡"}, "sex": {"1": "男", "2": "女"}, "route": {"1": "急诊", "2": "门诊"}}
NAMED = {"03.04": "心血管内科", "04.01": "普通外科"}
FULL_WIDTH = str.maketrans({c: chr(ord(c) + 0xFEE0) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"})


@dataclass
class Truth:
    """What a reader must find.

    Attributes
    ----------
    received
        File, or part of one as `file › part`, → records in it.
    not_read
        Name → why: "locked" for what programs leave behind, "other" for what is no table of records.
    months
        (hospital, year, month) → sound records.
    faults
        (file, rule) → records that are no good, or are to be marked, for exactly that reason.
    """

    received: dict[str, int] = field(default_factory=dict)
    not_read: dict[str, str] = field(default_factory=dict)
    months: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)


def write(folder: Path, hospitals: int, seed: int = 1, stays: int = 4) -> Truth:
    """Write the folder; `stays` a hospital and month of every second month."""
    truth = Truth()
    for place in range(hospitals):
        rng = random.Random(f"{seed} {place}")
        _hospital(folder, place, rng, stays, truth)
    (folder / "说明.txt").write_text("本文件夹为合成数据，没有病例\n", encoding="utf-8")
    truth.not_read["说明.txt"] = "other"
    return truth


def _hospital(folder: Path, place: int, rng: random.Random, stays: int, truth: Truth) -> None:
    code = f"{1003 + 7 * place}"
    shape = SHAPES[place % len(SHAPES)]
    home = folder / (f"{code}合成医院" if shape.in_folder else f"第{place:03}家合成医院")
    home.mkdir(parents=True)
    number = 0
    parts: dict[str, list[list[str]]] = {}
    planted: Counter[tuple[str, str]] = Counter()
    for year in YEARS:
        rows: list[list[str]] = []
        part = str(year) if shape.by_year else ""
        for month in range(1, 13, 2):
            for _ in range(stays):
                number += 1
                stay = _stay(code, number, year, month, rng)
                fault = rng.choice(FAULTS) if rng.random() < 0.03 else ""
                fault = "" if fault == "K09" and shape.in_folder else fault
                rows.append(_row(stay, shape, fault, rng))
                if fault:
                    planted[(part, fault)] += 1
                if fault in KEEPS:
                    truth.months[(code, year, month)] += 1
        parts.setdefault(part, []).extend(rows)
    names = shape.writer(home, shape, parts, rng)
    for part, rows in parts.items():
        name = f"{home.name}/{names[part]}"
        truth.received[name] = len(rows)
        for (of_part, fault), n in planted.items():
            if of_part == part:
                truth.faults[(name, fault)] += n
    if place % 5 == 0:
        (home / "~$打开的.xlsx").write_bytes(b"\x05lock")
        truth.not_read[f"{home.name}/~$打开的.xlsx"] = "locked"


def _stay(code: str, number: int, year: int, month: int, rng: random.Random) -> dict[str, str]:
    out = dt.date(year, month, rng.randint(1, 28))
    los = rng.randint(1, 20)
    surgical = rng.random() < 0.4
    return {
        "hospital": code,
        "record": f"{code}{number:06}",
        "visit": "1",
        "admitted": (out - dt.timedelta(days=los)).isoformat(),
        "discharged": out.isoformat(),
        "los": str(los),
        "cost": f"{rng.lognormvariate(9, 0.6) + 100:.2f}",
        "way": "5" if rng.random() < 0.02 else "1",
        "route": rng.choice("12"),
        "sex": rng.choice("12"),
        "age": str(rng.randint(20, 90)),
        "department": "04.01" if surgical else "03.04",
        "diagnosis": "K35.800" if surgical else "I21.900",
        "procedure": "47.0100" if surgical else "",
        "level": "3" if surgical else "",
        "drg": rng.choice(DRGS),
    }


# fault planted -> the rule that has to find it; those of `KEEPS` leave the record where it is
FAULTS = ("D02", "D06", "P05", "G01", "K09")
KEEPS = ("", "G01")


def _row(stay: dict[str, str], shape: Shape, fault: str, rng: random.Random) -> list[str]:
    stay = dict(stay)
    if fault == "D02":  # discharged before admission
        stay["admitted"], stay["discharged"] = stay["discharged"], stay["admitted"]
    elif fault == "P05":
        stay["diagnosis"] = rng.choice(["", "-", "无"])
    elif fault == "G01":
        stay["drg"] = rng.choice(["", "未入组", "NULL"])
    elif fault == "K09" and not shape.in_folder:
        stay["hospital"] = "合成医院甲"
    elif not fault and rng.random() < 0.2:  # other written forms of the same, which cost nothing
        stay["drg"] = rng.choice([stay["drg"].lower(), f" {stay['drg']} ", stay["drg"].translate(FULL_WIDTH)])
        stay["diagnosis"] = rng.choice([f"{stay['diagnosis']}\u3000", "'" + stay["diagnosis"]])
    if shape.words:
        stay |= {name: words.get(stay[name], stay[name]) for name, words in WORDS.items()}
        stay["department"] = NAMED[stay["department"]]
    for day in ("admitted", "discharged"):
        stay[day] = dt.date.fromisoformat(stay[day]).strftime(shape.days)
    if fault == "D06":
        stay["admitted"] = stay["admitted"][2:] if shape.days[:2] == "%Y" else stay["admitted"]
    return [stay[name] for name in FIELDS if not (shape.in_folder and name == "hospital")]


# --- how a hospital writes ------------------------------------------------------------------------------------------------


def _header(shape: Shape) -> list[str]:
    return [n for n, name in zip(shape.names, FIELDS, strict=True) if not (shape.in_folder and name == "hospital")]


def _text(shape: Shape, rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(_header(shape))
    writer.writerows(rows)
    return out.getvalue()


def _csv(home: Path, shape: Shape, parts: dict[str, list[list[str]]], rng: random.Random) -> dict[str, str]:
    names = {}
    for part, rows in parts.items():
        names[part] = f"病案{part}.{'tsv' if shape.delimiter == chr(9) else 'csv'}"
        (home / names[part]).write_bytes(_text(shape, rows, shape.delimiter).encode(shape.encoding))
    return names


def _zip(home: Path, shape: Shape, parts: dict[str, list[list[str]]], rng: random.Random) -> dict[str, str]:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, rows in parts.items():
            archive.writestr(f"{part}.csv", _text(shape, rows).encode(shape.encoding))
    with zipfile.ZipFile(home / "病案.zip", "w") as archive:
        archive.writestr("内.zip", inner.getvalue())
    return {part: f"病案.zip › 内.zip › {part}.csv" for part in parts}


def _gzip(home: Path, shape: Shape, parts: dict[str, list[list[str]]], rng: random.Random) -> dict[str, str]:
    for part, rows in parts.items():
        (home / f"病案{part}.csv.gz").write_bytes(gzip.compress(_text(shape, rows).encode(shape.encoding)))
    return {part: f"病案{part}.csv.gz" for part in parts}


def _parquet(home: Path, shape: Shape, parts: dict[str, list[list[str]]], rng: random.Random) -> dict[str, str]:
    for part, rows in parts.items():
        columns = list(map(list, zip(*rows, strict=True)))
        pq.write_table(pa.table(columns, names=_header(shape)), home / f"病案{part}.parquet")
    return {part: f"病案{part}.parquet" for part in parts}


def _workbook(home: Path, shape: Shape, parts: dict[str, list[list[str]]], rng: random.Random) -> dict[str, str]:
    """Title rows above the header, a sheet a year, an empty sheet beside them."""
    with xlsxwriter.Workbook(home / "病案.xlsx", {"strings_to_numbers": False}) as book:
        for part, rows in parts.items():
            sheet = book.add_worksheet(f"{part}年")
            sheet.merge_range(0, 0, 0, 5, f"合成医院 {part} 年出院病例")
            sheet.write(1, 0, "制表：合成")
            for line, row in enumerate([_header(shape), *rows], start=2):
                sheet.write_row(line, 0, row)
    if len(parts) == 1:
        return {part: "病案.xlsx" for part in parts}
    return {part: f"病案.xlsx › {part}年" for part in parts}


@dataclass(frozen=True)
class Shape:
    """One way to send records."""

    names: tuple[str, ...]
    writer: object
    encoding: str = "utf-8"
    delimiter: str = ","
    days: str = "%Y-%m-%d"
    words: bool = False
    by_year: bool = True
    in_folder: bool = False  # the hospital stands in the name of its folder only


SHAPES = (
    Shape(FRONT_PAGE, _csv),
    Shape(CHINESE, _csv, encoding="gb18030", words=True),
    Shape(FRONT_PAGE, _workbook),
    Shape(OTHER, _workbook, days="%Y/%m/%d", words=True),
    Shape(FRONT_PAGE, _zip, encoding="gb18030"),
    Shape(CHINESE, _csv, encoding="utf-16", words=True, by_year=False, delimiter="\t"),
    Shape(OTHER, _csv, encoding="gb18030", days="%Y年%m月%d日", in_folder=True),
    Shape(FRONT_PAGE, _gzip, days="%Y%m%d"),
    Shape(CHINESE, _parquet, words=True),
    Shape(OTHER, _csv, days="%Y.%m.%d", by_year=False),
)


def main(folder: Path, hospitals: int) -> None:
    """Write a folder and `truth.json` beside it."""
    truth = write(folder, hospitals)
    said = {
        "received": truth.received,
        "not_read": truth.not_read,
        "months": {" ".join(map(str, key)): n for key, n in truth.months.items()},
        "faults": {" ".join(key): n for key, n in truth.faults.items()},
    }
    folder.with_name(folder.name + "-truth.json").write_text(json.dumps(said, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
