"""A proposed format map for a file nobody has described: by the names of its columns, then by what their values look like.

A proposal is for a person to confirm: each line says how sure it is and why, `confirmed: false` stops a run until somebody
has looked. No value of the file stands in it, only names of columns and words of known code tables.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data import text_rows
from toolkit.data.files import SourceFile, open_source
from toolkit.data.formats import DATE_FORMATS, MISSING, FormatMap, Source, available, format_map, resolve
from toolkit.data.schema import BY_NAME
from toolkit.errors import InputError

ROWS = 5_000  # enough for any share below, and read in a second
SURE, LIKELY, POSSIBLE = 0.95, 0.8, 0.5
# Other names in use, beside the Chinese name of the field and the column names of every shipped map; brackets, blanks and
# signs do not count, nor do case and width.
NAMES: dict[str, tuple[str, ...]] = {
    "hospital": ("组织机构代码", "机构代码", "医院代码", "医院编码", "机构编码", "定点医药机构代码", "hospital code"),
    "record": ("病案号", "病历号", "住院号", "record number"),
    "visit": ("住院次数", "第几次住院", "次数", "入院次数"),
    "identity": ("身份证号", "身份证号码", "身份证", "证件号码", "证件号"),
    "health_card": ("健康卡号", "社保卡号", "医保卡号"),
    "birth_date": ("出生日期", "出生年月日", "生日"),
    "year": ("出院年份", "年份", "年度", "discharge year"),
    "month": ("出院月份", "月份"),
    "admission_date": ("入院时间", "入院日期", "admission date"),
    "discharge_date": ("出院时间", "出院日期", "discharge date"),
    "los_days": ("实际住院天", "实际住院天数", "住院天数", "住院日", "length of stay", "los"),
    "cost_fen": ("住院总费用", "总费用", "住院费用", "费用总额", "医疗总费用", "total cost", "total costs"),
    "died": ("是否死亡", "死亡标志", "died", "death"),
    "exit_mode": ("离院方式", "离院方式代码"),
    "admission_route": ("入院途径", "入院途径代码"),
    "sex": ("性别", "性别代码", "sex", "gender"),
    "age_years": ("年龄", "年龄岁", "岁", "age"),
    "age_days": ("年龄不足1周岁的年龄天", "年龄天", "日龄"),
    "residence": ("现住址行政区划代码", "现住址区划代码", "居住地区划代码", "现住址区县编码"),
    "department": ("出院科别", "出院科室", "出院科别代码", "出院科室代码"),
    "principal_diagnosis": ("出院主要诊断编码", "主要诊断编码", "主诊断编码", "主要诊断代码", "主要诊断icd10"),
    "principal_procedure": ("主要手术操作编码", "主要手术编码", "主手术编码", "手术操作编码1", "主要手术操作代码"),
    "surgery_level": ("主要手术操作级别", "手术级别"),
    "drg": ("drg", "drg编码", "drg组", "drg代码", "drgs编码", "分组编码", "chsdrg", "入组编码"),
    "drg_weight": ("权重", "drg权重", "rw", "相对权重"),
    "rescues": ("抢救次数",),
    "successful_rescues": ("抢救成功次数",),
}
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
NEEDED = (
    "hospital",
    "discharge_date",
    "los_days",
    "cost_fen",
    "died",
    "sex",
    "age_years",
    "department",
    "principal_diagnosis",
    "drg",
)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """Where a field may come from.

    Attributes
    ----------
    source
        As `toolkit.data.formats.Source` is written in a map, without what is default.
    confidence
        0 to 1: how sure, by the rules of this module. No probability.
    reason
        In Chinese; names of columns and code tables, never a value of the file.
    """

    field: str
    source: dict[str, Any]
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
    def dates(self) -> list[str]:
        """Date formats that together match nearly every value, the commonest first; several that match alike: none."""
        shares = {name: self.share(pattern) for name, (pattern, _) in DATE_FORMATS.items()}
        found = sorted((n for n in shares if shares[n] > 0), key=lambda n: -shares[n])
        return found if found and sum(shares[n] for n in found) >= 0.95 and self._plausible(found[0]) else []

    def _plausible(self, name: str) -> bool:
        years = self.given.str.extract(DATE_FORMATS[name][0])[DATE_FORMATS[name][1][0] - 1].dropna().astype(float)
        return bool(years.between(1880, 2100).mean() >= 0.95)  # eight digits of another kind

    @cached_property
    def days(self) -> np.ndarray:
        """Days since 1970, NaN where none."""
        out = pd.Series(np.nan, index=self.cells.index)
        for name in self.dates:
            pattern, (year, month, day) = DATE_FORMATS[name]
            parts = self.cells.fillna("").str.strip().str.extract(pattern)
            text = parts[year - 1] + "-" + parts[month - 1].str.zfill(2) + "-" + parts[day - 1].str.zfill(2)
            when = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
            days = (when - pd.Timestamp(1970, 1, 1)).dt.days
            out = out.fillna(days)
        return out.to_numpy(float)

    @cached_property
    def numbers(self) -> np.ndarray:
        text = self.cells.fillna("").str.strip().str.replace(",", "", regex=False)
        return pd.to_numeric(text, errors="coerce").to_numpy(float)

    @cached_property
    def numeric(self) -> bool:
        return len(self.given) > 0 and np.isfinite(self.numbers).sum() >= 0.95 * len(self.given)

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
            ("身份证号（直接标识）", IDENTITY), ("DRG 编码", DRG), ("ICD-10 编码", ICD10), ("手术操作编码", r"^\d{2}\.\d{3,4}(?:x\d{3})?$"),
            ("科别或手术操作编码", CODED_DEPARTMENT),
        ):  # fmt: skip
            if self.share(pattern) >= 0.9 and not (self.numeric and pattern == CODED_DEPARTMENT and self.distinct < 3):
                return name
        if self.money:
            return "金额或小数"
        if self.words and len(self.words) <= 12:
            return f"{len(self.words)} 个取值的代码"
        if self.numeric:
            return "整数" if self.whole else "数值"
        return "文字，各不相同" if self.distinct > 0.9 * len(self.given) else "文字"


@dataclass(frozen=True)
class Proposal:
    """Guesses for a file: the best one of each field, and what is left over.

    `layout` is the id of a shipped map all of whose needed columns are there, or "".
    """

    path: Path
    guesses: tuple[Guess, ...]
    unresolved: tuple[Column, ...]
    layout: str

    @property
    def missing(self) -> list[str]:
        """Fields that most measures need and for which no column was found."""
        found = {g.field for g in self.guesses}
        return [n for n in NEEDED if n not in found and not (n == "discharge_date" and "year" in found)]

    def yaml(self) -> str:
        """The map, with a reason beside each field."""
        name = re.sub(r"[^0-9A-Za-z_-]+", "-", self.path.name.split(".")[0]).strip("-") or "my-format"
        lines = [
            f"# 由 speceval map 依 {_plain(self.path.name)} 的列名和取值提出的格式映射建议，须由人逐项核对。",
            "# A proposal: check every line, then set confirmed to true. 每行末尾是把握（0–1，不是概率）和理由。",
            f"id: {name}", f"title: {json.dumps(name, ensure_ascii=False)}",
            "confirmed: false   # 核对后改为 true，否则运行会拒绝",
        ]  # fmt: skip
        if self.layout:
            form = format_map(self.layout)
            lines.insert(2, f"# 本文件有 {form.id} 格式（{form.title}）的全部必需列，可直接写 data.format: {form.id}")
            lines.append(f"grouping: {json.dumps(form.grouping, ensure_ascii=False)}")
            if form.scope:
                lines.append(f"scope: {json.dumps(form.scope.model_dump(), ensure_ascii=False)}")
        lines.append("fields:")
        found = {g.field: g for g in self.guesses}
        order = [n for n in BY_NAME if n in found]
        if "hospital" not in found:
            lines.append('  hospital: {column: "?"}   # 没有找到，必填：写明机构代码所在的列')
        if "discharge_date" not in found and "year" not in found:
            lines.append(
                '  discharge_date: {column: "?"}   # 没有找到，必填：写明出院日期（或 year: 出院年份）所在的列'
            )
        for one in (found[n] for n in order):
            said = json.dumps(one.source, ensure_ascii=False)
            lines.append(f"  {one.field}: {said}   # {BY_NAME[one.field].name_zh}；{one.confidence:.2f}；{one.reason}")
        lines.append("# 没有用到的列（取值像什么） unresolved columns:")
        lines += [f"#   {_plain(c.name)} — {c.kind}" for c in self.unresolved] or ["#   无"]
        if self.missing:
            lines.append(
                f"# 没有找到的常用字段 fields not found: {'、'.join(f'{n}（{BY_NAME[n].name_zh}）' for n in self.missing)}"
            )
        return "\n".join(lines) + "\n"


def propose(path: Path) -> Proposal:
    """A format map for the file, from its header and first rows.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    with TemporaryDirectory() as work:
        source = open_source(0, path, Path(work))
        rows = _rows(source)
        source.close()
    if source.rejected:
        raise InputError("文件不可读", "the file cannot be read", where=str(path), remedy=source.rejected)
    columns = [Column(name, rows[name]) for name in rows.columns]
    layout, named = _by_layout(columns)
    guesses = {g.field: g for g in named}
    for guess in (*_by_name(columns), *_by_values(columns, guesses)):
        kept = guesses.get(guess.field)
        if kept is None or guess.confidence > kept.confidence:
            guesses[guess.field] = guess
    checked = [_against_values(g, {c.name: c for c in columns}) for g in guesses.values()]
    used = {c for g in checked for c in g.columns}
    return Proposal(path, tuple(checked), tuple(c for c in columns if c.name not in used and c.name.strip()), layout)


def _rows(source: SourceFile) -> pd.DataFrame:
    if source.kind == "parquet" and not source.rejected:
        try:
            batch = next(pq.ParquetFile(source.path).iter_batches(ROWS), None)
        except (pa.ArrowInvalid, OSError):
            source.rejected = "不是有效的 Parquet 文件，或已损坏"
            return pd.DataFrame()
        frame = batch.to_pandas() if batch is not None else pd.DataFrame()
        return frame.apply(lambda c: c.map(_said, na_action="ignore").astype(object))
    if source.rejected:
        return pd.DataFrame()
    found = next(text_rows.parts([source], source.header), None)
    if found is None or found.rows is None:
        return pd.DataFrame(columns=source.header, dtype=object)
    return found.rows.slice(0, ROWS).drop_columns(["file", "line"]).to_pandas().astype(object)


def _said(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# --- names -------------------------------------------------------------------------------------------------------------


def _normal(name: str) -> str:
    """A name without case, width, blanks, brackets and signs."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name)).lower()


def _by_layout(columns: Sequence[Column]) -> tuple[str, list[Guess]]:
    """Guesses from the shipped maps: fields whose columns are there, first from the map that fits best."""
    header = {unicodedata.normalize("NFKC", c.name).strip().lower(): c.name for c in columns}
    found: list[tuple[int, str, list[Guess]]] = []
    for name in available():
        form = format_map(name)
        guesses = [g for f, s in form.fields.items() if (g := _as_in(form, f, s, header))]
        if guesses:
            # the canonical names (sex, year …) are words that other files use too: they give way to a real layout
            found.append((sum(len(g.columns) for g in guesses) - (name == "canonical") * 1000, name, guesses))
    found.sort(key=lambda one: (-one[0], one[1]))
    kept: dict[str, Guess] = {}
    for _, _, guesses in found:
        for guess in guesses:
            kept.setdefault(guess.field, guess)
    names = list(header)
    whole = [name for _, name, _ in found if all(resolve(n, names) for n in format_map(name).required())]
    return (whole[0] if whole else ""), list(kept.values())


def _as_in(form: FormatMap, name: str, source: Source, header: dict[str, str]) -> Guess | None:
    def there(wanted: str) -> list[str]:
        return [real for known, real in header.items() if fnmatchcase(known, wanted.lower())]

    asked = source.names()
    hits = {n: there(n) for n in asked}
    if not any(hits.values()) or (not source.columns and not all(hits.values())):
        return None
    used = tuple(dict.fromkeys(real for found in hits.values() for real in found))
    said = source.model_dump(exclude_defaults=True)
    if source.column:
        said["column"] = hits[source.column][0]
    elif source.columns and not all(hits[n] for n in asked):
        present = [i for i, n in enumerate(asked) if hits[n]]
        said["columns"] = [asked[i] for i in present]
        if source.beside:
            said["beside"] = [source.beside[i] for i in present]
    said.pop("optional", None)
    return Guess(
        field=name, source=said, confidence=SURE, columns=used,
        reason=f"列名同 {form.id} 格式的 {'、'.join(map(_plain, used[:3]))}{' 等' * (len(used) > 3)}",
    )  # fmt: skip


def _by_name(columns: Sequence[Column]) -> Iterator[Guess]:
    """Guesses from Chinese and English names: the whole name, or a part of it."""
    names = {_normal(c.name): c.name for c in columns}
    for name in BY_NAME:
        known = [_normal(n) for n in (*NAMES.get(name, ()), BY_NAME[name].name_zh)]
        exact = next((names[n] for n in known if n in names), None)
        part = [] if name not in NAMES else [r for n, r in names.items() if any(len(k) > 2 and k in n for k in known)]
        if exact is not None:
            yield Guess(
                field=name, source={"column": exact}, confidence=0.9, columns=(exact,), reason="列名就是这个意思"
            )
        elif len(part) == 1:
            yield Guess(
                field=name, source={"column": part[0]}, confidence=0.6, columns=(part[0],), reason="列名含有这个意思"
            )


# --- values ------------------------------------------------------------------------------------------------------------


def _by_values(columns: Sequence[Column], known: dict[str, Guess]) -> Iterator[Guess]:
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


def _one(name: str, found: Sequence[Column], confidence: float, reason: str, **source: Any) -> Iterator[Guess]:
    """The first of the candidates; the more rivals, the less sure."""
    if found:
        rivals = "、".join(_plain(c.name) for c in found[1:4])
        said = reason + (f"；同样像的还有 {rivals}" if rivals else "")
        yield Guess(
            field=name, source={"column": found[0].name, **source}, columns=(found[0].name,), reason=said,
            confidence=round(confidence * (0.6 if rivals else 1), 2),
        )  # fmt: skip


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
            f"与另一日期之差等于 {_plain(los.name)}（{share:.0%} 的行）"
            if los is not None
            else "两个日期先后一致、相差不大"
        )
        sure = LIKELY + 0.1 if los is not None else POSSIBLE
        yield _day("admission_date", first, sure, why)
        yield _day("discharge_date", last, sure, why)
        if los is not None:
            yield Guess(field="los_days", source={"column": los.name}, columns=(los.name,), confidence=sure,
                        reason=f"等于 {_plain(last.name)} 与 {_plain(first.name)} 之差")  # fmt: skip
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
        yield Guess(field="other_diagnoses", source={"columns": names}, columns=tuple(names), confidence=POSSIBLE,
                    reason="取值为 ICD-10 编码，不是每行都有")  # fmt: skip


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
        c for c in free
        if c.share(CODED_DEPARTMENT) >= 0.99 and c.share(r"\.") > 0.3 and c.filled > 0.98 and 2 < c.distinct <= 120
    ]  # fmt: skip
    procedures = [c for c in dotted if c not in departments]
    # the principal one is filled wherever another is
    procedures.sort(key=lambda c: -c.filled)
    yield from _one("principal_procedure", procedures[:1], 0.7, "取值为手术操作编码，填写最多的一列")
    if len(procedures) > 1:
        names = [c.name for c in procedures[1:]]
        yield Guess(field="other_procedures", source={"columns": names}, columns=tuple(names), confidence=POSSIBLE,
                    reason="取值为手术操作编码")  # fmt: skip
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
        c for c in money
        if all(np.nanmean(np.nan_to_num(o.numbers) <= np.nan_to_num(c.numbers) + 0.005) >= 0.95 for o in money)
    ]  # fmt: skip
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


def _against_values(guess: Guess, columns: dict[str, Column]) -> Guess:
    """A guess by name, less sure where the values do not look like it; date formats as they are."""
    kind, column = BY_NAME[guess.field].type, columns[guess.columns[0]]
    if "column" not in guess.source or not len(column.given):
        return guess
    if kind == "date":
        if not column.dates:
            return _doubted(guess, "但取值不像日期")
        dates = guess.source.get("dates")
        if dates is None or not set(column.dates) <= set(dates):
            return Guess(**{**guess.__dict__, "source": {**guess.source, **_day("x", column, 0, "").source}})
    if kind in ("int8", "int16", "int32", "int64", "float64") and not column.numeric:
        pieces = "|".join(re.escape(p) for p in guess.source.get("remove", [","]))
        known = pd.to_numeric(column.given.str.replace(pieces, "", regex=True).str.strip(), errors="coerce").notna()
        if known.mean() < 0.9:
            return _doubted(guess, "但取值不像数")
    if guess.field == "cost_fen" and "scale" not in guess.source:
        separators = {"remove": [","]} if column.share(",") > 0 else {}
        said = {**guess.source, "scale": 100, **separators}
        return Guess(**{**guess.__dict__, "source": said, "reason": guess.reason + "；按元读入，存为分"})
    if guess.field == "died" and not {"true", "false"} & set(guess.source):
        dead = sorted(w for w in column.words if w.upper() in DEATHS) or sorted(column.words & {"1", "是", "Y", "true"})
        return Guess(**{**guess.__dict__, "source": {**guess.source, "true": dead or ["?"]}})
    return guess


def _doubted(guess: Guess, why: str) -> Guess:
    return Guess(**{**guess.__dict__, "confidence": min(guess.confidence, 0.3), "reason": f"{guess.reason}，{why}"})


def _plain(name: str) -> str:
    """A name that can stand in a comment: one line, no control character, not too long."""
    return "".join(c if c.isprintable() else " " for c in name)[:60].replace("#", "＃")


def table(proposal: Proposal) -> Iterable[tuple[str, str, str, str]]:
    """Field, columns, confidence and reason of every guess, for the command line."""
    for one in sorted(proposal.guesses, key=lambda g: list(BY_NAME).index(g.field)):
        yield (
            one.field,
            "、".join(map(_plain, one.columns[:4])) + " 等" * (len(one.columns) > 4),
            f"{one.confidence:.2f}",
            one.reason,
        )
