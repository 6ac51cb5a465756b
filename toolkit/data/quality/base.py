"""What a data-quality rule is. The rules themselves are declarations in the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from toolkit.params import RunParams


class Fate(StrEnum):
    """What becomes of a record; the order is the order of the waterfall."""

    REJECTED = "拒收"
    QUARANTINED = "隔离"
    EXCLUDED = "排除"
    WARNED = "提示"


# Groups of measures that a rule can take a record out of while it stays in the others.
COST, LOS, MORTALITY, CASE_MIX, SPECIALTY = "cost", "los", "mortality", "case_mix", "specialty"
SCOPES: dict[str, str] = {
    COST: "费用类指标", LOS: "时间类指标", MORTALITY: "死亡类指标", CASE_MIX: "病例组合类指标", SPECIALTY: "专科归属",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One data-quality rule.

    Attributes
    ----------
    id
        As in the rule catalogue. In text always 规则D01, never a bare D01, which is also a field code.
    fate
        What becomes of a record that the rule hits.
    scopes
        Empty: the whole record. Else the fate holds for these groups of measures and the record stays in the others.
    needs
        Canonical fields; where the source format lacks one, the rule is 不适用 (never "passed").
    test
        From the run's parameters to an expression over the typed row that is True on a hit. None for rules that the
        reader itself applies (files, lines) or that need several records.
    passes, fails
        A row each, as field values: the rule's own example, boundary included, run as a test on every engine.
    """

    id: str
    name_zh: str
    fate: Fate
    message_zh: str
    source: str
    scopes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    test: Callable[[RunParams], Any] | None = None
    passes: Mapping[str, Any] | None = None
    fails: Mapping[str, Any] | None = None
