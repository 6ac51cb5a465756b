"""A proposed format map for a file nobody has described: by the names of its columns, then by their values (`column_values`).

A proposal is for a person to confirm: each line says how sure it is and why, `confirmed: false` stops a run until somebody
has looked. No value of the file stands in it, only names of columns and words of known code tables.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.reading import text_rows
from toolkit.data.reading.column_values import Column, Guess, against_values, by_values, plain
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source, available, format_map, resolve
from toolkit.data.reading.opening import open_source
from toolkit.errors import InputError

ROWS = 5_000  # enough for any share below, and read in a second
SURE = 0.95
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
            f"# 由 speceval map 依 {plain(self.path.name)} 的列名和取值提出的格式映射建议，须由人逐项核对。",
            "# A proposal: check every line, then set confirmed to true. 每行末尾是把握（0–1，不是概率）和理由。",
            f"id: {name}",
            f"title: {json.dumps(name, ensure_ascii=False)}",
            "confirmed: false   # 核对后改为 true，否则运行会拒绝",
        ]
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
        lines += [f"#   {plain(c.name)} — {c.kind}" for c in self.unresolved] or ["#   无"]
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
    for guess in (*_by_name(columns), *by_values(columns, guesses)):
        kept = guesses.get(guess.field)
        if kept is None or guess.confidence > kept.confidence:
            guesses[guess.field] = guess
    checked = [against_values(g, {c.name: c for c in columns}) for g in guesses.values()]
    used = {c for g in checked for c in g.columns}
    return Proposal(path, tuple(checked), tuple(c for c in columns if c.name not in used and c.name.strip()), layout)


def _rows(source: SourceFile) -> pd.DataFrame:
    if source.stored == "parquet" and not source.rejected:
        try:
            batch = next(pq.ParquetFile(source.path).iter_batches(ROWS), None)
        except (pa.ArrowInvalid, OSError):
            source.refuse("不是有效的 Parquet 文件，或已损坏")
            return pd.DataFrame()
        frame = batch.to_pandas() if batch is not None else pd.DataFrame()
        return frame.apply(lambda c: c.map(_said, na_action="ignore").astype(object))
    if source.rejected:
        return pd.DataFrame()
    found = next(text_rows.parts([source], source.header), None)
    if found is None:
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
        field=name,
        source=said,
        confidence=SURE,
        columns=used,
        reason=f"列名同 {form.id} 格式的 {'、'.join(map(plain, used[:3]))}{' 等' * (len(used) > 3)}",
    )


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


def table(proposal: Proposal) -> Iterable[tuple[str, str, str, str]]:
    """Field, columns, confidence and reason of every guess, for the command line."""
    for one in sorted(proposal.guesses, key=lambda g: list(BY_NAME).index(g.field)):
        yield (
            one.field,
            "、".join(map(plain, one.columns[:4])) + " 等" * (len(one.columns) > 4),
            f"{one.confidence:.2f}",
            one.reason,
        )
