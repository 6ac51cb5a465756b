"""单病种: disease sets by principal ICD-10 code, DRG or operation, from a YAML file. Sets may overlap.

The principal diagnosis decides, or the DRG; of a disease that is an operation (髋膝置换, CABG, 剖宫产) its procedure does, alone
or together with the principal diagnosis.
"""

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
from toolkit.data.lists.code_lists import with_principal
from toolkit.engine.types import Column, Table
from toolkit.params import Code, Id, Text
from toolkit.strict_yaml import Section, read_yaml, validate

SHIPPED = Path(__file__).with_name("diseases.yaml")
_RANGE = re.compile(r"^([A-Z])(\d{2})(?:\.(\d))?-\1(\d{2})(?:\.(\d))?$")


class Disease(Section):
    """One disease: discharges whose principal diagnosis, DRG or operation begins with one of the prefixes.

    With both diagnoses and procedures a discharge must have one of each.
    """

    id: Id = Field(title="病种编号")
    name_zh: Text = Field(title="病种名称")
    diagnoses: list[Code] = Field(
        default=[], title="主要诊断编码前缀", description="a prefix, or a range such as J12-J18"
    )
    drgs: list[Code] = Field(default=[], title="DRG 前缀")
    procedures: list[Code] = Field(
        default=[], title="手术操作编码前缀", description="of the principal procedure; without ranges"
    )
    any_procedure: bool = Field(
        False, title="其他手术操作也算", description="any procedure of the stay, not the principal one"
    )

    @model_validator(mode="after")
    def _one_definition(self) -> Disease:
        if bool(self.diagnoses or self.procedures) == bool(self.drgs):
            raise ValueError(
                "须给出 diagnoses、procedures（可同时给出）或 drgs 之一 (give diagnoses, procedures or both, or else drgs)"
            )
        if self.any_procedure and not self.procedures:
            raise ValueError("any_procedure 需要 procedures (any_procedure needs procedures)")
        self.prefixes  # noqa: B018  a range that is none is refused here
        return self

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes of diagnoses or DRGs, ranges written out; none where the procedure alone decides."""
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
    places = _Places(table)
    text: Column = ibis.literal("")
    for disease in diseases:
        text = text + ibis.ifelse(places.hit(disease), SEPARATOR + disease.id, "")
    # most records have none: one look at all prefixes together spares them a look at each
    return ibis.ifelse(places.any_hit(diseases), text + SEPARATOR, ibis.null("string"))


class _Places:
    """Where the codes of a record stand that diseases are told by; a place is looked for only where a disease needs it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @property
    def diagnosis(self) -> Column:
        return self._table.principal_diagnosis.upper()

    @property
    def drg(self) -> Column:
        return self._table.drg

    @property
    def procedure(self) -> Column:
        return self._table.principal_procedure.upper()

    @property
    def procedures(self) -> Column:
        return with_principal(self._table.principal_procedure, self._table.other_procedures)

    def hit(self, disease: Disease) -> Column:
        tests = []
        if disease.prefixes:
            column = self.drg if disease.drgs else self.diagnosis
            tests.append(ibis.or_(*[column.startswith(prefix) for prefix in disease.prefixes]))
        if disease.procedures and disease.any_procedure:
            tests.append(ibis.or_(*[self.procedures.contains(SEPARATOR + prefix) for prefix in disease.procedures]))
        elif disease.procedures:
            tests.append(ibis.or_(*[self.procedure.startswith(prefix) for prefix in disease.procedures]))
        return ibis.and_(*tests).fill_null(False)

    def any_hit(self, diseases: Sequence[Disease]) -> Column:
        """Whether one of the prefixes of any disease stands where it is looked for: at least of those that are hit."""
        plain = [d for d in diseases if not d.procedures]
        asked = (
            (lambda: self.diagnosis, [p for d in plain if not d.drgs for p in d.prefixes], "^"),
            (lambda: self.drg, [p for d in plain if d.drgs for p in d.prefixes], "^"),
            (lambda: self.procedure, [p for d in diseases if not d.any_procedure for p in d.procedures], "^"),
            (lambda: self.procedures, [p for d in diseases if d.any_procedure for p in d.procedures], r"\|"),
        )
        tests = [
            place().re_search(f"{before}({'|'.join(map(re.escape, prefixes))})").fill_null(False)
            for place, prefixes, before in asked
            if prefixes
        ]
        return ibis.or_(*tests)


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
