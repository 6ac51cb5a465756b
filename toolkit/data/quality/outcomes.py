"""Rules over how a stay ended (规则 O)."""

from __future__ import annotations

import datetime as dt

from ibis import _

from toolkit.data.discharge.schema import EXIT_CODES
from toolkit.data.quality import hospitals
from toolkit.data.quality.base import MORTALITY, Fate, Level, Rule

DIED = {"died": True, "exit_mode": "5", "autopsy": True}
STAY = {"patient": 7, "record": "1"}
AFTER = {
    "patient": 7,
    "record": "2",
    "visit": "2",
    "admission_date": dt.date(2022, 6, 1),
    "discharge_date": dt.date(2022, 6, 5),
}

OUTCOME_RULES = (
    Rule(
        id="O01",
        name_zh="离院方式不在值域内",
        fate=Fate.QUARANTINED,
        scopes=(MORTALITY,),
        message_zh="离院方式代码不在值域内，不计入死亡指标",
        needs=("died",),
        fields=("exit_mode",),
        test=lambda params: _.died.isnull(),
        passes={"died": False},
        fails={"died": None},
    ),
    Rule(
        id="O02",
        name_zh="死亡却有再住院计划或接收机构",
        fate=Fate.WARNED,
        message_zh="离院方式为死亡，却填有再住院计划或接收机构",
        needs=("died",),
        needs_any=("readmission_planned", "receiver"),
        fields=("exit_mode", "readmission_planned", "receiver"),
        test=lambda params: _.died & (_.readmission_planned.fill_null(False) | _.receiver.fill_null(False)),
        passes={**DIED, "readmission_planned": False, "receiver": False},
        fails={**DIED, "readmission_planned": True},
    ),
    Rule(
        id="O03",
        name_zh="死亡后又有住院记录",
        fate=Fate.QUARANTINED,
        level=Level.RECORDS,
        applied="toolkit.data.quality.repeats",
        message_zh="该患者死亡后又有住院记录",
        needs=("patient", "died", "admission_date", "discharge_date"),
        fields=("exit_mode", "admission_date", "discharge_date"),
        passes=[STAY, {**AFTER, **DIED}],
        fails=[{**STAY, **DIED}, AFTER],
    ),
    Rule(
        id="O04",
        name_zh="死亡未填是否尸检",
        fate=Fate.WARNED,
        message_zh="死亡病例未填是否尸检",
        needs=("died", "autopsy"),
        fields=("exit_mode",),
        test=lambda params: _.died & ~_.autopsy.fill_null(False),
        passes=DIED,
        fails={**DIED, "autopsy": False},
    ),
    Rule(
        id="O05",
        name_zh="抢救成功次数过多",
        fate=Fate.WARNED,
        message_zh="抢救成功次数大于抢救次数",
        worklist_zh="抢救成功 {successful_rescues} 次，大于抢救 {rescues} 次",
        needs=("rescues", "successful_rescues"),
        test=lambda params: _.successful_rescues > _.rescues,
        passes={"rescues": 2, "successful_rescues": 2},
        fails={"rescues": 2, "successful_rescues": 3},
    ),
    Rule(
        id="O06",
        name_zh="转院未填接收机构",
        fate=Fate.WARNED,
        message_zh="离院方式为转院，未填接收机构",
        source="病案首页采集标准文字（见数据质量规则目录）",
        needs=("exit_mode", "receiver"),
        test=lambda params: _.exit_mode.isin(["2", "3"]) & ~_.receiver.fill_null(False),
        passes={"exit_mode": "2", "receiver": True},
        fails={"exit_mode": "3", "receiver": False},
    ),
    Rule(
        id="O07",
        name_zh="非医嘱离院占比高",
        fate=Fate.WARNED,
        level=Level.HOSPITAL,
        judge=hospitals.much_against_advice,
        tables=("years",),
        message_zh="非医嘱离院占比远高于同级机构，死亡率须结合该比例解读",
        needs=("exit_mode",),
        thresholds=("quality.against_advice_times",),
        passes={"years": [{"hospital": "0002", "against_advice": 0.25}, {"against_advice": 0.75}]},
        fails={"years": [{"hospital": "0002", "against_advice": 0.25}, {"against_advice": 0.76}]},
    ),
    Rule(
        id="O08",
        name_zh="离院方式不是代码",
        fate=Fate.WARNED,
        message_zh="离院方式不是 RC019 的代码（多半是文字没有对照），不计入非医嘱离院和转出；在格式映射的 exit_mode 写 values",
        needs=("exit_mode",),
        test=lambda params: _.exit_mode.notnull() & ~_.exit_mode.isin(EXIT_CODES),
        passes={"exit_mode": "4"},
        fails={"exit_mode": "好转"},
    ),
)
