"""A wrong parameter file gives one message: file, line, what was expected, the nearest valid key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toolkit.errors import ParameterError
from toolkit.params import RunParams, load_params, policies

GOOD = """\
run: trial
title: 试运行（合成数据）
data:
  format: canonical
  files: [records.csv]
cycles:
  before: {first: 2019, last: 2021}
  after: {first: 2022, last: 2024}
specialties:
  - {id: cardiology, name_zh: 心血管内科, departments: ["03.04"]}
projects:
  - {hospital: 0012, specialty: cardiology}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "records.csv").write_text("hospital\n", encoding="utf-8")

    def write(old: str = "", new: str = "") -> Path:
        assert old in GOOD
        path = tmp_path / "trial.yaml"
        path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
        return path

    return write


def test_a_good_file_is_read_and_paths_start_at_the_file(write, tmp_path):
    params = load_params(write())
    assert params.data.files == [str((tmp_path / "records.csv").resolve())]
    assert params.periods["before"].label == "2019–2021"


def test_hospital_codes_with_leading_zeros_stay_text(write):
    assert load_params(write()).projects[0].hospital == "0012"


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ("projects:", "projetcs:", 11, ["未知的键 projetcs", "projects", "did you mean"]),
        ("last: 2024", "last: 2023", 6, ["连续 3 个自然年", "2022–2023"]),
        ("first: 2019,", "first: 2019, fist: 1,", 7, ["未知的键 fist", "first"]),
        ("first: 2019", 'first: "2019"', 7, ["整数", "cycles.before.first"]),
        ("{hospital: 0012", "{hospital: 12", 12, ["文本", '"12"']),
        ("records.csv", "recods.csv", 5, ["路径不存在", "records.csv"]),
        ("[records.csv]", "[none-*.csv]", 5, ["没有文件与 none-*.csv 相符"]),
        ("title: 试运行（合成数据）\n", "", 1, ["缺少 title"]),
        ("run: trial", "run: ../escape", 1, ["run"]),
        ("run: trial", "run: trial\nrun: again", 2, ["键 run 重复"]),
        ("specialty: cardiology}", "specialty: cardiolgy}", 1, ["cardiolgy", "cardiology"]),
        ('["03.04"]}', '["03.04"], drgs: [F]}', 10, ["只能给出一个"]),
        ("title: 试运行", "title: [试运行", 3, ["YAML 语法错误"]),
        ("run: trial", "run: trial\ntrimming: {method: iqrs}", 2, ["iqrs", "iqr"]),
        ("run: trial", "run: trial\nreference: {minimum_cases: true}", 2, ["整数"]),
    ],
)
def test_each_fault_names_its_line_and_remedy(write, old, new, line, parts):
    path = write(old, new)
    with pytest.raises(ParameterError) as caught:
        load_params(path)
    message = str(caught.value)
    assert f"{path}:{line}" in message
    for part in parts:
        assert part in message
    assert caught.value.exit_code == 2


def test_words_that_yaml_likes_to_convert_stay_as_written(write):
    # YAML 1.1 reads no as False, 12:30 as 750 and 1e5 as text or number by reader
    path = write('["03.04"]', "[no, 12:30, 1E5, 007]")
    assert load_params(path).specialties[0].departments == ["no", "12:30", "1E5", "007"]


def test_two_specialties_may_not_claim_one_department(write):
    path = write("projects:", '  - {id: other, name_zh: 其他, departments: ["03.04"]}\nprojects:')
    with pytest.raises(ParameterError, match=r"03\.04 同时属于 cardiology 和 other"):
        load_params(path)


def test_price_index_must_hold_every_year(write):
    path = write("run: trial", "run: trial\nprice_index: {2019: 1.0}")
    with pytest.raises(ParameterError, match="2024"):
        load_params(path)


def test_a_missing_file_suggests_the_nearest(write):
    path = write()
    with pytest.raises(ParameterError, match=r"trial\.yaml"):
        load_params(path.with_name("trail.yaml"))


def test_a_gb18030_parameter_file_is_refused_with_its_line(tmp_path):
    path = tmp_path / "gb.yaml"
    path.write_bytes(GOOD.encode("gb18030"))
    with pytest.raises(ParameterError, match=r"gb\.yaml:2"):
        load_params(path)


def test_every_policy_is_printed_in_chinese(write):
    params = load_params(write())
    printed = dict(policies(params))
    assert printed["裁剪：裁剪方法"] == "四分位距法"
    assert printed["排除：总费用上限"] == "2,000,000"
    assert "裁剪：标准差倍数" not in printed  # not of the method used
    assert all(name and value for name, value in printed.items())
    assert not any("True" in v or "False" in v or "None" in v for v in printed.values())


def test_parameters_survive_the_way_through_json(write):
    params = load_params(
        write(
            "run: trial", "run: trial\nprice_index: {2019: 1.0, 2020: 1.1, 2021: 1.2, 2022: 1.3, 2023: 1.4, 2024: 1.5}"
        )
    )
    assert RunParams.model_validate_json(params.model_dump_json()) == params


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "params").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_parameter_files_hold(path, tmp_path):
    """Those of the real runs are tried without the data, which lie beside the repository."""
    text = path.read_text(encoding="utf-8")
    trial = tmp_path / path.name
    trial.write_text(re.sub(r"files: \[.*\]", "files: [records.csv]", text), encoding="utf-8")
    (tmp_path / "records.csv").write_text("hospital\n", encoding="utf-8")
    assert load_params(trial).run == path.stem
