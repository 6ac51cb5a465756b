"""Numbers of an indicator as text, with the decimals and the unit that its declaration states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from toolkit.evaluation.verdict import Verdict
from toolkit.indicators import CATALOGUE, Declared, Distribution, Status, rests_on_basis
from toolkit.reporting.content.tables import MISSING, missing, rounded

WITHHELD = Status.WITHHELD.zh  # in place of a count that the release edition does not give
POOLED = "合并"  # stands for hospitals, reasons, DRGs that the release edition counts together
FEW_EVENTS = 10
LEAST_EXPECTED = 0.5  # events expected, below which a ratio to them says nothing that the counts do not
CURRENCY = "元"  # as declarations write it
DIRECTION_KEYS = {"越高越好": "higher", "越低越好": "lower", "不评优劣": "neutral"}
MARKS = {
    Verdict.IMPROVED: "▲",
    Verdict.WORSE: "▼",
    Verdict.STABLE: "●",
    Verdict.UNDECIDED: "○",
    Verdict.NOT_JUDGED: "—",
}


BASES = {"frozen": "定基", "contemporaneous": "当期"}


def name_on(indicator: str, basis: str) -> str:
    """Name of a number, with its basis where the two bases give different numbers: 费用消耗指数·定基."""
    one = CATALOGUE[indicator]
    return f"{one.name_zh}·{BASES[basis]}" if rests_on_basis(one) else one.name_zh


def label(indicator: str, currency: str = CURRENCY, basis: str = "") -> str:
    """Name with its unit: 平均住院日（日）. Money is in the currency of the run's records; see `name_on` for the basis."""
    one = CATALOGUE[indicator]
    name = name_on(indicator, basis) if basis else one.name_zh
    unit = currency if one.unit == CURRENCY else one.unit
    return f"{name}（{unit}）" if unit else name


def number(value: float, one: Declared) -> str:
    """The value without its unit."""
    return MISSING if missing(value) else rounded(value, one.decimals)


def cases(number: float) -> str:
    """A count in a sentence; missing where the edition does not give it."""
    return WITHHELD if missing(number) else f"{int(number):,}"


def with_limits(row: pd.Series, value: str = "value", low: str = "low", high: str = "high") -> str:
    """`1.02（0.98–1.06）`, the value alone where it has no limits, its status where it has none."""
    one = CATALOGUE[row["indicator"]]
    status = Status(row.get("status", Status.VALUE))
    if is_rare(one) and not missing(row.get("x")) and status in (Status.VALUE, Status.UNSTABLE):
        said = events(row["x"], row["y"], one)
        if status == Status.UNSTABLE:
            return f"{said}（{status.zh}，不给率）"
        if one.unit != "%" and row["y"] < LEAST_EXPECTED:
            return said
        rate, least, most = (of_events(row[c], row["x"], one) for c in (value, low, high))
        return f"{said}：{rate}" + ("" if MISSING in (least, most) else f"（{least}–{most}）")
    if status != Status.VALUE:
        return status.zh
    text = number(row[value], one)
    if text == MISSING or missing(row[low]) or missing(row[high]):
        return text
    return f"{text}（{rounded(row[low], one.decimals)}–{rounded(row[high], one.decimals)}）"


def is_rare(one: Declared) -> bool:
    """Whether the indicator counts rare events: the counts are said before any rate."""
    return getattr(one, "distribution", None) is Distribution.RARE


def events(count: float, among: float, one: Declared) -> str:
    """`2/591 例`; of observed and expected `2 例，预期 1.6`."""
    if one.unit == "%":
        return f"{rounded(count, 0)}/{rounded(among, 0)} 例"
    return f"{rounded(count, 0)} 例，预期 {rounded(among, 1) if among >= 0.05 else '<0.1'}"


def of_events(value: float, count: float, one: Declared) -> str:
    """A rate with the digits that so many events can carry: never three decimals on two deaths."""
    if missing(value):
        return MISSING
    places = min(one.decimals, 2) if count < FEW_EVENTS else one.decimals
    text = rounded(value, places)
    return f"<{rounded(10.0**-places, places)}" if value > 0 and float(text.replace(",", "")) == 0 else text


def before_after(change: pd.Series | Mapping[Any, Any]) -> str:
    """`1.02 → 0.97`; of rare events their counts: `2/591 例 → 1/480 例`."""
    one = CATALOGUE[change["indicator"]]
    sides = []
    for side in ("before", "after"):
        value, n = change[side], change[f"n_{side}"]
        if is_rare(one) and one.unit == "%" and not (missing(value) or missing(n)):
            sides.append(events(round(value * n / one.scale), n, one))
        else:
            sides.append(number(value, one))
    return " → ".join(sides)


def ratio_text(row: pd.Series) -> str:
    """A change as `0.92（0.88–0.97）`; a limit without end as ∞ in words, and limits alone where there is no ratio."""
    text = MISSING if missing(row["estimate"]) else rounded(row["estimate"], 2)
    if missing(row["low"]) or missing(row["high"]):
        return text
    high = "无上限" if row["high"] == float("inf") else rounded(row["high"], 2)
    return f"{text}（{rounded(row['low'], 2)}–{high}）"


def marked(verdict: str) -> str:
    """The word for a verdict with its mark, so that it is seen without colour."""
    one = Verdict(verdict)
    return f"{MARKS[one]} {one.zh}" if MARKS[one] != "—" else one.zh


def sure(row: pd.Series) -> str:
    """`97% / 81%`: how sure an improvement is, and a meaningful one; never 0 or 100."""
    shares = [row["p_improvement"], row["p_meaningful"]]
    return MISSING if any(missing(s) for s in shares) else " / ".join(map(probability, shares))


def probability(share: float) -> str:
    """A probability in whole percent; below 1 and above 99 it is not certain, and is not printed as if it were."""
    if missing(share):
        return MISSING
    return "<1%" if share < 0.01 else ">99%" if share > 0.99 else f"{rounded(share, 0, 100)}%"
