"""Rules over DRGs and specialties (规则 G, S)."""

from __future__ import annotations

import pandas as pd
from ibis import _

from toolkit.data.quality import hospitals
from toolkit.data.quality.base import CASE_MIX, SPECIALTY, Fate, Level, Rule
from toolkit.data.quality.codes import DRG_UNFIT, UNGROUPED
from toolkit.data.quality.given import DrgLimit, Given
from toolkit.written_form import written_form


def _unlisted(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.weights is not None  # noqa: S101  the rule needs it
    grouped = found["drg"].notna() & ~found["drg"].fillna("").str.contains(UNGROUPED)  # else rule G01
    grouped &= ~found["drg"].isin(given.ungrouped)
    if shape := given.shapes.get("drg", ""):  # else rule G08
        grouped &= found["drg"].fillna("").str.contains(shape.replace("(", "(?:"))
    return grouped & ~found["drg"].isin(given.weights)


def _other_weight(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.weights is not None  # noqa: S101  the rule needs it
    listed = found["drg"].map(given.weights)
    return listed.notna() & found["drg_weight"].notna() & (listed != found["drg_weight"])


def _other_version(found: pd.DataFrame, given: Given) -> pd.Series:
    expected = found["year"].map(given.versions)
    return found["grouper_version"].notna() & expected.notna() & (found["grouper_version"] != expected)


def _impossible(found: pd.DataFrame, given: Given) -> pd.Series:
    hit = pd.Series(False, index=found.index)
    letters = found["principal_diagnosis"].fillna("").str.upper()
    for limit in given.limits:
        of_drg = found["drg"].fillna("").str.startswith(limit.drg)
        wrong = found["age_years"].notna() & ~found["age_years"].between(limit.youngest, limit.oldest)
        if limit.sex:
            wrong |= found["sex"].isin(["1", "2"]) & (found["sex"] != limit.sex)
        if limit.diagnoses:
            wrong |= (letters != "") & ~letters.str.startswith(limit.diagnoses)
        hit |= of_drg & wrong
    return hit


GROUP_RULES = (
    Rule(
        id="G01",
        name_zh="未入组",
        fate=Fate.EXCLUDED,
        scopes=(CASE_MIX,),
        message_zh="DRG 为空、0000、歧义组（QY）或表示未入组的文字，不计入 CMI、DRG 组数和消耗指数",
        needs=("drg",),
        thresholds=("grouping.ungrouped",),
        test=lambda params: (
            (_.drg.isnull() & _.drg_found.fill_null(True))
            | _.drg.re_search(UNGROUPED)
            | _.drg.isin([written_form(word) for word in params.grouping.ungrouped])
        ),
        passes={"drg": "FA11"},
        fails={"drg": "FQY"},
    ),
    Rule(
        id="G09",
        name_zh="分组结果文件中没有本次住院",
        fate=Fate.EXCLUDED,
        scopes=(CASE_MIX,),
        message_zh="分组结果文件中没有本次住院，不计入病例组合类指标",
        source="分组结果文件",
        needs=("drg",),
        inputs=("data.drg_file",),
        test=lambda params: ~_.drg_found,
        passes={"drg_found": True},
        fails={"drg_found": False, "drg": None},
    ),
    DRG_UNFIT,
    Rule(
        id="G02",
        name_zh="DRG 不在权重表内",
        fate=Fate.QUARANTINED,
        level=Level.CODES,
        message_zh="DRG 不在所用的权重表内",
        worklist_zh="DRG {drg} 不在权重表内",
        needs=("drg",),
        inputs=("weights.file",),
        over=("drg",),
        check=_unlisted,
        given=Given(weights={"FA11": 1.5}),
        passes={"drg": "FA11"},
        fails={"drg": "FA12"},
    ),
    Rule(
        id="G03",
        name_zh="分组器版本不同",
        fate=Fate.EXCLUDED,
        scopes=(CASE_MIX,),
        level=Level.CODES,
        message_zh="分组器版本与本周期不同，须重新分组，不计入病例组合类指标",
        needs=("grouper_version", "year"),
        source="数据质量规则目录（对病例组合类指标拒收）",
        inputs=("grouping.versions",),
        over=("grouper_version", "year"),
        check=_other_version,
        given=Given(versions={2022: "2.0"}),
        passes={"grouper_version": "2.0"},
        fails={"grouper_version": "1.1"},
    ),
    Rule(
        id="G04",
        name_zh="未入组比例高",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.much_ungrouped,
        tables=("years",),
        message_zh="未入组比例高于界限",
        needs=("drg",),
        thresholds=("quality.ungrouped_share",),
        passes={"years": [{"ungrouped": 0.10}]},
        fails={"years": [{"ungrouped": 0.11}]},
    ),
    Rule(
        id="G05",
        name_zh="DRG 与病例不符",
        fate=Fate.WARNED,
        level=Level.CODES,
        message_zh="DRG 与性别、年龄或主要诊断不符",
        worklist_zh="DRG {drg} 与性别 {sex}、年龄 {age_years} 或主要诊断 {principal_diagnosis} 不符",
        needs=("drg",),
        inputs=("data.drg_limits",),
        over=("drg", "sex", "age_years", "principal_diagnosis"),
        check=_impossible,
        fields=("drg", "sex", "age_years", "principal_diagnosis"),
        given=Given(limits=(DrgLimit(drg="O", sex="2", youngest=10, oldest=60, diagnoses=("O",)),)),
        passes={"drg": "OA11", "sex": "2", "age_years": 60, "principal_diagnosis": "O80.0"},
        fails={"drg": "OA11", "sex": "2", "age_years": 30, "principal_diagnosis": "I21.0"},
    ),
    Rule(
        id="G06",
        name_zh="权重与权重表不同",
        fate=Fate.WARNED,
        level=Level.CODES,
        message_zh="所填权重与权重表不同，以权重表为准",
        worklist_zh="权重填 {drg_weight}，与权重表不同，以权重表为准",
        needs=("drg", "drg_weight"),
        inputs=("weights.file",),
        over=("drg", "drg_weight"),
        check=_other_weight,
        given=Given(weights={"FA11": 1.5}),
        passes={"drg": "FA11", "drg_weight": 1.5},
        fails={"drg": "FA11", "drg_weight": 1.4},
    ),
    Rule(
        id="G07",
        name_zh="DRG 参照病例过少",
        fate=Fate.EXCLUDED,
        scopes=(CASE_MIX,),
        level=Level.MEASURE,
        applied="toolkit.reference",
        message_zh="DRG 的参照病例少于最少例数，不计入消耗指数",
        needs=("drg",),
        thresholds=("reference.minimum_cases",),
    ),
    Rule(
        id="G10",
        name_zh="DRG 编码变更",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.fresh_codes,
        tables=("codes",),
        message_zh="半年内许多病例属于本院此前没有的 DRG，疑为分组器版本变更或编码写法不同",
        source="数据质量规则目录 G03，用于未声明分组器版本的年份",
        needs=("drg",),
        thresholds=("quality.fresh_codes", "quality.code_cases"),
        passes={"codes": [{"fresh": 30}, {"before": 99, "fresh": 90}]},
        fails={"codes": [{"fresh": 31}]},
    ),
    Rule(
        id="S01",
        name_zh="不属于所评专科",
        fate=Fate.EXCLUDED,
        scopes=(SPECIALTY,),
        source="数据质量规则目录（此处不隔离：仍计入参照与全院）",
        message_zh="不属于任何所评专科，只计入参照与全院",
        worklist_zh="出院科别 {department} 不属于任何所评专科",
        needs=("specialty",),
        fields=("department",),
        test=lambda params: _.specialty.isnull(),
        passes={"specialty": "cardiology"},
        fails={"specialty": None},
    ),
    Rule(
        id="S02",
        name_zh="科室与专科的对应有变更",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        applied="toolkit.data.accounts.hospital_facts",
        message_zh="科室与专科的对应在评价期内有变更",
        needs=("department",),
        inputs=("data.departments",),
    ),
)
