"""Canonical discharges straight to Parquet, at any size, without going through front pages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit.data.discharge.schema import BY_NAME, SEPARATOR, STORED, TECHNIQUES
from toolkit.params import IndicatorPolicy
from toolkit.synthetic.details import (
    COUNTY_CODES,
    FURTHER_PROCEDURES,
    HOME_CODES,
    MOST_PROCEDURES,
    Details,
    diagnosis_lists,
    draw_details,
    fees,
)
from toolkit.synthetic.records import BLOCK, Stays, block_count, draw_block
from toolkit.synthetic.region import SyntheticRegion
from toolkit.synthetic.specialties import SPECIALTIES
from toolkit.synthetic.truth import write_registry

_ARROW = {
    "string": pa.string(),
    "codes": pa.string(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
SCHEMA = pa.schema([pa.field(name, _ARROW[BY_NAME[name].type]) for name in STORED])
_CODES = pa.dictionary(pa.int16(), pa.string())  # text while it is drawn
_DRAWN = pa.schema([field.with_type(_CODES) if field.type == pa.string() else field for field in SCHEMA])


def write_discharges(region: SyntheticRegion, folder: Path | str, *, workers: int = 1) -> Path:
    """Write `discharges/year=YYYY.parquet` (zstd), the registry tables and truth.json; returns the path of truth.json.

    Grain: one row per discharge; columns `STORED` of `toolkit.data.discharge.schema`, with `drg_weight` and `age_days` all NULL (no
    newborns); sorted by hospital and specialty. `patient` is a serial number, not a hash: nobody stands behind it. One row
    group per drawn block, so memory does not grow with the size. `workers` years at a time, in threads (the draw leaves the
    interpreter free); bytes do not depend on how many.
    """
    folder = Path(folder)
    store = folder / "discharges"  # Parquet alone, so that the folder can be opened as one data set
    store.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda year: _write_year(region, year, store), region.settings.years))
    write_registry(region, folder)
    return folder / "truth.json"


def discharges(region: SyntheticRegion, year: int, block: int = 0) -> pa.Table:
    """One block of a year's discharges as a canonical table (see `write_discharges`)."""
    stays = draw_block(region, year, block)
    table = _table(region, year, stays, draw_details(region, year, block, stays, block * BLOCK))
    return table.cast(SCHEMA)  # text columns are drawn as dictionaries


def _write_year(region: SyntheticRegion, year: int, folder: Path) -> None:
    cells = region.cells(year)
    text = [name for name in STORED if BY_NAME[name].type in ("string", "codes")]
    coded = [
        *text,
        "rescues",
        "successful_rescues",
        "year",
        "month",
        "age_years",
        "los_days",
        "surgery_level",
        "admission_date",
        "discharge_date",
    ]
    # the Arrow schema is not stored: readers then see plain text columns, not dictionaries
    with pq.ParquetWriter(
        folder / f"year={year}.parquet",
        _DRAWN,
        compression="zstd",
        compression_level=1,
        use_dictionary=coded,
        store_schema=False,
    ) as writer:
        for block in range(block_count(region, year)):
            stays = draw_block(region, year, block, cells)
            table = _table(region, year, stays, draw_details(region, year, block, stays, block * BLOCK))
            writer.write_table(table, row_group_size=len(table) or None)


def _table(region: SyntheticRegion, year: int, stays: Stays, details: Details) -> pa.Table:
    unit_hospital = region.units.hospital.to_numpy()
    unit_specialty = region.units.specialty.to_numpy()
    specialty = unit_specialty[stays.unit]
    drgs = region.drgs
    department_start = np.cumsum([0, *(len(s.departments) for s in SPECIALTIES)])[:-1]
    departments = [code for s in SPECIALTIES for code, _ in s.departments]
    codes = {name: _categories(drgs[name]) for name in ("diagnosis", "operation")}
    level = pa.array(stays.level, mask=stays.level == 0)
    columns = {
        **_further(region, year, stays, details),
        **_derived(region, stays, details, level),
        "hospital": _text(unit_hospital[stays.unit], region.hospitals.code.tolist()),
        "year": pa.array(np.full(len(stays), year, np.int16)),
        "month": pa.array(stays.month),
        "admission_date": pa.array(stays.admission.astype(np.int32)).cast(pa.date32()),
        "discharge_date": pa.array(stays.discharge.astype(np.int32)).cast(pa.date32()),
        "los_days": pa.array(stays.los.astype(np.int32)),
        "cost_fen": pa.array(stays.cost),
        "died": pa.array(stays.died),
        "exit_mode": _text(stays.exit_mode, [str(value) for value in range(10)]),
        "admission_route": _text(stays.route, [str(value) for value in range(10)]),
        "sex": _text(stays.sex, ["0", "1", "2"]),
        "age_years": pa.array(stays.age.astype(np.int16)),
        "department": _text(department_start[specialty] + stays.department, departments),
        "principal_diagnosis": _text(codes["diagnosis"][0][stays.drg], codes["diagnosis"][1]),
        "principal_procedure": _text(codes["operation"][0][stays.drg], codes["operation"][1], ~stays.surgical),
        "surgery_level": level,
        "surgical": pa.array(stays.surgical),
        "drg": _text(stays.drg, drgs.code.tolist(), ~stays.grouped),
        "drg_weight": pa.nulls(len(stays), pa.float64()),
        "specialty": _text(specialty, [s.id for s in SPECIALTIES]),
    }
    return pa.table(columns, schema=_DRAWN)


# which items make up a class, as in the front-page format map
CLASSES = {
    "medical_fen": ("D11", "D12", "D19", "D20", "D26", "D32", "D33"),
    "nursing_fen": ("D13",),
    "technical_fen": ("D15", "D16", "D17", "D18"),
    "drug_fen": ("D23", "D24"),
    "chinese_drug_fen": ("D24",),
    "management_fen": ("D34",),
    "material_fen": ("D32", "D33"),
}


def _further(region: SyntheticRegion, year: int, stays: Stays, details: Details) -> dict[str, pa.Array]:
    n, amounts = len(stays), fees(stays, details)
    before = sum(count for earlier, count in region.year_counts.items() if earlier < year)
    lists = diagnosis_lists()
    acquired = [[code for code, condition in entries if condition == "4"] for entries in lists]
    procedures = [list(FURTHER_PROCEDURES[:number]) for number in range(MOST_PROCEDURES + 1)]
    return {
        "patient": pa.array(before + details.patient + 1),
        "age_days": pa.nulls(n, pa.int16()),
        "residence": _text(details.home, list(HOME_CODES), details.home < 0),
        "other_diagnoses": _listed(details.diagnoses, [[code for code, _ in entries] for entries in lists]),
        "acquired_diagnoses": _listed(details.diagnoses, acquired),
        "other_procedures": _listed(details.procedures, procedures),
        "readmission_planned": pa.array(details.planned),
        "receiver": pa.array(np.isin(stays.exit_mode, (2, 3))),
        "rescues": pa.array(details.rescues),
        "successful_rescues": pa.array(details.successes),
        **{name: pa.array(sum(amounts[code] for code in codes)) for name, codes in CLASSES.items()},
    }


def _derived(region: SyntheticRegion, stays: Stays, details: Details, level: pa.Array) -> dict[str, pa.Array]:
    """What intake would derive from a run without code lists; readmissions are found by intake alone."""
    n = len(stays)
    hospital = region.units.hospital.to_numpy()[stays.unit]
    counties = np.array([COUNTY_CODES[name] for name in region.hospitals.county])
    homes, unknown = np.array(HOME_CODES)[details.home], details.home < 0
    cities = homes.astype("U4") != counties.astype("U4")[hospital]
    flag = pa.nulls(n, pa.bool_())
    high = pa.array(stays.level >= 3, mask=stays.level == 0)
    policy = IndicatorPolicy()
    elective = stays.surgical & np.isin(stays.route, [int(route) for route in policy.elective_routes])
    techniques = {f"{name}{suffix}": flag for name in TECHNIQUES for suffix in ("", "_frozen")}
    return {
        **techniques,
        "level34": high,
        "level34_frozen": high,
        "operation_asked": pa.array(stays.surgical),
        "day_surgery": pa.array(stays.los <= policy.day_surgery_days, mask=~elective),
        "tcm_treated": flag,
        "tcm_fen": pa.nulls(n, pa.int64()),
        "reported_hospital": _text(hospital, region.hospitals.code.tolist()),
        "judged_level": level,
        "judged_level_frozen": level,
        "minimally_invasive": flag,
        "minimally_invasive_frozen": flag,
        "complication": flag,
        "complication_frozen": flag,
        "transferred_in": pa.array(stays.route == 3),
        "residence_known": pa.array(~unknown),
        "outside_county": pa.array(homes != counties[hospital], mask=unknown),
        "outside_city": pa.array(cities, mask=unknown),
        "diseases": pa.nulls(n, _CODES),
        "readmitted": flag,
    }


def _listed(index: np.ndarray, lists: list[list[str]]) -> pa.DictionaryArray:
    texts = [SEPARATOR + SEPARATOR.join(codes) + SEPARATOR if codes else "" for codes in lists]
    # each text once: Parquet does not promise which of two equal entries it keeps
    values = sorted(set(texts) - {""})
    place = {text: number for number, text in enumerate(values)}
    of_list = np.array([place.get(text, 0) for text in texts])
    empty = np.array([not text for text in texts])
    return _text(of_list[index], values, empty[index])


def _text(index: np.ndarray, values: list[str], missing: np.ndarray | None = None) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int16), mask=missing), pa.array(values))


def _categories(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    values = sorted(set(column))
    return np.searchsorted(np.array(values), column.to_numpy(str)).astype(np.int16), values
