"""Whether codes have the shape of their kind, with or without a dictionary (规则 F10, K09, P17, P18, G08), by distinct codes.

A code that has not is none: it came from another column, another grouper or a keyboard. What looks like a person in the place
of a code puts its whole record apart, before it can reach a table.
"""

from __future__ import annotations

import pandas as pd
from ibis import _
from ibis.common.deferred import Deferred

from toolkit.data.discharge.schema import PERSONAL, SLIPPED
from toolkit.data.quality.base import CASE_MIX, Fate, Level, Rule
from toolkit.data.quality.given import Given
from toolkit.written_form import SCIENTIFIC

CHINESE = r"[\u4e00-\u9fff]"
NO_NAMES = ("principal_diagnosis", "principal_procedure")  # a department may be called by its name, a DRG by a word
SHAPE = "编码形式"
UNGROUPED = r"^0+$|^9{4,}$|QY$"


def _slipped(found: pd.DataFrame, given: Given) -> pd.Series:
    hit = pd.Series(False, index=found.index)
    for name in found:
        text = found[name].fillna("").astype(str)
        pattern = f"{PERSONAL}|{CHINESE}" if name in NO_NAMES else PERSONAL
        hit |= text == SLIPPED
        hit |= text.str.contains(pattern.replace("(", "(?:"), regex=True)
    return hit


def _unfit(found: pd.DataFrame, given: Given) -> pd.Series:
    [name] = found.columns
    text = found[name].astype("string")
    shape = given.shapes.get(name, "")
    if not shape:
        return pd.Series(False, index=found.index)
    return (text.notna() & ~text.fillna("").str.contains(shape.replace("(", "(?:"), regex=True)).astype(bool)


def _unfit_drg(found: pd.DataFrame, given: Given) -> pd.Series:
    ungrouped = found["drg"].fillna("").str.contains(UNGROUPED) | found["drg"].isin(given.ungrouped)  # else rule G01
    return _unfit(found, given) & ~ungrouped & ~found["drg"].isin(set(given.weights or ()))


SLIPPED_CELL = Rule(
    id="F10",
    name_zh="单元格错位",
    fate=Fate.QUARANTINED,
    level=Level.CODES,
    message_zh="编码的位置上是身份证号、手机号或文字，疑为单元格错位，整行隔离",
    source=SHAPE,
    needs=("hospital",),
    fields=(),
    over=("reported_hospital", "department", "drg", "sex", "exit_mode", "admission_route", *NO_NAMES),
    each=True,
    check=_slipped,
    given=Given(),
    passes={"principal_diagnosis": "I21.000", "department": "心内科"},
    fails={"principal_diagnosis": "张三"},
)
SCIENTIFIC_IDENTIFIER = Rule(
    id="F07",
    name_zh="标识被存为数值",
    fate=Fate.QUARANTINED,
    message_zh="标识被存为科学计数法或 15 位以上的数值，末尾数字已丢失，请改为文本格式",
    needs_any=("record", "identity", "health_card"),
    test=lambda params: _lost_digits("record") | _lost_digits("identity") | _lost_digits("health_card"),
    passes={"record": "123E5"},
    fails={"record": "1.23457E+11"},
)
HOSPITAL_UNFIT = Rule(
    id="K09",
    name_zh="机构代码形式不符",
    fate=Fate.QUARANTINED,
    message_zh="机构代码不是代码（含文字或符号），不属于任何机构",
    source=SHAPE,
    needs=("hospital",),
    test=lambda params: _.hospital_unfit,
    passes={"hospital_unfit": False},
    fails={"hospital_unfit": True},
)
DIAGNOSIS_UNFIT = Rule(
    id="P17",
    name_zh="诊断编码形式不符",
    fate=Fate.WARNED,
    level=Level.CODES,
    message_zh="主要诊断编码不是 ICD-10 的形式",
    worklist_zh="主要诊断编码 {principal_diagnosis} 不是 ICD-10 的形式",
    source=SHAPE,
    needs=("principal_diagnosis",),
    over=("principal_diagnosis",),
    check=_unfit,
    given=Given(shapes={"principal_diagnosis": r"^[A-Z]\d\d(\.\d{1,3})?$"}),
    passes={"principal_diagnosis": "I21.000"},
    fails={"principal_diagnosis": "121.000"},
)
PROCEDURE_UNFIT = Rule(
    id="P18",
    name_zh="手术操作编码形式不符",
    fate=Fate.WARNED,
    level=Level.CODES,
    message_zh="主要手术操作编码不是 ICD-9-CM-3 的形式",
    worklist_zh="主要手术操作编码 {principal_procedure} 不是 ICD-9-CM-3 的形式",
    source=SHAPE,
    needs=("principal_procedure",),
    over=("principal_procedure",),
    check=_unfit,
    given=Given(shapes={"principal_procedure": r"^\d\d\.\d{1,4}$"}),
    passes={"principal_procedure": "36.10"},
    fails={"principal_procedure": "3A"},
)
DRG_UNFIT = Rule(
    id="G08",
    name_zh="DRG 形式不符",
    fate=Fate.EXCLUDED,
    scopes=(CASE_MIX,),
    level=Level.CODES,
    message_zh="DRG 不是所用分组器编码的形式，不计入病例组合类指标",
    worklist_zh="DRG {drg} 不是所用分组器编码的形式",
    source=SHAPE,
    needs=("drg",),
    over=("drg",),
    check=_unfit_drg,
    given=Given(shapes={"drg": r"^[A-Z]{2}\d[0-9A-Z]$"}),
    passes={"drg": "FA11"},
    fails={"drg": "FA-1"},
)


def _lost_digits(name: str) -> Deferred:
    # the sign alone is looked for first: nearly no number has it
    return (_[name].contains("E+") & _[name].re_search(SCIENTIFIC.pattern)).fill_null(False)
