"""What a data-quality rule is. The rules themselves are declarations in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pandas as pd

from toolkit.data.quality.given import Given
from toolkit.declared import Word
from toolkit.engine.types import Column
from toolkit.params import RunParams


class Fate(Word):
    """What becomes of a record; the order is the order of the waterfall. A record that is only warned of is accepted."""

    REJECTED = "rejected", "拒收"
    QUARANTINED = "quarantined", "隔离"
    EXCLUDED = "excluded", "排除"
    WARNED = "warned", "提示"
    ACCEPTED = "accepted", "纳入"


class Level(Word):
    """What a rule judges, and so what its example shows."""

    FILE = "file", "文件"
    LINE = "line", "行"  # of a file, before it is a record
    RECORD = "record", "记录"
    CODES = "codes", "编码"  # a record, by its codes against a list that the run was given
    RECORDS = "records", "多条记录"
    HOSPITAL = "hospital", "机构"
    MEASURE = "measure", "指标"
    RUN = "run", "运行"


# Groups of measures that a rule can take a record out of while it stays in the others.
COST, LOS, MORTALITY, CASE_MIX, SURGERY, SPECIALTY = "cost", "los", "mortality", "case_mix", "surgery", "specialty"
SCOPES: dict[str, str] = {
    COST: "费用类指标",
    LOS: "时间类指标",
    MORTALITY: "死亡类指标",
    CASE_MIX: "病例组合类指标",
    SURGERY: "手术类指标",
    SPECIALTY: "专科归属",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One data-quality rule.

    Attributes
    ----------
    id
        As in the rule catalogue. In text always 规则D01, never a bare D01, which is also a field code. A letter after the
        number is a part of that rule with a fate or a premise of its own.
    fate
        What becomes of a record that the rule hits (of the file or hospital, where `level` says so).
    message_zh
        For reports: what is wrong, without any value of a record.
    worklist_zh
        For the hospital's own list: the same with its values, `{field}` for a canonical field, `{section.name}` for a
        parameter; empty where `message_zh` says it all. Filled by `said`.
    scopes
        Empty: the whole record. Else the fate holds for these groups of measures and the record stays in the others.
    needs, needs_any
        Canonical fields; where the source format lacks one (all of `needs_any`), the rule is 不适用, never "passed".
    inputs
        Parameters that must be given for the rule to be checked, e.g. `data.diagnosis_dictionary`.
    thresholds
        Parameters that decide it, as `section.name`; their values are printed with the policy choices.
    fields
        Canonical fields whose value a worklist shows; by default `needs`. Who the patient is, is never shown.
    over, check
        CODES: the columns whose distinct values are looked at, and a function from them and the run's lists to True on a hit:
        codes are few, records many.
    each
        CODES: whether the check looks at each of the columns by itself.
    given
        CODES: the lists of the example.
    judge, tables
        HOSPITAL: a function of these tables (`hospitals.py`) and the parameters, to a row for each hit.
    applied
        What applies the rule, where that is none of these.
    test
        RECORD: from the run's parameters to an expression over the typed row that is True on a hit.
    passes, fails
        The rule's own example, run as a test on every engine. RECORD and CODES: a row each, as field values, the boundary
        where there is one. RECORDS: rows that differ from a sound one in these values; of `fails` the last is hit. HOSPITAL:
        table → rows that differ from a plain year in these values; of `fails` the last row is hit. FILE: file name → its text.
    """

    id: str
    name_zh: str
    fate: Fate
    message_zh: str
    source: str = "数据质量规则目录"
    level: Level = Level.RECORD
    worklist_zh: str = ""
    scopes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    needs_any: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    check: Callable[[pd.DataFrame, Given], pd.Series] | None = None
    each: bool = False
    given: Given | None = None
    judge: Callable[..., pd.DataFrame] | None = None
    tables: tuple[str, ...] = ()
    applied: str = ""
    test: Callable[[RunParams], Column] | None = None
    passes: Any = None
    fails: Any = None

    def said(self, values: Mapping[str, object], params: RunParams) -> str:
        """The message for one record's worklist line."""
        text = self.worklist_zh or self.message_zh
        for name in self.thresholds:
            text = text.replace("{" + name + "}", f"{value_of(params, name)}")
        for name, value in values.items():
            text = text.replace("{" + name + "}", "空" if value is None else f"{value}")
        return text


@dataclass(frozen=True, kw_only=True)
class RuleFacts:
    """A rule as it was in a run, whatever the code says today.

    Attributes
    ----------
    id, name, message, fate, scopes
        As in `Rule`.
    level
        What it judges.
    fields
        Canonical fields whose value a worklist shows.
    said
        The message for a worklist, with `{field}` where a value belongs and the run's limits put in.
    """

    id: str
    name: str
    fate: Fate | None = None  # None of what stands for several rules
    message: str = ""
    scopes: tuple[str, ...] = ()
    level: Level = Level.RECORD
    fields: tuple[str, ...] = ()
    said: str = ""

    @property
    def fate_zh(self) -> str:
        return self.fate.zh if self.fate else ""

    @classmethod
    def of(cls, rule: Rule, params: RunParams) -> RuleFacts:
        """The rule under these parameters."""
        return cls(
            id=rule.id,
            name=rule.name_zh,
            message=rule.message_zh,
            fate=rule.fate,
            scopes=rule.scopes,
            level=rule.level,
            fields=rule.fields or rule.needs,
            said=rule.said({}, params),
        )


def value_of(params: RunParams, name: str) -> Any:
    """The parameter `section.name`."""
    return reduce(getattr, name.split("."), params)


def title_of(params: RunParams, name: str) -> str:
    """Its Chinese title, without what stands in brackets."""
    *sections, last = name.split(".")
    section = type(reduce(getattr, sections, params))
    return str(section.model_fields[last].title or name).split(" (")[0].split("（规则")[0]
