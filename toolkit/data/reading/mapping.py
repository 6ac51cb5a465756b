"""A proposed format map for a file nobody has described: by the names of its columns, then by their values (`column_values`).

A proposal is for a person to confirm: each line says how sure it is and why, `confirmed: false` stops a run until somebody
has looked. No value of the file stands in it, only names of columns and words of known code tables.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.reading import text_rows
from toolkit.data.reading.column_values import Column, Guess, by_values, plain
from toolkit.data.reading.files import SourceFile
from toolkit.data.reading.formats import FormatMap, Source, available, format_map, resolve
from toolkit.data.reading.header import likely_header
from toolkit.data.reading.opening import open_source
from toolkit.data.reading.possible import NUMBERS, OTHER, WORDS, deaths_in, impossible, shown, words_as_codes
from toolkit.documents import Document
from toolkit.errors import InputError

ROWS = 5_000  # enough for any share below, and read in a second
SURE = 0.95
# Other names in use, beside the Chinese name of the field and the column names of every shipped map; brackets, blanks and
# signs do not count, nor do case and width.
NAMES: dict[str, tuple[str, ...]] = {
    "hospital": (
        *(
            f"{of}{code}"
            for of in ("组织机构", "机构", "医疗机构", "医院", "定点医药机构")
            for code in ("代码", "编码", "编号")
        ),
        "hospital code",
    ),
    "hospital_name": ("医疗机构名称", "医院名称", "机构名称"),
    "record": ("病案号", "病历号", "住院号", "病案编号", "病历编号", "住院流水号", "record number"),
    "visit": ("住院次数", "第几次住院", "次数", "入院次数"),
    "identity": ("身份证号", "身份证号码", "身份证", "证件号码", "证件号"),
    "health_card": ("健康卡号", "社保卡号", "医保卡号"),
    "birth_date": ("出生日期", "出生年月日", "生日"),
    "year": ("出院年份", "年份", "年度", "discharge year"),
    "month": ("出院月份", "月份"),
    "admission_date": ("入院时间", "入院日期", "admission date"),
    "discharge_date": ("出院时间", "出院日期", "discharge date"),
    "los_days": ("实际住院天", "实际住院天数", "住院天数", "住院日", "length of stay", "los"),
    "cost_fen": ("住院总费用", "总费用", "住院费用", "费用总额", "费用合计", "医疗总费用", "total cost", "total costs"),
    "died": ("是否死亡", "死亡标志", "died", "death"),
    "exit_mode": ("离院方式", "离院方式代码", "离院方式名称", "出院方式"),
    "admission_route": ("入院途径", "入院途径代码"),
    "sex": ("性别", "性别代码", "sex", "gender"),
    "age_years": ("年龄", "年龄岁", "岁", "age"),
    "age_days": ("年龄不足1周岁的年龄天", "年龄天", "日龄"),
    "residence": ("现住址行政区划代码", "现住址区划代码", "居住地区划代码", "现住址区县编码"),
    "department": ("出院科别", "出院科室", "出院科别代码", "出院科室代码", "出院科室编码", "科别", "科室"),
    "principal_diagnosis": ("出院主要诊断编码", "主要诊断编码", "主诊断编码", "主要诊断代码", "主要诊断icd10"),
    "principal_procedure": ("主要手术操作编码", "主要手术编码", "主手术编码", "手术操作编码1", "主要手术操作代码"),
    "surgery_level": ("主要手术操作级别", "手术级别"),
    "drg": (
        "drg",
        "drg编码",
        "drg组",
        "drg代码",
        "drgs编码",
        "drg分组",
        "drg分组编码",
        "分组编码",
        "chsdrg",
        "入组编码",
    ),
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


LEAST = 0.5  # below this confidence a place stays open


@dataclass(frozen=True)
class Proposal:
    """Guesses for a file: the best one of each field, and what is left over.

    Attributes
    ----------
    name
        Of the file, or of the kind of files that the columns are of.
    layout
        The id of a shipped map all of whose needed columns are there, or "".
    refused
        What the name of a column said and its values contradict: field, column, reason.
    """

    name: str
    guesses: tuple[Guess, ...]
    unresolved: tuple[Column, ...]
    layout: str
    refused: tuple[tuple[str, str, str], ...] = ()

    @property
    def sure(self) -> list[Guess]:
        """The guesses that a map is made of."""
        return [guess for guess in self.guesses if guess.confidence >= LEAST]

    @property
    def missing(self) -> list[str]:
        """Fields that most measures need and for which no column was found."""
        found = {g.field for g in self.sure}
        return [n for n in NEEDED if n not in found and not (n == "discharge_date" and "year" in found)]

    def yaml(self, given: Sequence[str] = ()) -> str:
        """The map, with a reason beside each field.

        Parameters
        ----------
        given
            Fields that the run gives beside the file: of these no column is asked.
        """
        name = re.sub(r"[^0-9A-Za-z_-]+", "-", self.name.split(".")[0]).strip("-") or "my-format"
        lines = [
            f"# 由 speceval 依 {plain(self.name)} 的列名和取值提出的格式映射建议，须由人逐项核对。",
            "# A proposal: check every line, then set confirmed to true. 每行末尾是把握（0–1，不是概率）和理由。",
            f"id: {json.dumps(name)}",
            f"title: {json.dumps(name, ensure_ascii=False)}",
            "confirmed: false   # 核对后改为 true，否则运行会拒绝",
        ]
        if self.layout:
            form = format_map(self.layout)
            lines.insert(2, f"# 本文件有 {form.id} 格式（{form.title}）的全部必需列，可直接写 data.format: {form.id}")
            lines.append(f"grouping: {json.dumps(form.grouping, ensure_ascii=False)}")
            if form.scope:
                lines.append(f"scope: {json.dumps(form.scope.model_dump(), ensure_ascii=False)}")
        lines += ["fields:", *self._open(given)]
        found = {g.field: g for g in self.guesses}
        for one in (found[n] for n in BY_NAME if n in found and n not in given):
            said = json.dumps(one.source, ensure_ascii=False)
            off = "" if one.confidence >= LEAST else "# 把握不足，未采用："
            title = BY_NAME[one.field].name_zh
            lines.append(f"  {off}{one.field}: {said}   # {title}；{one.confidence:.2f}；{one.reason}")
        lines += [
            f"# 列名像 {BY_NAME[field].name_zh}（{field}）而未采用：{plain(column)} — {why}"
            for field, column, why in self.refused
        ]
        lines.append("# 没有用到的列（取值像什么） unresolved columns:")
        lines += [f"#   {plain(c.name)} — {c.kind}" for c in self.unresolved] or ["#   无"]
        if missing := [n for n in self.missing if n not in given]:
            lines.append(
                f"# 没有找到的常用字段 fields not found: {'、'.join(f'{n}（{BY_NAME[n].name_zh}）' for n in missing)}"
            )
        return "\n".join(lines) + "\n"

    def _open(self, given: Sequence[str]) -> list[str]:
        """The places that a person must fill in."""
        found = {g.field for g in self.sure} | set(given)
        lines = []
        if "hospital" not in found:
            lines.append('  hospital: {column: "?"}   # 没有找到，必填：写明机构代码所在的列')
        if not {"discharge_date", "year"} & found:
            lines.append(
                '  discharge_date: {column: "?"}   # 没有找到，必填：写明出院日期（或 year: 出院年份）所在的列'
            )
        return lines


def propose(path: Path) -> Proposal:
    """A format map for the first table of a file, from its header and first rows.

    Raises
    ------
    InputError
        There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise InputError(
            "没有这个文件" if not path.exists() else "这是文件夹，请写其中的一个文件",
            "no such file",
            where=str(path),
            remedy="检查路径；为整个文件夹写参数文件用 speceval init --from 文件夹",
            remedy_english="check the path; for a whole folder, speceval init --from FOLDER",
        )
    with TemporaryDirectory() as work:
        source = open_source(0, path, Path(work))
        rows = sample(source)
        source.close()
    if source.rejected:
        raise InputError("文件不可读", "the file cannot be read", where=str(path), remedy=source.rejected)
    return propose_for(path.name, rows)


def propose_for(name: str, rows: pd.DataFrame) -> Proposal:
    """A format map for rows of text under the names of their columns."""
    columns = [Column(name, rows[name]) for name in rows.columns]
    by_name = {c.name: c for c in columns}
    layout, known = _by_layout(columns)
    trusted = bool(layout) and not layout.startswith("front-page") and layout != "canonical"
    refused: list[tuple[str, str, str]] = []

    def able(guesses: Iterable[Guess]) -> Iterator[Guess]:
        for guess in guesses:
            why = impossible(guess.field, by_name[guess.columns[0]]) if "column" in guess.source else ""
            if why and not (trusted and guess.confidence == SURE):
                refused.append((guess.field, guess.columns[0], why))
            else:
                yield guess

    best = _one_each([*able((*known, *_by_name(columns)))])
    best = _one_each([*best.values(), *able(by_values(columns, best))])
    followed = (*_deaths(best, by_name), *_operated(best))
    finished = [_finished(g, by_name) for g in (*best.values(), *followed)]
    used = {c for g in finished for c in g.columns}
    left = tuple(c for c in columns if c.name not in used and c.name.strip())
    chosen = {g.field for g in finished if g.confidence >= LEAST}
    open_ = tuple(dict.fromkeys(one for one in refused if one[0] not in chosen))
    return Proposal(name, tuple(finished), left, layout, open_)


# fields that may come from one and the same column
TOGETHER = ({"died", "exit_mode"}, {"surgical", "surgery_level", "procedure_levels"})


def _one_each(guesses: Sequence[Guess]) -> dict[str, Guess]:
    """The surest guess of each field, and no column for two fields, but where one follows from the other."""
    chosen: dict[str, Guess] = {}
    owner: dict[str, Guess] = {}
    for guess in sorted(guesses, key=lambda g: -g.confidence):
        if guess.field in chosen:
            continue
        mine = owner.get(guess.columns[0]) if "column" in guess.source else None
        together = mine is not None and any({mine.field, guess.field} <= group for group in TOGETHER)
        # a shipped map says itself what its columns are used for
        if mine is not None and not together and not mine.confidence == guess.confidence == SURE:
            continue
        chosen[guess.field] = guess
        for column in guess.columns:
            owner.setdefault(column, guess)
    return chosen


def _deaths(found: Mapping[str, Guess], columns: Mapping[str, Column]) -> Iterator[Guess]:
    """The death of a patient, from how the stay ended, where no column says it itself."""
    way = found.get("exit_mode")
    if way is None or "died" in found or "column" not in way.source:
        return
    true, false = deaths_in("exit_mode", columns[way.columns[0]])
    if true:
        source = {"column": way.columns[0], "true": true, **({"false": false} if false else {})}
        yield Guess(
            field="died",
            source=source,
            columns=way.columns,
            confidence=way.confidence,
            reason=f"由{plain(way.columns[0])}中的死亡而来",
        )


def _operated(found: Mapping[str, Guess]) -> Iterator[Guess]:
    """Whether a stay holds an operation, from its level, where no column says it itself: one without a level holds none."""
    level = found.get("surgery_level")
    if level is not None and "surgical" not in found and "column" in level.source:
        source = {"columns": [level.source["column"]], "true": ["1", "2", "3", "4"]}
        why = f"{plain(level.columns[0])}有级别的为手术病例"
        yield replace(level, field="surgical", source=source, reason=why)


def _finished(guess: Guess, columns: Mapping[str, Column]) -> Guess:
    """A guess with what the values ask for: formats of days, words as codes, yuan as fen."""
    if "column" not in guess.source:
        return guess
    column, said, why = columns[guess.columns[0]], dict(guess.source), ""
    if BY_NAME[guess.field].type in ("date", "timestamp") and column.dates:
        if not set(column.dates) <= set(said.get("dates", Source(column="x").dates)):
            said["dates"] = column.dates
        if "serial-1900" in column.dates:
            why = "；有 Excel 的日期序列号，按 1900 年起算，Mac 旧版文件改为 serial-1904"
    if guess.field in WORDS and not said.get("values"):
        values, unmapped = words_as_codes(guess.field, column)
        said |= {"values": values} if values else {}
        why = f"；{shown(unmapped)}" if unmapped else ""
    if guess.field == "cost_fen" and "scale" not in said:
        said |= {"scale": 100, **({"remove": [","]} if column.share(",") > 0 else {})}
        why = "；按元读入，存为分"
    told = {*said.get("true", ()), *said.get("false", ())}
    # codes of a shipped map say nothing of a column that holds words: every death would be lost
    listed = column.given.isin(told)
    if guess.field == "died" and not (listed.all() if said.get("false") else listed.any()):
        kinds = ("exit_mode", "died") if told else ("died",)
        true, false = next((way for way in (deaths_in(of, column) for of in kinds) if way[0]), ([], []))
        if true or not listed.mean() > 0.5:
            said = {k: v for k, v in said.items() if k not in ("true", "false")}
            said |= {"true": true or ["?"], **({"false": false} if false else {})}
            why = "" if true else "；请写明哪个取值表示死亡"
    numeric = BY_NAME[guess.field].type in NUMBERS
    doubt = numeric and len(column.given) > 0 and not column.mostly_numeric and not said.get("values")
    if doubt and pd.to_numeric(_without(column, said), errors="coerce").notna().mean() < 0.9:
        return replace(guess, confidence=min(guess.confidence, 0.3), reason=f"{guess.reason}，但取值不像数")
    return replace(guess, source=said, reason=guess.reason + why)


def _without(column: Column, source: Document) -> pd.Series:
    pieces = "|".join(map(re.escape, source.get("remove", [","])))
    return column.given.str.replace(pieces, "", regex=True).str.strip()


def sample(source: SourceFile, most: int = ROWS) -> pd.DataFrame:
    """The first rows of a table as text, under its likeliest header; refuses it where they cannot be read."""
    if source.stored == "parquet" and not source.rejected:
        try:
            batch = next(pq.ParquetFile(source.path).iter_batches(most), None)
        except (pa.ArrowInvalid, OSError):
            source.refuse("不是有效的 Parquet 文件，或已损坏")
            return pd.DataFrame()
        frame = batch.to_pandas() if batch is not None else pd.DataFrame()
        return frame.apply(lambda c: c.map(_said, na_action="ignore").astype(object))
    if source.rejected:
        return pd.DataFrame()
    likely_header(source, _is_known)
    names = list(dict.fromkeys(name for name in source.header if name.strip()))
    if not names:
        source.refuse("没有列名")
        return pd.DataFrame()
    found = next(text_rows.parts([source], names), None)
    if found is None:
        return pd.DataFrame(columns=names, dtype=object)
    return found.rows.slice(0, most).drop_columns(["file", "line"]).to_pandas().astype(object)


@cache
def _known_names() -> frozenset[str]:
    shipped = {n for name in available() for n in format_map(name).wanted() if "*" not in n}
    said = {n for names in NAMES.values() for n in names} | {field.name_zh for field in BY_NAME.values()}
    return frozenset(map(_normal, shipped | said))


def _is_known(name: str) -> bool:
    return _normal(name) in _known_names()


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
        part = [
            real
            for n, real in names.items()
            if name in NAMES
            and any(len(k) > 2 and k in n for k in known)
            and not re.search(OTHER, real)
            and (name in CODED_AS or not n.endswith(("名称", "name")))
        ]
        if exact is not None:
            yield Guess(
                field=name, source={"column": exact}, confidence=0.9, columns=(exact,), reason="列名就是这个意思"
            )
        elif len(part) == 1:
            yield Guess(
                field=name, source={"column": part[0]}, confidence=0.6, columns=(part[0],), reason="列名含有这个意思"
            )


CODED_AS = ("department", "hospital_name")  # of these a name will do


def table(proposal: Proposal) -> Iterable[tuple[str, str, str, str]]:
    """Field, columns, confidence and reason of every guess, for the command line."""
    for one in sorted(proposal.guesses, key=lambda g: list(BY_NAME).index(g.field)):
        yield (
            one.field,
            "、".join(map(plain, one.columns[:4])) + " 等" * (len(one.columns) > 4),
            f"{one.confidence:.2f}",
            one.reason,
        )
