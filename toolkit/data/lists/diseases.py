"""单病种: disease sets by principal ICD-10 code or DRG, from a YAML file. Sets may overlap; the principal diagnosis decides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import ibis
import pandas as pd
from ibis import _
from pydantic import Field, model_validator

from toolkit.data.discharge.measures import MEASURES, added, sums
from toolkit.data.discharge.schema import SEPARATOR
from toolkit.engine.types import Column, Table
from toolkit.params import Code, Id, Text
from toolkit.strict_yaml import Section, read_yaml, validate

SHIPPED = Path(__file__).with_name("diseases.yaml")
_RANGE = re.compile(r"^([A-Z])(\d{2})(?:\.(\d))?-\1(\d{2})(?:\.(\d))?$")


class Disease(Section):
    """One disease: discharges whose principal diagnosis, or whose DRG, begins with one of the prefixes."""

    id: Id = Field(title="病种编号")
    name_zh: Text = Field(title="病种名称")
    diagnoses: list[Code] = Field(
        default=[], title="主要诊断编码前缀", description="a prefix, or a range such as J12-J18"
    )
    drgs: list[Code] = Field(default=[], title="DRG 前缀")

    @model_validator(mode="after")
    def _one_definition(self) -> Disease:
        if bool(self.diagnoses) == bool(self.drgs):
            raise ValueError("diagnoses 与 drgs 必须且只能给出一个 (give either diagnoses or drgs)")
        self.prefixes  # noqa: B018  a range that is none is refused here
        return self

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes, ranges written out."""
        return tuple(p for text in self.diagnoses or self.drgs for p in _written_out(text))


class DiseaseSets(Section):
    """The diseases of a run."""

    title: Text = Field(title="名称")
    diseases: list[Disease] = Field(title="病种", min_length=1)

    @model_validator(mode="after")
    def _ids_once(self) -> DiseaseSets:
        ids = [d.id for d in self.diseases]
        for repeated in {i for i in ids if ids.count(i) > 1}:
            raise ValueError(f"病种编号 {repeated} 重复 (disease id repeated)")
        return self

    def name(self, id: str) -> str:
        """The Chinese name of a disease."""
        return next((d.name_zh for d in self.diseases if d.id == id), id)


def _written_out(text: str) -> tuple[str, ...]:
    found = _RANGE.match(text)
    if not found:
        if "-" in text:
            raise ValueError(f"编码范围 {text} 无效, 写成 J12-J18 或 K92.0-K92.2 (not a range of codes)")
        return (text,)
    letter, first, first_digit, last, last_digit = found.groups()
    if (first_digit is None) != (last_digit is None) or (first_digit is not None and first != last) or last < first:
        raise ValueError(f"编码范围 {text} 无效, 写成 J12-J18 或 K92.0-K92.2 (not a range of codes)")
    if first_digit is not None:
        assert last_digit is not None  # noqa: S101  checked above
        return tuple(f"{letter}{first}.{d}" for d in range(int(first_digit), int(last_digit) + 1))
    return tuple(f"{letter}{n:02d}" for n in range(int(first), int(last) + 1))


def read_diseases(path: Path | None) -> DiseaseSets:
    """The sets in a file, or the shipped example.

    Raises
    ------
    ParameterError
        With file and line.
    """
    values, lines = read_yaml(path or SHIPPED)
    return validate(DiseaseSets, values, lines, path or SHIPPED)


def diseases_of(table: Table, diseases: Sequence[Disease]) -> Column:
    """The diseases of a record as a list in one text, `|ami|stroke|`; NULL where of none."""
    columns = {True: table.principal_diagnosis.upper(), False: table.drg}
    text: Column = ibis.literal("")
    for disease in diseases:
        column = columns[bool(disease.diagnoses)]
        hit = ibis.or_(*[column.startswith(prefix) for prefix in disease.prefixes])
        text = text + ibis.ifelse(hit, SEPARATOR + disease.id, "")
    # most records have none: one look at all prefixes together spares them a look at each
    tests = []
    for by_diagnosis, column in columns.items():
        if prefixes := [re.escape(p) for d in diseases if bool(d.diagnoses) == by_diagnosis for p in d.prefixes]:
            tests.append(column.re_search(f"^({'|'.join(prefixes)})").fill_null(False))
    return ibis.ifelse(ibis.or_(*tests), text + SEPARATOR, ibis.null("string"))


MEASURED = ("cost", "los", "died")


def no_disease_sums() -> pd.DataFrame:
    """As `disease_sums`, of a source without diagnoses."""
    columns = [c for m in MEASURES if m.id in MEASURED for c in sums(m, m.id)]
    text = {c: pd.Series(dtype="str") for c in ("hospital", "specialty", "disease")}
    return pd.DataFrame({**text, **dict.fromkeys(("year", "n", *columns), pd.Series(dtype="int64"))})


def disease_sums(discharges: Table) -> pd.DataFrame:
    """Cases, costs, days and deaths of every disease, in one aggregate over the discharges that have one.

    Returns
    -------
    pd.DataFrame
        One row per hospital, specialty, year and disease: the key, `n`, and the sums of the measures as in the cube. A
        discharge in two sets counts in both. Sorted by the key; the specialty is "" where there is none.
    """
    key = ["hospital", "specialty", "year", "disease"]
    found = discharges.filter(_.diseases.notnull())
    found = found.mutate(specialty=ibis.coalesce(_.specialty, ""), disease=_.diseases.strip().split(SEPARATOR).unnest())
    chosen = [m for m in MEASURES if m.id in MEASURED]
    rows = found.filter(_.disease != "").select(*key, **{m.id: added(m) for m in chosen})
    columns = {"n": _.count()}
    for measure in chosen:
        columns |= sums(measure, measure.id)
    table = rows.group_by(key).aggregate(**columns).to_pandas()
    return table.sort_values(key, ignore_index=True)
