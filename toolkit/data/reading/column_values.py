"""What the values of a column look like, and which field of the canonical table they may therefore be.

No value of the file is told, only names of columns and words of known code tables.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.data.reading.formats import DATE_FORMATS, MISSING, SERIAL, SERIALS, Source
from toolkit.documents import Document, Plain
from toolkit.written_form import written_form

LIKELY, POSSIBLE = 0.8, 0.5
# Code tables by their words, and what each means in the canonical table
SEX = (
    {"男": "1", "女": "2", "未知": "0", "未说明": "9"},
    {"M": "1", "F": "2", "U": "0"},
    {"HOMBRE": "1", "MUJER": "2"},
    {"MALE": "1", "FEMALE": "2"},
)
DEATHS = ("死亡", "EXPIRED", "FALLECIDO", "DEAD", "DIED", "DEATH")
EXITS = {
    "医嘱离院": "1",
    "医嘱转院": "2",
    "医嘱转社区卫生服务机构/乡镇卫生院": "3",
    "非医嘱离院": "4",
    "死亡": "5",
    "其他": "9",
}
FEMALE_ONLY, MALE_ONLY = r"^(?:O\d|C5[1-8]|N[78])", r"^(?:C6[0-3]|N4\d|N5[01])"
ICD10, PROCEDURE = r"^[A-TV-Z]\d[0-9A-Z](?:\.?[0-9A-Zx+*]{1,8})?$", r"^\d{2}\.(?:\d{1,4}|\dx\d\d)(?:x\d{3})?$"
DRG, CODED_DEPARTMENT = r"^[A-Z][A-Z](?:\d\d[A-Z0-9]?|QY)$|^[A-Z]QY$", r"^\d{2}(?:\.\d{2}){0,2}$"
IDENTITY, MONEY = r"^(?:\d{15}|\d{17}[\dXx])$", r"^-?\d{1,3}(?:,\d{3})+(?:\.\d+)?$|^-?\d+\.\d{1,2}$"


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Where a field may come from.

    Attributes
    ----------
    source
        As `toolkit.data.reading.formats.Source` is written in a map, without what is default.
    confidence
        0 to 1: how sure, by the rules of this module. No probability.
    reason
        In Chinese; names of columns and code tables, never a value of the file.
    """

    field: str
    source: Document
    confidence: float
    reason: str
    columns: tuple[str, ...]


@dataclass
class Column:
    """A column and what its values look like."""

    name: str
    cells: pd.Series = field(repr=False)

    @cached_property
    def given(self) -> pd.Series:
        text = self.cells.fillna("").str.strip()
        return text[~text.isin(MISSING)]

    @cached_property
    def filled(self) -> float:
        return len(self.given) / max(1, len(self.cells))

    @cached_property
    def words(self) -> set[str]:
        """The different values where they are few; empty where they are not."""
        found = self.given.unique()
        return set(found) if len(found) <= 40 else set()

    @cached_property
    def distinct(self) -> int:
        return int(self.given.nunique())

    def share(self, pattern: str) -> float:
        without_groups = re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern)
        return float(self.given.str.contains(without_groups, regex=True).mean()) if len(self.given) else 0.0

    @cached_property
    def counted(self) -> dict[str, int]:
        """Value -> how often, where they are few; empty where they are not."""
        return {str(word): int(n) for word, n in self.given.value_counts().items()} if self.words else {}

    def shaped(self, shape: str) -> float:
        """The share of the values that have this shape in their written form."""
        if not len(self.given):
            return 0.0
        counts = self.given.value_counts()
        forms = counts.index.map(written_form)
        return float(counts[[re.match(shape, form) is not None for form in forms]].sum() / counts.sum())

    @cached_property
    def dates(self) -> list[str]:
        """Date formats that together match nearly every value, the commonest first; several that match alike: none."""
        shares = {name: self.share(pattern) for name, (pattern, _) in DATE_FORMATS.items()}
        found = sorted((n for n in shares if shares[n] > 0), key=lambda n: -shares[n])
        if found and sum(shares[n] for n in found) >= 0.95 and self._plausible(found[0]):
            return found
        # a number alone is no day: only where other values of the column are, or its name says so
        serial = self.share(SERIAL)
        named = re.search(r"日期|时间|生日|date|time", self.name, re.IGNORECASE)
        days = sum(shares[n] for n in found)
        if serial > 0 and serial + days >= 0.95 and (days >= 0.05 or named):
            return [*found, "serial-1900"]
        return []

    def _plausible(self, name: str) -> bool:
        years = self.given.str.extract(DATE_FORMATS[name][0])[DATE_FORMATS[name][1][0] - 1].dropna().astype(float)
        return bool(years.between(1880, 2100).mean() >= 0.95)  # eight digits of another kind

    @cached_property
    def days(self) -> np.ndarray:
        """Days since 1970, NaN where none."""
        out = pd.Series(np.nan, index=self.cells.index)
        for name in self.dates:
            if name in SERIALS:
                number = pd.to_numeric(self.cells.fillna("").str.strip().str.extract(SERIAL)[0], errors="coerce")
                out = out.where(out.notna(), number + (SERIALS[name] - dt.date(1970, 1, 1)).days)
                continue
            pattern, (year, month, day) = DATE_FORMATS[name]
            parts = self.cells.fillna("").str.strip().str.extract(pattern)
            text = parts[year - 1] + "-" + parts[month - 1].str.zfill(2) + "-" + parts[day - 1].str.zfill(2)
            when = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
            days = (when - pd.Timestamp(1970, 1, 1)).dt.days.astype(float)
            out = out.where(out.notna(), days)
        return out.to_numpy(float)

    @cached_property
    def numbers(self) -> np.ndarray:
        text = self.cells.fillna("").str.strip().str.replace(",", "", regex=False)
        return pd.to_numeric(text, errors="coerce").to_numpy(float)

    @cached_property
    def numeric(self) -> bool:
        return len(self.given) > 0 and np.isfinite(self.numbers).sum() >= 0.95 * len(self.given)

    @cached_property
    def mostly_numeric(self) -> bool:
        """Whether nine values of ten are numbers, signs of money and thousands left out."""
        text = self.given.str.replace(r"[,，￥¥元\s]", "", regex=True)
        return len(self.given) > 0 and bool(pd.to_numeric(text, errors="coerce").notna().mean() >= 0.9)

    @cached_property
    def whole(self) -> bool:
        known = self.numbers[np.isfinite(self.numbers)]
        return self.numeric and bool((known == np.floor(known)).all()) and self.share(r"^\d{1,5}$") >= 0.95

    @cached_property
    def money(self) -> bool:
        return self.numeric and self.share(MONEY) >= 0.5

    @cached_property
    def kind(self) -> str:
        """What the values look like, in words."""
        if not len(self.given):
            return "全空"
        if self.dates:
            return "日期"
        for name, pattern in (
            ("身份证号（直接标识）", IDENTITY),
            ("DRG 编码", DRG),
            ("ICD-10 编码", ICD10),
            ("手术操作编码", r"^\d{2}\.\d{3,4}(?:x\d{3})?$"),
            ("科别或手术操作编码", CODED_DEPARTMENT),
        ):
            if self.share(pattern) >= 0.9 and not (self.numeric and pattern == CODED_DEPARTMENT and self.distinct < 3):
                return name
        if self.money:
            return "金额或小数"
        if self.words and len(self.words) <= 12:
            return f"{len(self.words)} 个取值的代码"
        if self.numeric:
            return "整数" if self.whole else "数值"
        return "文字，各不相同" if self.distinct > 0.9 * len(self.given) else "文字"


def by_values(columns: Sequence[Column], known: dict[str, Guess]) -> Iterator[Guess]:
    """Guesses from what the values look like and how columns go together."""
    taken = {c for g in known.values() for c in g.columns}
    free = [c for c in columns if c.name not in taken and len(c.given)]
    by_name = {c.name: c for c in columns}
    yield from _dates(free, columns, known, by_name)
    diagnoses = [c for c in free if c.share(ICD10) >= 0.9 and c.distinct > 1]
    yield from _diagnoses(diagnoses)
    principal = diagnoses[0] if diagnoses else None
    if "principal_diagnosis" in known:
        principal = by_name.get(known["principal_diagnosis"].columns[0])
    yield from _sexes(free, principal)
    yield from _codes(free)
    yield from _amounts(free)
    yield from _outcomes(free)


def _one(name: str, found: Sequence[Column], confidence: float, reason: str, **source: Plain) -> Iterator[Guess]:
    """The first of the candidates; the more rivals, the less sure."""
    if found:
        rivals = "、".join(plain(c.name) for c in found[1:4])
        said = reason + (f"；同样像的还有 {rivals}" if rivals else "")
        yield Guess(
            field=name,
            source={"column": found[0].name, **source},
            columns=(found[0].name,),
            reason=said,
            confidence=round(confidence * (0.6 if rivals else 1), 2),
        )


def _dates(
    free: Sequence[Column], columns: Sequence[Column], known: dict[str, Guess], by_name: dict[str, Column]
) -> Iterator[Guess]:
    """Admission and discharge: a pair of days whose difference a column of whole numbers states; the birth far before."""
    dated = [c for c in columns if c.dates]
    best: tuple[float, Column, Column, Column | None] | None = None
    for first in dated:
        for last in dated:
            stay = last.days - first.days
            both = np.isfinite(stay)
            if first is last or both.sum() < 5 or (stay[both] < 0).mean() > 0.02 or np.median(stay[both]) > 60:
                continue
            if len(np.unique(stay[both])) < 3:
                continue
            for counted in (c for c in columns if c.whole):
                same = np.isfinite(counted.numbers) & both
                stated = np.maximum(stay, 1) == np.maximum(counted.numbers, 1)
                if (
                    same.sum() >= 5
                    and (share := float(stated[same].mean())) >= 0.9
                    and (best is None or share > best[0])
                ):
                    best = share, first, last, counted
            if best is None or best[3] is None:
                filled = first.filled + last.filled - 1  # operation days are often empty, those of the stay are not
                if best is None or filled / 10 > best[0]:
                    best = filled / 10, first, last, None
    admission = by_name.get(known["admission_date"].columns[0]) if "admission_date" in known else None
    if best is not None:
        share, first, last, los = best
        why = (
            f"与另一日期之差等于 {plain(los.name)}（{share:.0%} 的行）"
            if los is not None
            else "两个日期先后一致、相差不大"
        )
        sure = LIKELY + 0.1 if los is not None else POSSIBLE
        yield _day("admission_date", first, sure, why)
        yield _day("discharge_date", last, sure, why)
        if los is not None:
            yield Guess(
                field="los_days",
                source={"column": los.name},
                columns=(los.name,),
                confidence=sure,
                reason=f"等于 {plain(last.name)} 与 {plain(first.name)} 之差",
            )
        admission = admission or first
    if admission is not None:
        born = [c for c in free if c.dates and c is not admission and np.nanmedian(admission.days - c.days) > 365 * 5]
        for one in born[:1]:
            yield _day("birth_date", one, LIKELY, "比入院早许多年的日期")
            age = np.floor((admission.days - one.days) / 365.2425)
            aged = [c for c in free if c.whole and _agree(c.numbers, age, 1) >= 0.95]
            yield from _one("age_years", aged, LIKELY + 0.1, "等于入院与出生之间的年数")
    if not any(c.dates for c in columns):
        years = [c for c in free if c.whole and c.share(r"^(?:19|20)\d\d$") >= 0.99]
        yield from _one("year", years, LIKELY if len(years) == 1 else POSSIBLE, "全为年份的整数")


def _agree(one: np.ndarray, other: np.ndarray, within: float) -> float:
    both = np.isfinite(one) & np.isfinite(other)
    return (
        float((np.abs(one - other)[both] <= within).mean())
        if both.sum() >= 5 and np.unique(one[both]).size > 5
        else 0.0
    )


def _day(name: str, column: Column, confidence: float, reason: str) -> Guess:
    formats = {} if set(column.dates) <= set(Source(column="x").dates) else {"dates": column.dates}
    return Guess(
        field=name,
        source={"column": column.name, **formats},
        columns=(column.name,),
        confidence=confidence,
        reason=reason,
    )


def _diagnoses(found: Sequence[Column]) -> Iterator[Guess]:
    full = [c for c in found if c.filled >= 0.9]
    yield from _one("principal_diagnosis", full, LIKELY, "取值为 ICD-10 编码，几乎每行都有")
    others = [c for c in found if c.filled < 0.9]
    if others:
        names = [c.name for c in others]
        yield Guess(
            field="other_diagnoses",
            source={"columns": names},
            columns=tuple(names),
            confidence=POSSIBLE,
            reason="取值为 ICD-10 编码，不是每行都有",
        )


def _sexes(free: Sequence[Column], principal: Column | None) -> Iterator[Guess]:
    """Few values of a known table; where diagnoses of one sex only are known, they must stand with one value each."""
    best: list[tuple[float, Column, dict[str, str], str]] = []
    for column in free:
        words = {w.upper() for w in column.words}
        if not 2 <= len(words) <= 4:
            continue
        table = next((t for t in SEX if words <= set(t)), None)
        coded = words <= {"0", "1", "2", "3", "9"}
        if table is None and not coded:
            continue
        women, men = _sexed(column, principal)
        meaning = {w: table[w.upper()] for w in sorted(column.words)} if table else {}
        if women and men and women != men:
            meaning = {} if (men, women) == ("1", "2") else {men: "1", women: "2"}
            best.append((LIKELY + 0.1, column, meaning, "只见于一种性别的诊断各只配一个取值"))
        elif table is not None:
            best.append((LIKELY, column, meaning, "取值为性别的文字"))
        elif not women and not men and words <= {"1", "2", "0", "9"}:
            best.append((0.4, column, {}, "取值在性别代码 RC001 的值域内；没有可对照的诊断"))
    best.sort(key=lambda one: -one[0])
    top = [one for one in best if one[0] == best[0][0]]
    for confidence, column, meaning, reason in best[:1]:
        yield from _one(
            "sex",
            [column, *(c for _, c, _, _ in top[1:])],
            confidence,
            reason,
            **({"values": meaning} if meaning else {}),
        )


def _sexed(column: Column, principal: Column | None) -> tuple[str, str]:
    """The values of a column that stand with diagnoses of women and of men, "" where there is not one."""
    if principal is None:
        return "", ""
    found = []
    for pattern in (FEMALE_ONLY, MALE_ONLY):
        of_one = principal.cells.fillna("").str.contains(pattern, regex=True)
        counts = column.cells[of_one].value_counts()
        clear = counts.sum() >= 5 and counts.iloc[0] >= 0.95 * counts.sum()
        found.append(str(counts.index[0]) if clear else "")
    return found[0], found[1]


def _codes(free: Sequence[Column]) -> Iterator[Guess]:
    identities = [c for c in free if c.share(IDENTITY) >= 0.8 and c.distinct > 5]
    yield from _one("identity", identities, 0.9, "取值为 15 或 18 位的身份证号；只用来算假名，不入库")
    yield from _one("drg", [c for c in free if c.share(DRG) >= 0.8 and c.distinct > 5], LIKELY, "取值为 DRG 编码")
    dotted = [c for c in free if c.share(PROCEDURE) >= 0.9 and c.distinct > 1]
    # a department is always there, and some have no second level
    departments = [
        c
        for c in free
        if c.share(CODED_DEPARTMENT) >= 0.99 and c.share(r"\.") > 0.3 and c.filled > 0.98 and 2 < c.distinct <= 120
    ]
    procedures = [c for c in dotted if c not in departments]
    # the principal one is filled wherever another is
    procedures.sort(key=lambda c: -c.filled)
    yield from _one("principal_procedure", procedures[:1], 0.7, "取值为手术操作编码，填写最多的一列")
    if len(procedures) > 1:
        names = [c.name for c in procedures[1:]]
        yield Guess(
            field="other_procedures",
            source={"columns": names},
            columns=tuple(names),
            confidence=POSSIBLE,
            reason="取值为手术操作编码",
        )
    named = [c for c in free if c.share(r"科\d*$|病区$|病房$") >= 0.8 and 1 < c.distinct <= 400]
    yield from _one("department", departments or named, 0.7, "取值为科别" + ("代码" if departments else "名称"))
    coded = [
        c
        for c in free
        if (c.share(r"^[0-9A-Z]{4,22}$") >= 0.99 and c.filled > 0.99 and not c.dates and not c.whole) or _short(c)
    ]
    few = [c for c in coded if 1 <= c.distinct <= max(3, 0.02 * len(c.given)) and _one_length(c)]
    hospitals = [c for c in few if c.share(r"^0+$|^9+$") < 0.5]
    yield from _one("hospital", hospitals, 0.4, "长度一致、取值很少的代码")
    records = [c for c in coded if c.distinct > 0.9 * len(c.given) > 4 and c not in identities and not c.money]
    yield from _one("record", records, POSSIBLE, "几乎各不相同的代码")


def _short(column: Column) -> bool:
    """Digits of one length with leading zeros: a code, however much it looks like a number."""
    return column.share(r"^0\d{3,}$") > 0.05 and column.share(r"^\d{4,22}$") >= 0.99 and column.filled > 0.99


def _one_length(column: Column) -> bool:
    return bool(column.given.str.len().nunique() == 1)


def _amounts(free: Sequence[Column]) -> Iterator[Guess]:
    """The total is the amount that no other exceeds."""
    money = [c for c in free if c.money and np.nanmax(c.numbers) > 50 and c.filled > 0.5]
    largest = [
        c
        for c in money
        if all(np.nanmean(np.nan_to_num(o.numbers) <= np.nan_to_num(c.numbers) + 0.005) >= 0.95 for o in money)
    ]
    separators = {"remove": [","]} if largest and largest[0].share(",") > 0 else {}
    why = "金额，其他金额列都不大于它" if len(money) > 1 else "唯一的金额列"
    yield from _one(
        "cost_fen", largest, LIKELY if len(money) > 3 else 0.6, f"{why}；按元读入，存为分", scale=100, **separators
    )


def _outcomes(free: Sequence[Column]) -> Iterator[Guess]:
    for column in free:
        dead = sorted(w for w in column.words if w.upper() in DEATHS)
        if dead:
            yield from _one("died", [column], LIKELY, "取值中有死亡", true=dead)
            if column.words <= set(EXITS):
                yield from _one(
                    "exit_mode",
                    [column],
                    LIKELY,
                    "取值为离院方式 RC019 的文字",
                    values={w: EXITS[w] for w in sorted(column.words)},
                )
            return
    exits = [c for c in free if c.words <= set("123459") and len(c.words) >= 4 and "5" in c.words and "1" in c.words]
    exits = [c for c in exits if (c.given == "1").mean() > 0.5 and (c.given == "5").mean() < 0.1]
    exits.sort(key=lambda c: "9" not in c.words)  # the number of the stay runs from 1 to 5 as well, without a 9
    why = "取值在离院方式代码 RC019 的值域内，1 最多、5 很少；若是出院情况则不可用"
    yield from _one("exit_mode", exits, POSSIBLE, why)
    yield from _one("died", exits, POSSIBLE, f"离院方式 5 为死亡；{why}", true=["5"], false=["1", "2", "3", "4", "9"])


def plain(name: str) -> str:
    """A name that can stand in a comment: one line, no control character, not too long."""
    return "".join(c if c.isprintable() else " " for c in name)[:60].replace("#", "＃")
