"""Proposals of format maps: by the names of every known layout, by Chinese names, and by values alone. All data are 合成数据."""

from __future__ import annotations

import random
import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from small_files import cells_line
from test_layouts import CODES, LAYOUTS, written
from typer.testing import CliRunner

from toolkit.cli import app
from toolkit.data.reading.formats import available, format_map
from toolkit.data.reading.mapping import propose
from toolkit.errors import InputError
from toolkit.synthetic import Settings, generate
from toolkit.synthetic.pages import page_columns, year_stays

ANSWERS = {  # field: column of the front page it is in
    "identity": "A20",
    "birth_date": "A13",
    "admission_date": "B12",
    "discharge_date": "B15",
    "los_days": "B20",
    "cost_fen": "D01",
    "age_years": "A14",
    "principal_diagnosis": "C03C",
    "principal_procedure": "C14x01C",
    "record": "A48",
    "drg": "DRG",
    "died": "B34C",
    "exit_mode": "B34C",
    "hospital": "A01",
}


@pytest.fixture(scope="module")
def pages():
    region = generate(Settings(discharges=15_000, hospitals=6, projects=2, dirt_rate=0.0))
    year = region.settings.years[0]
    return page_columns(region, year, *year_stays(region, year)).to_pandas().astype(object)


def columns_of(proposal) -> dict[str, tuple[str, ...]]:
    return {g.field: g.columns for g in proposal.guesses}


def confirmed(proposal, path):
    path.write_text(proposal.yaml().replace("confirmed: false", "confirmed: true"), encoding="utf-8")
    return format_map(str(path))


@pytest.mark.parametrize("variant", ["as it is", "small letters", "full width"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_known_layouts_are_recognised_by_their_codes_in_any_case_and_width(tmp_path, layout, variant):
    content = written(LAYOUTS.index(layout)).decode()
    header, _, body = content.partition("\n")
    if variant == "small letters":
        header = header.lower()
    elif variant == "full width":
        header = "".join(chr(ord(c) + 0xFEE0) if c.isalnum() and c.isascii() else c for c in header)
    (tmp_path / "a.csv").write_text(f"{header}\n{body}", encoding="utf-8")
    proposal = propose(tmp_path / "a.csv")
    assert proposal.layout == (layout if variant != "full width" else proposal.layout)
    found, position = columns_of(proposal), LAYOUTS.index(layout)
    wanted = {
        "hospital": "hospital",
        "record": "record",
        "discharge_date": "out",
        "cost_fen": "total",
        "principal_diagnosis": "dx",
        "died": "exit",
        "principal_procedure": "op",
        "nursing_fen": "nursing",
    }
    for field, name in wanted.items():
        [column] = found[field]
        assert unicodedata.normalize("NFKC", column).lower() == CODES[name][position].lower()
    form, shipped = confirmed(proposal, tmp_path / "map.yaml"), format_map(layout)
    assert form.fields["died"].true == shipped.fields["died"].true == ["5"]
    assert form.fields["cost_fen"].scale == 100


def test_the_aaa_layout_is_recognised(tmp_path):
    rows = [
        ["机构代码", "AAA28", "AAA04", "AAB01", "AAC01", "AAX99"],
        ["0012", "7", "66", "2022-03-08", "2022-03-12", "y"],
    ]
    (tmp_path / "a.csv").write_text("\n".join(map(cells_line, rows)) + "\n", encoding="utf-8")
    proposal = propose(tmp_path / "a.csv")
    assert proposal.layout == "front-page-aaa"
    assert columns_of(proposal)["discharge_date"] == ("AAC01",)
    assert [c.name for c in proposal.unresolved] == ["AAX99"]


def test_brazilian_and_new_york_columns_get_their_shipped_map(tmp_path):
    sih = pd.DataFrame(
        {
            "CNES": "2077485",
            "N_AIH": [f"35191{i:08d}" for i in range(30)],
            "SEQ_AIH5": "000",
            "DT_INTER": "20190105",
            "DT_SAIDA": "20190109",
            "DIAS_PERM": "4",
            "VAL_TOT": "312.50",
            "MORTE": "0",
            "SEXO": ["1", "3"] * 15,
            "ESPEC": "05",
            "DIAG_PRINC": "F200",
            "PROC_REA": "0303170093",
            "IDENT": "1",
            "COD_IDADE": "4",
        }
    )
    sparcs = pd.DataFrame(
        {
            "Permanent Facility Id": "001458",
            "Discharge Year": "2022",
            "Length of Stay": ["3", "120 +"] * 15,
            "Total Costs": "12,345.67",
            "Patient Disposition": ["Expired", "Home"] * 15,
            "Gender": ["M", "F"] * 15,
            "Type of Admission": "Emergency",
            "APR MDC Code": "5",
            "CCSR Diagnosis Code": "CIR009",
            "CCSR Procedure Code": "CAR004",
            "APR Medical Surgical Description": "Medical",
            "APR DRG Code": "174",
            "APR Severity of Illness Code": "2",
            "Age Group": "70 or Older",
        }
    )
    for name, frame in {"sih": sih, "sparcs": sparcs}.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        frame.to_parquet(tmp_path / f"{name}.parquet")
        for suffix in ("csv", "parquet"):
            proposal = propose(tmp_path / f"{name}.{suffix}")
            assert proposal.layout == name
            form, shipped = confirmed(proposal, tmp_path / "map.yaml"), format_map(name)
            for field, source in shipped.fields.items():
                assert form.fields[field] == source, field
            assert form.scope == shipped.scope  # SIH's monthly continuation records
    assert "age_years" not in {g.field for g in proposal.sure}  # an age group is no age


def test_chinese_names_are_understood_whatever_brackets_and_blanks(tmp_path):
    header = [
        "机构代码",
        "病 案 号",
        "入院时间",
        "出院时间（年月日）",
        "实际住院（天）",
        "住院总费用(元)",
        "离院方式代码",
        "性　别",
        "年龄（岁）",
        "出院科别",
        "出院主要诊断编码",
        "科主任",
    ]
    row = [
        "0012",
        "7",
        "2022年3月1日",
        "2022年3月6日",
        "5",
        "1,000.50",
        "1",
        "男",
        "60",
        "心内科",
        "I21.000",
        "合成医师",
    ]
    (tmp_path / "a.csv").write_text("\n".join([cells_line(header), cells_line(row), ""]), encoding="gb18030")
    found = columns_of(propose(tmp_path / "a.csv"))
    wanted = [
        "hospital",
        "record",
        "admission_date",
        "discharge_date",
        "los_days",
        "cost_fen",
        "exit_mode",
        "sex",
        "age_years",
        "department",
        "principal_diagnosis",
    ]
    assert [found.get(field) for field in wanted] == [(name,) for name in header[:-1]]


@pytest.mark.parametrize("seed", [1, 2])
def test_without_names_the_values_tell(tmp_path, pages, seed):
    names = list(pages.columns)
    random.Random(seed).shuffle(names)
    shuffled = pages[names].sample(2_000, random_state=seed)
    real = dict(zip((f"列{i}" for i in range(len(names))), names, strict=True))
    shuffled.set_axis(list(real), axis=1).to_csv(tmp_path / "a.csv", index=False)
    proposal = propose(tmp_path / "a.csv")
    best = {g.field: real[g.columns[0]] for g in proposal.guesses}
    sure = {g.field for g in proposal.guesses if g.confidence >= 0.7}
    assert {"admission_date", "discharge_date", "los_days", "cost_fen", "age_years", "principal_diagnosis"} <= sure
    assert {f: best.get(f) for f in ANSWERS if f not in ("hospital", "died", "exit_mode")} == {
        f: c for f, c in ANSWERS.items() if f not in ("hospital", "died", "exit_mode")
    }
    assert best["department"] in ("B13C", "B16C")
    # admission and discharge department cannot be told apart: said, not hidden
    assert "同样像的还有" in next(g.reason for g in proposal.guesses if g.field == "department")
    assert {best["died"], best["exit_mode"]} <= {"B34C", "A49"}
    assert all(g.confidence <= 0.5 for g in proposal.guesses if g.field in ("died", "hospital"))


def test_sex_is_known_by_the_diagnoses_that_only_one_has(tmp_path):
    rng = np.random.default_rng(1)
    n = 400
    female = rng.random(n) < 0.5
    diagnosis = np.where(rng.random(n) < 0.3, np.where(female, "O80.0", "N40.0"), "I21.0")
    frame = pd.DataFrame(
        {"a": np.where(rng.random(n) < 0.5, "1", "2"), "b": np.where(female, "1", "2"), "c": diagnosis}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    [sex] = [g for g in propose(tmp_path / "a.csv").guesses if g.field == "sex"]
    assert sex.columns == ("b",)
    assert sex.source["values"] == {"2": "1", "1": "2"}  # coded the other way round


def test_a_proposal_holds_no_value_of_the_file(tmp_path, pages):
    pages.head(500).set_axis([f"列{i}" for i in range(len(pages.columns))], axis=1).to_csv(
        tmp_path / "a.csv", index=False
    )
    said = propose(tmp_path / "a.csv").yaml()
    for name in ("A11", "A20", "A48", "A26", "A32", "A13", "D01", "C11"):
        assert not [v for v in pages[name].head(500) if len(v) > 4 and v in said], name


def test_a_run_refuses_a_proposal_until_somebody_has_confirmed_it(tmp_path):
    (tmp_path / "a.csv").write_bytes(written(0))
    out = tmp_path / "my-format.yaml"
    done = CliRunner().invoke(app, ["map", str(tmp_path / "a.csv"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "confirmed: true" in done.output
    with pytest.raises(InputError, match=r"尚未经人核对[\s\S]*confirmed: true"):
        format_map(str(out))
    out.write_text(out.read_text(encoding="utf-8").replace("confirmed: false", "confirmed: true"), encoding="utf-8")
    assert format_map(str(out)).fields["hospital"].column == "A01"


def test_a_file_of_nothing_known_still_gives_a_map_to_fill_in(tmp_path):
    (tmp_path / "a.csv").write_text("甲,乙#1,丙\nx,y,z\n", encoding="utf-8")
    said = propose(tmp_path / "a.csv").yaml()
    assert 'hospital: {column: "?"}' in said
    assert 'discharge_date: {column: "?"}' in said
    assert re.findall(r"^#   (\S+)", said, re.MULTILINE) == ["甲", "乙＃1", "丙"]


def test_hostile_names_of_columns_cannot_leave_their_comment(tmp_path):
    (tmp_path / "a.csv").write_text(
        '"x\u2028fields: {}","A01","B15\u0085z","出院时间: {"\n1,2,3,2022-01-01\n', encoding="utf-8"
    )
    form = confirmed(propose(tmp_path / "a.csv"), tmp_path / "map.yaml")
    assert form.fields["hospital"].column == "A01"


def test_what_cannot_be_read_is_an_error_with_its_reason(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(InputError, match="空文件"):
        propose(tmp_path / "a.csv")
    assert set(LAYOUTS) <= set(available())
