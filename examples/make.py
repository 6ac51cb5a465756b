"""Makes the files of this folder: four hospitals, each sending its records in its own way. All of it is 合成数据 (synthetic).

python examples/make.py            # writes examples/sent and examples/filled-in anew: the same bytes for the .csv every time
"""

from __future__ import annotations

import csv
import datetime as dt
import random
from pathlib import Path

import xlsxwriter

HERE = Path(__file__).parent
YEARS = range(2019, 2025)
# the fields of the 病案首页 export, and what others call them
NAMES = {
    "A01": "机构代码",
    "A48": "病案号",
    "A49": "住院次数",
    "B12": "入院日期",
    "B15": "出院日期",
    "B20": "实际住院天数",
    "D01": "总费用",
    "B34C": "离院方式",
    "B11C": "入院途径",
    "A12C": "性别",
    "A14": "年龄",
    "B16C": "出院科别",
    "C03C": "主要诊断编码",
    "C14x01C": "主要手术操作编码",
    "C17x01": "手术级别",
    "DRG": "DRG编码",
}
FRONT_PAGE, CHINESE = list(NAMES)[:-1], list(NAMES.values())
WAYS, SEXES, ROUTES = {"1": "医嘱离院", "5": "死亡"}, {"1": "男", "2": "女"}, {"1": "急诊", "2": "门诊"}
# department, its name, diagnosis, DRG, procedure, level, mean days, mean cost
MIX = (
    ("03.04", "心血管内科", "I21.900", "FR23", "", "", 8, 12_000),
    ("03.04", "心血管内科", "I25.100", "FR43", "", "", 6, 7_000),
    ("04.01", "普通外科", "K35.800", "GD23", "47.0100", "2", 6, 9_000),
    ("04.01", "普通外科", "K80.000", "HC23", "51.2300", "3", 7, 15_000),
)
HOSPITALS = {
    "1201": ("合成市第一医院", "三级", "市"),
    "1202": ("合成市第二医院", "三级", "市"),
    "1203": ("合成甲县医院", "二级", "县"),
    "1204": ("合成乙县医院", "二级", "县"),
}


def stays(hospital: str, number: int) -> list[list[str]]:
    """Rows in the order of `CHINESE`, a year's after the other's."""
    draw = random.Random(f"examples {hospital}")
    rows = []
    for year in YEARS:
        shorter = 0.85 if hospital == "1201" and year >= 2022 else 1.0
        for case in range(number):
            department, _name, diagnosis, drg, procedure, level, days, cost = draw.choice(MIX)
            out = dt.date(year, 1 + case % 12, draw.randint(1, 28))
            los = max(1, round(draw.gauss(days * shorter, 2)))
            total = round(cost * draw.lognormvariate(0, 0.3), 2)
            days_of = [f"{out - dt.timedelta(days=los)}", f"{out}", f"{los}"]
            who = [
                "5" if draw.random() < 0.02 else "1",
                draw.choice("12"),
                draw.choice("12"),
                f"{draw.randint(30, 90)}",
            ]
            record = [hospital, f"{hospital}{year}{case:04}", "1"]
            rows.append([*record, *days_of, f"{total:.2f}", *who, department, diagnosis, procedure, level, drg])
    return rows


def in_words(row: list[str]) -> list[str]:
    """A row with words where the standard has codes."""
    names = {one[0]: one[1] for one in MIX}
    return [*row[:7], WAYS[row[7]], ROUTES[row[8]], SEXES[row[9]], row[10], names[row[11]], *row[12:]]


def write_csv(path: Path, header: list[str], rows: list[list[str]], encoding: str = "utf-8") -> None:
    """A table as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main() -> None:
    """Write both folders."""
    sent, filled = HERE / "sent", HERE / "filled-in"
    number = 60
    first = stays("1201", number)
    # the front page as exported, its DRGs in a file of the grouper's
    write_csv(sent / "1201" / "病案首页.csv", FRONT_PAGE, [row[:-1] for row in first])
    write_csv(
        sent / "1201" / "分组结果.csv",
        ["机构代码", "病案号", "住院次数", "DRG编码"],
        [row[:3] + row[-1:] for row in first],
    )
    # words and GB18030, a file a year
    second = stays("1202", number)
    for year in YEARS:
        mine = [in_words(row) for row in second if row[4].startswith(str(year))]
        write_csv(sent / "1202" / f"{year}.csv", CHINESE, mine, "gb18030")
    # a workbook with a sheet a year and a title above the header
    third = stays("1203", number)
    (sent / "1203").mkdir(exist_ok=True)
    with xlsxwriter.Workbook(sent / "1203" / "出院病例.xlsx") as book:
        for year in YEARS:
            sheet = book.add_worksheet(f"{year}年")
            sheet.merge_range(0, 0, 0, 5, f"合成甲县医院 {year} 年出院病例（合成数据）")
            mine = [in_words(row) for row in third if row[4].startswith(str(year))]
            for line, row in enumerate([CHINESE, *mine], start=1):
                sheet.write_row(line, 0, row)
    # the hospital stands in the name of the folder only, days are written another way
    fourth = [
        [cell.replace("-", ".") if n in (3, 4) else cell for n, cell in enumerate(row)] for row in stays("1204", number)
    ]
    write_csv(sent / "1204_合成乙县医院" / "病例.csv", CHINESE[1:], [row[1:] for row in fourth])
    (sent / "1204_合成乙县医院" / "~$病例.xlsx").write_bytes(b"\x05")

    header = ["code", "name", "level", "level_group", "tier", "county", "aliases"]
    write_csv(
        filled / "hospitals.csv",
        header,
        [[code, name, level, level, tier, "", ""] for code, (name, level, tier) in HOSPITALS.items()],
    )
    write_csv(
        filled / "weights.csv",
        ["drg", "weight"],
        [["FR23", "1.20"], ["FR43", "0.75"], ["GD23", "0.85"], ["HC23", "1.30"]],
    )
    write_csv(
        filled / "departments.csv",
        ["department", "specialty"],
        [
            ["03.04", "cardiology"],
            ["心血管内科", "cardiology"],
            ["04.01", "general-surgery"],
            ["普通外科", "general-surgery"],
        ],
    )


if __name__ == "__main__":
    main()
