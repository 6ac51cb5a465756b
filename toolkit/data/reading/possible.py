"""Whether a column can be the field that its name says: values decide where names and values disagree.

Whatever is said of a column are names, kinds of values and counts; words only of columns of a few coded values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from toolkit.data.discharge.schema import BY_NAME, DRG_SHAPE, HOSPITAL_SHAPE, ICD9CM3_SHAPE, ICD10_SHAPE
from toolkit.data.reading.column_values import CODED_DEPARTMENT, DEATHS, IDENTITY, Column
from toolkit.data.reading.formats import MISSING
from toolkit.written_form import name_form, written_form

# who treats, writes or answers: nothing of such a column says who the patient is
STAFF = r"医师|医生|护士|主任|编码员|质控员|操作员|录入|联系人|术者|助手|麻醉师|工号|审核|签名|staff|doctor|nurse"
# before the name of a field these make another one of it
OTHER = r"门诊|门急诊|入院诊断|病理|损伤|中毒|其他|既往|转科|新生儿|术前|术后|外院|户口|籍贯|出生地|单位"
FEW = 12  # different values of a coded column that may be shown
TWO_DIGIT_YEAR = r"^\d{6}$|^\d{2}[-/.年]\d{1,2}[-/.月]\d{1,2}日?\b|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2}\b(?!\d)"
DAY_FIRST = r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b"
# words of a coded field -> its codes; every code stands for itself
WORDS: Mapping[str, Mapping[str, str]] = {
    "sex": {"男": "1", "男性": "1", "女": "2", "女性": "2", "M": "1", "F": "2", "MALE": "1", "FEMALE": "2"}
    | {"未知": "0", "未知的性别": "0", "未说明": "9", "未说明的性别": "9", "不详": "9", "HOMBRE": "1", "MUJER": "2"},
    "exit_mode": {"医嘱离院": "1", "医嘱转院": "2", "非医嘱离院": "4", "死亡": "5", "其他": "9"}
    | {"医嘱转社区卫生服务机构/乡镇卫生院": "3", "医嘱转社区": "3", "自动离院": "4"},
    "admission_route": {"急诊": "1", "门诊": "2", "其他医疗机构转入": "3", "转院": "3", "其他": "9"},
}
ALIVE = {*WORDS["exit_mode"], "治愈", "好转", "未愈", "转院", "出院"} - {"死亡"}
SAFE = r"[\u4e00-\u9fffA-Za-z/、（）() ]{1,12}|\d{1,2}"  # of a word that stands there several times and may be shown
CODES = {"sex": "0129", "exit_mode": "123459", "admission_route": "1239"}
YES, NO = ("是", "Y", "YES", "TRUE", "1"), ("否", "N", "NO", "FALSE", "0")
DAYS = ("admission_date", "discharge_date", "birth_date")
NUMBERS = ("int8", "int16", "int32", "int64", "float64")


def impossible(field: str, column: Column) -> str:
    """Why a column cannot be a field, in words; "" where it can."""
    if not len(column.given):
        return ""  # an empty column says nothing against its name
    if re.search(STAFF, column.name, re.IGNORECASE):
        return "列名说的是医务人员或联系人"
    kind = BY_NAME[field].type
    if field in DAYS or kind == "date":
        return _no_day(column)
    if check := CHECKS.get(field):
        return check(column)
    if kind in NUMBERS and not column.mostly_numeric:
        return f"取值像{column.kind}，不像数"
    return ""


def _no_day(column: Column) -> str:
    if column.dates:
        return ""
    if column.share(TWO_DIGIT_YEAR) > 0.5:
        return "年份只有两位，不能确定世纪和先后，请以四位年份重新导出"
    if column.share(DAY_FIRST) > 0.5:
        return "日和月的先后不能确定，请以 年-月-日 重新导出"
    return f"取值像{column.kind}，不像日期"


def _hospital(column: Column) -> str:
    if column.dates or column.money:
        return f"取值像{column.kind}"
    if column.shaped(HOSPITAL_SHAPE) < 0.8:
        return f"取值像{column.kind}，不像机构代码"
    for shape, what in ((DRG_SHAPE, "DRG 编码"), (ICD10_SHAPE, "ICD-10 编码")):
        if column.distinct > 1 and column.shaped(shape) > 0.5:
            return f"取值像{what}"
    if column.distinct > max(3, 0.3 * len(column.given)):
        return "几乎每行不同，不是机构"
    return ""


def _record(column: Column) -> str:
    if column.dates or column.money:
        return f"取值像{column.kind}"
    if column.share(IDENTITY) > 0.5:
        return "取值像身份证号"
    return "取值太少，不是病案号" if len(column.given) > 20 and column.distinct < 0.2 * len(column.given) else ""


def _visit(column: Column) -> str:
    known = column.numbers[np.isfinite(column.numbers)]
    few = len(known) >= 0.9 * len(column.given) and (known == np.floor(known)).all() and np.median(known) <= 20
    return "" if few else f"取值像{column.kind}，不像次数"


def _identity(column: Column) -> str:
    if column.share(IDENTITY) < 0.5:
        return f"取值像{column.kind}，不像身份证号"
    # staff treat many; a patient comes a few times
    return (
        "重复太多，不是患者的身份证号" if len(column.given) > 20 and column.distinct < 0.3 * len(column.given) else ""
    )


def _shaped(shape: str, what: str, other: Mapping[str, str]) -> Callable[[Column], str]:
    def check(column: Column) -> str:
        for another, name in other.items():
            if column.distinct > 1 and column.shaped(another) > max(0.5, column.shaped(shape)):
                return f"取值像{name}"
        return "" if column.shaped(shape) >= 0.5 else f"取值像{column.kind}，不像{what}"

    return check


def _department(column: Column) -> str:
    if column.share(CODED_DEPARTMENT) >= 0.9:
        return ""  # 03.04 looks like an amount, too
    if column.dates or column.money or column.share(IDENTITY) > 0.5:
        return f"取值像{column.kind}"
    if column.distinct > 2 and (column.shaped(DRG_SHAPE) > 0.5 or column.shaped(ICD10_SHAPE) > 0.5):
        return f"取值像{column.kind}"
    return "几乎每行不同，不是科别" if len(column.given) > 20 and column.distinct > 0.5 * len(column.given) else ""


def _coded(field: str) -> Callable[[Column], str]:
    def check(column: Column) -> str:
        _values, unmapped = words_as_codes(field, column)
        left = sum(unmapped.values()) if column.words else len(column.given)
        return f"取值像{column.kind}，对不上{BY_NAME[field].name_zh}的代码" if left > 0.2 * len(column.given) else ""

    return check


def _age(column: Column) -> str:
    known = column.numbers[np.isfinite(column.numbers)]
    plausible = len(known) >= 0.8 * len(column.given) and np.mean((known >= 0) & (known <= 120)) >= 0.95
    return "" if plausible else f"取值像{column.kind}，不像年龄"


CHECKS: Mapping[str, Callable[[Column], str]] = {
    "hospital": _hospital,
    "record": _record,
    "visit": _visit,
    "identity": _identity,
    "drg": _shaped(DRG_SHAPE, "DRG 编码", {ICD9CM3_SHAPE: "手术操作编码"}),
    "principal_diagnosis": _shaped(ICD10_SHAPE, "ICD-10 编码", {DRG_SHAPE: "DRG 编码"}),
    "principal_procedure": _shaped(ICD9CM3_SHAPE, "手术操作编码", {DRG_SHAPE: "DRG 编码"}),
    "department": _department,
    "sex": _coded("sex"),
    "exit_mode": _coded("exit_mode"),
    "admission_route": _coded("admission_route"),
    "age_years": _age,
}


def words_as_codes(field: str, column: Column) -> tuple[dict[str, str], dict[str, int]]:
    """Words of a coded field as its codes, and how often each word that is none stands there."""
    values: dict[str, str] = {}
    unmapped: dict[str, int] = {}
    for word, n in column.counted.items():
        text = name_form(word)
        if text in CODES[field] and len(text) == 1:
            continue
        numbered = re.fullmatch(r"([0-9])[.、:：\- ]*([\u4e00-\u9fff/]+)", text)  # 1男, 1.医嘱离院
        known = WORDS[field].get(text) or (numbered[1] if numbered and numbered[1] in CODES[field] else None)
        if known is not None:
            values[word] = known
        elif written_form(word) not in MISSING:
            unmapped[word] = n
    return values, unmapped


def deaths_in(field: str, column: Column) -> tuple[list[str], list[str]]:
    """The values of a column that mean a death, and those that mean none; empty where nothing tells (1 and 2, say)."""
    forms = {word: name_form(word) for word in column.words}
    dead = sorted(w for w, form in forms.items() if form in DEATHS or re.fullmatch(r"5[.、:：\- ]*死亡", form))
    figures = {form for form in forms.values() if re.fullmatch(r"[0-9]+", form)}
    words = set(forms.values()) - figures
    coded = field == "exit_mode" and figures <= set(CODES["exit_mode"])
    if dead or (coded and words <= ALIVE):
        # all named one by one: codes in some files and words in others, and what is neither is no known outcome
        seen = {w for w, n in column.counted.items() if w in forms and n >= 2 and re.fullmatch(SAFE, w)}
        alive = {*(seen if len(seen) <= FEW else ()), *ALIVE} - {*dead, *(w for w in forms if forms[w] in figures)}
        of_codes = (["5"], ["1", "2", "3", "4", "9"]) if coded and figures else ([], [])
        if not words:
            return of_codes
        return [*(dead or ["死亡"]), *of_codes[0]], sorted({*alive, *of_codes[1]})
    if set(forms.values()) <= {*YES, *NO} and set(forms.values()) & set(NO):
        return sorted(w for w in forms if forms[w] in YES), sorted(w for w in forms if forms[w] in NO)
    return [], []


def shown(unmapped: Mapping[str, int]) -> str:
    """Words that have no code, with their counts; only numbers where they may be anything."""
    if not unmapped:
        return ""
    total = f"{len(unmapped)} 种取值（{sum(unmapped.values()):,} 格）没有对照"
    safe = [w for w, n in unmapped.items() if n >= 2 and re.fullmatch(SAFE, w)]
    if len(unmapped) > FEW or len(safe) < len(unmapped):
        return total
    return total + "：" + "、".join(f"{w} {unmapped[w]:,}" for w in safe)
