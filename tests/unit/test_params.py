"""A wrong parameter file gives one message with all that is wrong: file, line, what was expected, the nearest valid key."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from toolkit.errors import ParameterError
from toolkit.evaluation.names import NAMES
from toolkit.params import Choice, NotPrinted, OnlyWith, RunParams, load_params, marked, policies
from toolkit.strict_yaml import Section

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
        ("specialty: cardiology}", "specialty: cardiolgy}", 12, ["cardiolgy", "cardiology"]),
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
    assert load_params(path).specialties[0].departments == ["NO", "12:30", "1E5", "007"]  # codes in capitals


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
    printed = dict(policies(params, NAMES))
    assert printed["裁剪：裁剪方法"] == "四分位距法"
    assert printed["排除：总费用上限"] == "2,000,000"
    assert "裁剪：标准差倍数" not in printed  # not of the method used
    assert all(name and value for name, value in printed.items())
    words = {
        name: v for name, v in printed.items() if name != "数据质量：表示空值的文字"
    }  # the list of words for nothing
    assert not any("True" in v or "False" in v or "None" in v for v in words.values())


def test_a_choice_is_printed_in_the_words_of_its_own_declaration(write):
    """`none` is 不裁剪 of trimming and 不加权 of weights: no dictionary stands between a value and its words."""
    printed = dict(policies(load_params(write()), NAMES))
    assert printed["风险分级：均值与标准差的权重"] == "不加权"
    assert printed["裁剪：定基指数的裁剪"] == "不裁剪"
    assert printed["稳健性：定基裁剪"] == "不裁剪、四分位距法"
    assert printed["对照：最少对照单元数"] == "2"


def _sections(section: type[Section], at: str = "") -> list[tuple[str, object]]:
    """Every field of the parameters, at any depth, with its keys."""
    found = []
    for name, field in section.model_fields.items():
        found.append((at + name, field))
        if isinstance(field.default, Section):
            found += _sections(type(field.default), f"{at}{name}.")
    return found


def test_every_section_is_printed_or_says_why_not(write):
    """Each policy is changed and must change what is printed, unless it is declared not to be printed, with a reason."""
    params = load_params(
        write("run: trial", "run: trial\nedition: release\nshocks: [{label: 大疫, first: 2020, last: 2022}]")
    )
    for name, field in RunParams.model_fields.items():
        reason, told = marked(field, NotPrinted), [title for title, _ in policies(params, NAMES)]
        printed = [t for t in told if t == field.title or t.startswith(f"{field.title}：")]
        assert bool(printed) != bool(reason), name
        assert reason is None or len(reason.reason.split()) > 2, name
    titles = {title for title, _ in policies(params, NAMES)}
    for keys, field in _sections(RunParams):
        if "." in keys and not marked(field, OnlyWith) and not isinstance(field.default, Section):
            assert any(title.endswith(f"：{field.title}") for title in titles), keys


def test_what_only_holds_with_another_choice_is_printed_with_that_choice_alone(write):
    assert not any("披露控制" in title for title, _ in policies(load_params(write()), NAMES))
    percentile = load_params(write("run: trial", "run: trial\ntrimming: {method: percentile}"))
    printed = dict(policies(percentile, NAMES))
    assert printed["裁剪：下百分位"] == "0.05"
    assert "裁剪：四分位距下倍数" not in printed


def test_no_raw_id_reaches_a_reader(write):
    params = load_params(write("run: trial", "run: trial\nshocks: [{label: 大疫, first: 2020, last: 2022}]"))
    printed = dict(policies(params, NAMES))
    ids = {id_ for names in NAMES.values() for id_ in names} | {"cardiology", "age_band", "admission_route"}
    words = {word for value in printed.values() for word in re.findall(r"[A-Za-z_]{3,}", value)}
    assert not words & ids
    assert printed["专科：心血管内科"] == "出院科别代码 03.04"
    assert printed["监测：风险模型协变量（DRG 之外）"] == "年龄组、性别、入院途径"
    assert printed["监测：控制图目标值"] == "费用消耗指数 1、时间消耗指数 1"
    assert printed["外部事件"] == "大疫（2020–2022 年）"
    assert printed["数据质量：入出院日期最早年份（规则D05）"] == "1990"


def test_every_choice_has_words_of_its_own():
    for choice in Choice.__subclasses__():
        words = [one.zh for one in choice]
        assert len(set(words)) == len(words), choice
        assert all(re.search(r"[\u4e00-\u9fff]", word) or word in ("DuckDB", "Spark") for word in words), choice


def test_all_faults_are_told_at_once_in_the_order_of_their_lines(write):
    """Wrong keys, a wrong type, a choice that does not exist, a file that is not there, an undefined specialty, a method."""
    path = write()
    text = path.read_text(encoding="utf-8").replace("records.csv", "recods.csv")
    text = text.replace("specialty: cardiology}", "specialty: cardiolgy}").replace("run: trial", "run: trial\ntitel: x")
    text += "trimming: {method: iqrs}\nreference: {minimum_cases: many}\nchange: {methods: [dod, did]}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        load_params(path, NAMES)
    message = str(caught.value)
    lines = [int(n) for n in re.findall(r"trial\.yaml:(\d+)", message)]
    assert lines == [2, 6, 13, 14, 15, 16]
    for part in ("未知的键 titel", "recods.csv", "cardiolgy", "iqrs", "整数", "dod", "共 6 处问题", "6 faults"):
        assert part in message
    assert caught.value.exit_code == 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_a_fault_that_another_brought_about_is_not_told(write):
    """Without its faulty departments the specialty would have no definition, and without cycles there is no time span."""
    path = write('["03.04"]', "[3.04]")
    path.write_text(path.read_text("utf-8").replace("last: 2024", "last: 2023"), encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        load_params(path, NAMES)
    assert len(caught.value.parts) == 2
    assert "没有定义" not in str(caught.value)


def test_the_method_that_judges_must_be_run(write):
    path = write("run: trial", "run: trial\nchange: {methods: [twfe], verdict_from: did}")
    with pytest.raises(ParameterError, match=r"trial\.yaml:2"):
        load_params(path, NAMES)


def test_parameters_made_in_code_hold_the_rules_across_sections(write):
    values = load_params(write()).model_dump(mode="json")
    values["projects"][0]["specialty"] = "neurology"
    with pytest.raises(ValueError, match="neurology"):
        RunParams.model_validate(values)


def test_parameters_survive_the_way_through_json(write):
    params = load_params(
        write(
            "run: trial", "run: trial\nprice_index: {2019: 1.0, 2020: 1.1, 2021: 1.2, 2022: 1.3, 2023: 1.4, 2024: 1.5}"
        )
    )
    assert RunParams.model_validate_json(params.model_dump_json()) == params


SHIPPED = [
    path
    for path in sorted((Path(__file__).parents[2] / "params").glob("*.yaml"))
    if path.stem != "programme-demo"  # of a whole cycle, not of a run: tests/unit/programme/test_whole_cycle.py
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_parameter_files_hold(path, tmp_path):
    """Those of the real runs are tried without the data, which lie beside the repository."""
    text = path.read_text(encoding="utf-8")
    trial = tmp_path / path.name
    trial.write_text(re.sub(r"files: \[.*\]", "files: [records.csv]", text), encoding="utf-8")
    (tmp_path / "records.csv").write_text("hospital\n", encoding="utf-8")
    assert load_params(trial).run == path.stem
