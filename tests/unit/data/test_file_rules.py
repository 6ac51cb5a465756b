"""Rules over whole files that need their records: cover sheet, names, unit of money, lost zeros, share of ragged lines."""

from __future__ import annotations

import pandas as pd
import pytest
from small_files import MAP, line, row, take, text

from toolkit.errors import InputError

NAMED = (
    MAP
    + "  hospital_name: {column: NAME, optional: true}\n"
    + "  procedure_levels: {columns: [OP], beside: [LEVEL1], joined: '='}\n"
    + "  surgical: {columns: [LEVEL1], 'true': ['3']}\n"
)


def named(name: str, **cells: str) -> str:
    from small_files import HEADER, cells_line

    return cells_line([*[row(**cells)[column] for column in HEADER], name])


def content(*lines: str) -> bytes:
    from small_files import HEADER

    return text(*lines, header=[*HEADER, "NAME"]).encode()


@pytest.fixture
def registry(monkeypatch):
    """`take` with a registry that holds names and groups."""
    import small_files

    def run(folder, files, **more):
        table = pd.DataFrame(
            {
                "code": ["0012", "0013", "0014"],
                "name": ["合成市第一医院", "合成市第二医院", "合成市第三医院"],
                "level_group": ["三级"] * 3,
            }
        )
        real = small_files.take_in
        monkeypatch.setattr(
            small_files, "take_in", lambda params, form, _known, *rest: real(params, form, table, *rest)
        )
        return take(folder, files, yaml=NAMED, hospitals=["0012"], **more)

    return run


def test_a_name_that_is_not_the_codes_costs_the_records_under_it(registry, tmp_path):
    files = {
        "right.csv": content(named("合成市第一医院"), named("-"), named(" 合成市第一医院 ")),
        "wrong.csv": content(named("合成市第二医院"), named("合成市第一医院")),
        "unknown.csv": content(named("谁也不知道", H="9999")),
    }
    taken = registry(tmp_path, files)
    assert (taken.files["rejected"] == "").all()
    assert taken.lines("wrong.csv") == {2: "K02"}
    assert set(taken.lines("unknown.csv").values()) == {"K01"}  # an unknown code is a matter of rule K01
    assert taken.files.loc["wrong.csv", "received"] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "refused"), [(100, True), (51, True), (49, False), (199, True), (201, False), (1, False)]
)
def test_fen_sent_as_yuan_refuses_the_file(registry, tmp_path, times, refused):
    files = {
        f"{code}.csv": content(*[named("-", H=code, COST=f"{cost}.00") for _ in range(30)])
        for code, cost in (("0012", 1000 * times), ("0013", 1000), ("0014", 1000))
    }
    taken = registry(tmp_path, files)
    assert ("规则C09" in taken.files.loc["0012.csv", "rejected"]) == refused
    assert (taken.files.loc[["0013.csv", "0014.csv"], "rejected"] == "").all()


def test_few_cases_say_nothing_of_the_unit(registry, tmp_path):
    files = {
        "0012.csv": content(*[named("-", COST="100000.00") for _ in range(29)]),
        "0013.csv": content(*[named("-", H="0013") for _ in range(30)]),
    }
    assert (registry(tmp_path, files).files["rejected"] == "").all()


COVERED = [line(COST="10.50"), line(COST="20.25"), line(IN="2022-03-30", OUT="2022-04-02", DAYS="3", COST="1.00")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        ("file,month,discharges,total_cost\na.csv,,3,31.75\na.csv,2022-03,2,30.75\n", ""),
        ("file,month,discharges\na.csv,2022-4,1\n", ""),
        ("file,discharges,total_cost\na.csv,4,\n", "例数 文件 3、说明 4"),
        ("file,discharges,total_cost\na.csv,3,31.76\n", "文件 31.75、说明 31.76"),
        ("file,month,discharges\na.csv,2022-03,3\n", "2022-03例数 文件 2、说明 3"),
        ("file,discharges\nb.csv,3\n", "报送说明没有本文件"),
    ],
)
def test_a_cover_sheet_holds_to_the_last_fen(tmp_path, sheet, says):
    (tmp_path / "cover.csv").write_text(sheet, encoding="utf-8")
    files = {"a.csv": text(*COVERED).encode()}
    if says:
        with pytest.raises(InputError, match=says):
            take(tmp_path, files, data={"cover_sheet": str(tmp_path / "cover.csv")})
        return
    assert take(tmp_path, files, data={"cover_sheet": str(tmp_path / "cover.csv")}).files.loc["a.csv", "rejected"] == ""


def test_lost_zeros_refuse_the_file(tmp_path):
    (tmp_path / "codes.csv").write_text("code,valid_from,valid_to\n36.10,2000,\n37.34,2000,\n", encoding="utf-8")
    files = {
        "kept.csv": text(*[line(OP="36.10") for _ in range(9)], line(OP="36.1")).encode(),
        "lost.csv": text(*[line(OP="36.10") for _ in range(8)], line(OP="36.1"), line(OP="36.1")).encode(),
    }
    taken = take(tmp_path, files, yaml=NAMED, data={"procedure_dictionary": str(tmp_path / "codes.csv")})
    assert "规则F08" in taken.files.loc["lost.csv", "rejected"]
    assert taken.files.loc["kept.csv", "rejected"] == ""
    [hit] = taken.fates.to_dict("records")  # one in ten is the limit; the code itself is a matter of rule P13
    assert (hit["fate"], hit["rules"]) == ("accepted", "|P13|")
    assert taken.store["surgery_usable"].sum() == 9


@pytest.mark.slow
@pytest.mark.parametrize(("sound", "refused"), [(999, False), (998, True)])
def test_too_many_ragged_lines_refuse_the_file(tmp_path, sound, refused):
    other = text(line()).encode()
    files = {"a.csv": text(*[line() for _ in range(sound)], "just one cell").encode(), "b.csv": other}
    taken = take(tmp_path, files, quality={"ragged_share": 0.001})
    assert ("规则F05" in taken.files.loc["a.csv", "rejected"]) == refused
    assert len(taken.of("a.csv")) == (0 if refused else sound)
