"""Rules over who a record is of: hospital, record number, patient (规则 K)."""

from __future__ import annotations

import datetime as dt
import re

import pandas as pd
from ibis import _

from toolkit.data.quality import sent_twice
from toolkit.data.quality.base import Fate, Level, Rule
from toolkit.data.quality.codes import HOSPITAL_UNFIT
from toolkit.data.quality.given import Given
from toolkit.written_form import name_form

REPEATS = "toolkit.data.quality.repeats"


def _unknown_hospital(found: pd.DataFrame, given: Given) -> pd.Series:
    assert given.hospitals is not None  # noqa: S101  the rule needs it
    return ~found["hospital"].isin(given.hospitals["code"])


def _another_name(found: pd.DataFrame, given: Given) -> pd.Series:
    """A hospital under a name that is neither its own nor an alias; an unknown code is a matter of rule K01."""
    assert given.hospitals is not None  # noqa: S101  the rule needs it
    registry = given.hospitals
    if "name" not in registry:
        return pd.Series(False, index=found.index)
    aliases = registry["aliases"] if "aliases" in registry else pd.Series("", index=registry.index)
    names = {
        code: {name_form(n) for n in (name, *re.split("[;；、|]", str(more))) if n.strip()}
        for code, name, more in zip(registry["code"], registry["name"], aliases, strict=True)
    }
    wrong = [
        isinstance(name, str) and bool(names.get(code)) and name_form(name) not in names[code]
        for code, name in zip(found["reported_hospital"], found["hospital_name"], strict=True)
    ]
    return pd.Series(wrong, index=found.index, dtype=bool)


def _stay(**values: object) -> dict[str, object]:
    """A stay of patient 7 from 1 to 10 May 2022 that differs in these values; another record number each."""
    return {"patient": 7, "admission_date": dt.date(2022, 5, 1), "discharge_date": dt.date(2022, 5, 10), **values}


def _unnumbered(**values: object) -> dict[str, object]:
    """A stay of which a file has no number."""
    return _stay(**{"record": None, "patient": None, "cost_fen": 100_000, "age_years": 60, **values})


LATER_DAYS = {"admission_date": dt.date(2022, 6, 1), "discharge_date": dt.date(2022, 6, 5)}
LATER = {**LATER_DAYS, "record": "2", "visit": "2"}

IDENTITY_RULES = (
    HOSPITAL_UNFIT,
    Rule(
        id="K00",
        name_zh="机构代码为空",
        fate=Fate.QUARANTINED,
        message_zh="机构代码为空，不属于任何机构",
        source="规则K01 用于没有名录的运行",
        needs=("hospital",),
        test=lambda params: _.hospital.isnull() & ~_.hospital_unfit,
        passes={"hospital": "0001"},
        fails={"hospital": None},
    ),
    Rule(
        id="K01",
        name_zh="机构不在名录内",
        fate=Fate.QUARANTINED,
        level=Level.CODES,
        message_zh="机构代码不在名录内",
        worklist_zh="机构代码 {hospital} 不在名录内",
        needs=("hospital",),
        inputs=("data.hospitals",),
        over=("hospital",),
        check=_unknown_hospital,
        given=Given(hospitals=pd.DataFrame({"code": ["0001"]})),
        passes={"hospital": "0001"},
        fails={"hospital": "0002"},
    ),
    Rule(
        id="K02",
        name_zh="机构代码与名称不一致",
        fate=Fate.QUARANTINED,
        level=Level.CODES,
        message_zh="机构代码与机构名称不一致；改名或分院的名称请写入名录的 aliases 列",
        source="数据质量规则目录（此处隔离该机构的病例，不拒收文件）",
        needs=("hospital_name",),
        inputs=("data.hospitals",),
        over=("reported_hospital", "hospital_name"),
        check=_another_name,
        fields=("hospital",),
        given=Given(hospitals=pd.DataFrame({"code": ["0001"], "name": ["甲（市）医院"], "aliases": ["旧院;甲医院"]})),
        passes={"reported_hospital": "0001", "hospital_name": "甲(市)医院"},
        fails={"reported_hospital": "0001", "hospital_name": "乙医院"},
    ),
    Rule(
        id="K03",
        name_zh="病案号为空",
        fate=Fate.QUARANTINED,
        message_zh="病案号为空",
        needs=("record",),
        test=lambda params: _.record.isnull(),
        passes={"record": "1"},
        fails={"record": None},
    ),
    Rule(
        id="K04",
        name_zh="完全重复的记录",
        fate=Fate.EXCLUDED,
        level=Level.RECORDS,
        message_zh="完全重复的记录，保留一条",
        needs=("record",),
        applied=REPEATS,
        passes=[{"record": "1", "content": 1}, {"record": "2", "content": 2}],
        fails=[{"record": "1", "content": 1}, {"record": "1", "content": 1}],
    ),
    Rule(
        id="K05",
        name_zh="同一住院内容不同",
        fate=Fate.QUARANTINED,
        level=Level.RECORDS,
        message_zh="同一机构、病案号、住院次数出现多条内容不同的记录",
        needs=("record",),
        needs_any=("visit", "discharge_date"),  # without either, several stays of one patient look like this
        applied=REPEATS,
        passes=[{"record": "1", "content": 1}, {"record": "1", "visit": "2", "content": 2}],
        fails=[{"record": "1", "content": 1}, {"record": "1", "content": 2, "died": True}],
    ),
    Rule(
        id="K11",
        name_zh="同一号码下的多次住院或新生儿",
        fate=Fate.WARNED,
        level=Level.RECORDS,
        message_zh="同一病案号、住院次数下有多次互不重叠的住院，或有新生儿，各自计入，请核实号码",
        source="数据质量规则目录 K05，用于时间不重叠的住院和母婴同号",
        needs=("record", "visit", "admission_date", "discharge_date"),
        fields=("admission_date", "discharge_date"),
        applied=REPEATS,
        passes=[_stay(), _stay(record="2", visit="2", **LATER_DAYS)],
        fails=[_stay(), _stay(**LATER_DAYS)],
    ),
    Rule(
        id="K12",
        name_zh="没有病案号的住院已在另一文件中",
        fate=Fate.EXCLUDED,
        level=Level.RECORDS,
        message_zh="没有病案号的记录，与本机构另一文件中的记录日期、费用、年龄、诊断等全部相同，为同一次住院，保留一条",
        source="数据质量规则目录 K04，用于没有病案号的文件",
        needs=("cost_fen",),
        needs_any=sent_twice.WHO,
        applied="toolkit.data.quality.sent_twice",
        passes=[_unnumbered(), _unnumbered(file=1, cost_fen=100_001)],
        fails=[_unnumbered(), _unnumbered(file=1)],
    ),
    Rule(
        id="K06",
        name_zh="同一患者住院时间重叠",
        fate=Fate.QUARANTINED,
        level=Level.RECORDS,
        applied=REPEATS,
        message_zh="同一患者在本院的两次住院时间重叠",
        worklist_zh="同一患者住院时间重叠：{admission_date} 至 {discharge_date}",
        needs=("patient", "admission_date", "discharge_date"),
        passes=[
            _stay(),
            _stay(record="2", visit="2", admission_date=dt.date(2022, 5, 10), discharge_date=dt.date(2022, 5, 12)),
        ],
        fails=[
            _stay(),
            _stay(record="2", visit="2", admission_date=dt.date(2022, 5, 9), discharge_date=dt.date(2022, 5, 12)),
        ],
    ),
    Rule(
        id="K07",
        name_zh="两家机构报送同一次住院",
        fate=Fate.WARNED,
        level=Level.RECORDS,
        applied=REPEATS,
        message_zh="同一次住院疑似由两家机构报送",
        needs=("identity", "admission_date", "discharge_date"),
        fields=("hospital", "admission_date", "discharge_date"),
        passes=[_stay(), _stay(hospital="0002", discharge_date=dt.date(2022, 5, 11))],
        fails=[_stay(), _stay(hospital="0002")],
    ),
    Rule(
        id="K08",
        name_zh="住院次数不合规",
        fate=Fate.WARNED,
        message_zh="住院次数不是正整数，或与入院先后不符",
        # a source whose visit number is not that of a patient has no identity either
        needs=("visit", "identity"),
        fields=("admission_date",),
        applied=REPEATS,
        test=lambda params: ~_.visit.re_search(r"^0*[1-9]\d{0,4}$").fill_null(False),
        passes={"visit": "1"},
        fails={"visit": "0"},
    ),
    Rule(
        id="K10",
        name_zh="编码只差前导 0 或符号",
        fate=Fate.WARNED,
        level=Level.FILE,
        applied="toolkit.data.accounts.near_codes",
        message_zh="机构或科别代码只差前导 0 或符号，疑为同一编码，按不同编码处理",
        source="编码形式",
        needs=("hospital",),
    ),
)

# the second half of K08 and O03 need several records; their examples stand with the tests of `repeats`
EARLIER_VISIT = ([_stay(), _stay(**{**LATER, "visit": "1"})], [_stay(visit="2"), _stay(**{**LATER, "visit": "1"})])
