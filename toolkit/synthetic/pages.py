"""Stays as rows of the A/B/C/D front page (病案首页): every cell a text, nothing yet wrong.

The identifying columns exist because real exports carry them and a reader must drop them (rule F09). They are built to
be impossible: the identity number's check digit is wrong, names are 合成患者…, telephones are zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.synthetic.details import (
    FURTHER_PROCEDURES,
    HOME_CODES,
    HOMES,
    MOST_DIAGNOSES,
    MOST_PROCEDURES,
    Details,
    diagnosis_lists,
    draw_details,
    fees,
)
from toolkit.synthetic.records import BLOCK, Stays, draw_year
from toolkit.synthetic.region import SyntheticRegion, stream
from toolkit.synthetic.specialties import SPECIALTIES

EMPTY = "-"  # the standard writes "-" into a field that does not apply
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])  # GB 11643 check digit
_CHECK = np.array([1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2])


def year_stays(region: SyntheticRegion, year: int) -> tuple[Stays, Details, np.ndarray]:
    """All stays of a year in the order of the files (hospital, discharge), their details, and each one's minute of discharge."""
    blocks = list(draw_year(region, year))
    more = [draw_details(region, year, number, block, number * BLOCK) for number, block in enumerate(blocks)]
    whole = Stays(**{f.name: np.concatenate([getattr(b, f.name) for b in blocks]) for f in fields(Stays)})
    details = Details(**{f.name: np.concatenate([getattr(d, f.name) for d in more]) for f in fields(Details)})
    minute = stream(region.settings, 20, region.settings.years.index(year)).integers(480, 1080, len(whole))
    hospital = region.units.hospital.to_numpy()[whole.unit]
    order = np.lexsort((minute, whole.discharge, hospital))
    return whole.take(order), details.take(order), minute[order]


def page_columns(region: SyntheticRegion, year: int, stays: Stays, details: Details, minute: np.ndarray) -> pa.Table:
    """One row per stay, columns by field code in the standard's order, all text; DRG last (not part of a page).

    Before the DRG stands one column that hospitals add to the layout: 居住地行政区划代码, the division code of the home.
    """
    rng = stream(region.settings, 21, region.settings.years.index(year))
    n = len(stays)
    hospital = region.units.hospital.to_numpy()[stays.unit]
    serial = sum(count for before, count in region.year_counts.items() if before < year) + details.patient
    # what is drawn, in the order of the stream: another order would be another region
    entry, leave, when = _times(stays, minute, rng)
    numbers = _number(rng.integers(1, 200, n))
    visits = rng.choice(4, int(details.patient.max()) + 1 if n else 1, p=(0.7, 0.2, 0.07, 0.03))
    ungrouped = rng.integers(0, 3, n)
    payment = rng.choice(4, n, p=(0.5, 0.35, 0.05, 0.1))
    columns: dict[str, pa.Array] = {
        "A01": _take(region.hospitals.code, hospital),
        "A02": _take(region.hospitals.name, hospital),
        "A48": pc.binary_join_element_wise("00", _pad(serial, 8), ""),
        "A49": _number(visits[details.patient] + details.visit),
        "B12": entry,
        "B15": leave,
        "A47": _constant(EMPTY, n),
        "A46C": _code(payment, ("1", "2", "3", "7")),
        **_person(stays, details, serial, numbers),
        **_admission(region, stays),
        **_diagnosis(region, stays, details, serial),
        **_operation(region, stays, details, when),
        **_leaving(stays, details),
    }
    amounts = fees(stays, details)
    columns |= {code: _money(amounts[code]) for code in sorted(amounts)}
    columns["居住地行政区划代码"] = _code(details.home + 1, ("", *HOME_CODES))
    columns["DRG"] = _drg(region, stays, ungrouped)
    return pa.table(columns)


def _times(stays: Stays, minute: np.ndarray, rng: np.random.Generator) -> tuple[pa.Array, pa.Array, pa.Array]:
    """When each stay began, ended and was operated on: halfway through, inside it by the clock too (rule D09)."""
    drawn = rng.integers(0, 1440, len(stays))
    admitted = np.where(stays.admission == stays.discharge, minute - 420, drawn)
    entry, leave = _moment(stays.admission, admitted, rng), _moment(stays.discharge, minute, rng)
    halfway = (
        stays.admission.astype(np.int64) * 1440 + admitted + stays.discharge.astype(np.int64) * 1440 + minute
    ) // 2
    return entry, leave, _moment(halfway // 1440, halfway % 1440, rng)


def _person(stays: Stays, details: Details, serial: np.ndarray, numbers: pa.Array) -> dict[str, pa.Array]:
    n = len(stays)
    # The birthday of the first admission's year lies 1 … 330 days back: completed years are then exactly the age drawn,
    # at that admission and at every later one of the patient's
    of_patient = np.full(int(details.patient.max()) + 1 if n else 1, np.iinfo(np.int64).max)
    np.minimum.at(of_patient, details.patient, stays.admission)
    birth = _years_before(of_patient[details.patient], stays.age) - details.birth_offset
    streets = _code(details.address, [f"{name}合成街道" for name in HOMES])
    return {
        "A11": pc.binary_join_element_wise("合成患者", _pad(serial, 8), ""),
        "A12C": _number(stays.sex),
        "A13": _day(birth),
        "A14": _number(stays.age),
        "A16": _constant(EMPTY, n),
        "A17": _constant(EMPTY, n),
        "A18x01": _where(details.birth_weight > 0, _number(details.birth_weight)),
        "A15C": _constant("CHN", n),
        "A20": _identity(serial, birth),
        "A26": pc.binary_join_element_wise(streets, numbers, "号", ""),
        "A27": _constant("00000000000", n),
        "A28C": _constant("000000", n),
        "A32": _constant("合成联系人", n),
        "A35": _constant("00000000000", n),
    }


def _admission(region: SyntheticRegion, stays: Stays) -> dict[str, pa.Array]:
    specialty = region.units.specialty.to_numpy()[stays.unit]
    departments = pa.array([code for s in SPECIALTIES for code, _ in s.departments])
    first = np.cumsum([0, *(len(s.departments) for s in SPECIALTIES)])[:-1]
    department = departments.take(pa.array(first[specialty] + stays.department))
    return {
        "B11C": _number(stays.route),
        "B13C": department,
        "B16C": department,
        "B20": _number(np.maximum(stays.discharge - stays.admission, 1)),
    }


def _diagnosis(region: SyntheticRegion, stays: Stays, details: Details, serial: np.ndarray) -> dict[str, pa.Array]:
    n = len(stays)
    diagnosis = _take(region.drgs.diagnosis, stays.drg)
    letter = pc.utf8_slice_codeunits(diagnosis, 0, 1)
    tumour = _flags(pc.or_(pc.equal(letter, "C"), pc.equal(letter, "D")))
    injury = _flags(pc.or_(pc.equal(letter, "S"), pc.equal(letter, "T")))
    return {
        "C03C": diagnosis,
        "C04N": pc.binary_join_element_wise("合成诊断", diagnosis, ""),
        "C05C": _constant("1", n),
        **_diagnoses(details),
        "C09C": _where(tumour, _constant("M80000/1", n)),
        "C10N": _where(tumour, _constant("合成病理诊断", n)),
        "C11": _where(tumour, pc.binary_join_element_wise("B", _pad(serial, 8), "")),
        "C12C": _where(injury, _constant("W19.900", n)),
        "C13N": _where(injury, _constant("合成外部原因", n)),
    }


def _operation(region: SyntheticRegion, stays: Stays, details: Details, when: pa.Array) -> dict[str, pa.Array]:
    coded, operation = details.coded, _take(region.drgs.operation, stays.drg)
    main_level = stays.level - details.other_higher  # the highest level may stand with the second operation
    return {
        "C14x01C": _where(coded, operation),
        "C15x01N": _where(coded, pc.binary_join_element_wise("合成手术操作", operation, "")),
        "C16x01": _where(coded, when),
        "C17x01": _where(stays.surgical, _number(main_level)),
        "C22x01C": _where(stays.surgical, _constant("1", len(stays))),
        **_procedures(stays, details, when),
    }


def _leaving(stays: Stays, details: Details) -> dict[str, pa.Array]:
    n, transferred = len(stays), np.isin(stays.exit_mode, (2, 3))
    return {
        "C34C": _where(stays.died, _constant("2", n)),
        "B36C": _code(details.planned.astype(int), ("1", "2")),
        "B37": _where(details.planned, _constant("复查", n)),
        "B34C": _number(stays.exit_mode),
        "B35": _where(transferred, _constant("合成社区卫生服务中心（合成数据）", n)),
    }


def _drg(region: SyntheticRegion, stays: Stays, ungrouped: np.ndarray) -> pa.Array:
    """The DRG; where the grouper found none, one of three ways to say so."""
    drg = _take(region.drgs.code, stays.drg)
    quarrel = pc.binary_join_element_wise(pc.utf8_slice_codeunits(drg, 0, 1), "QY", "")
    none = pc.if_else(pa.array(ungrouped == 0), "", pc.if_else(pa.array(ungrouped == 1), "0000", quarrel))
    return pc.if_else(pa.array(stays.grouped), drg, none)


def _diagnoses(details: Details) -> dict[str, pa.Array]:
    """Other diagnoses with names and admission conditions, looked up in the table of lists."""
    lists, columns = diagnosis_lists(), {}
    for number in range(MOST_DIAGNOSES):
        at = [entries[number] if number < len(entries) else (EMPTY, EMPTY) for entries in lists]
        columns[f"C06x{number + 1:02d}C"] = _code(details.diagnoses, [code for code, _ in at])
        columns[f"C07x{number + 1:02d}N"] = _code(
            details.diagnoses, ["合成其他诊断" if code != EMPTY else EMPTY for code, _ in at]
        )
        columns[f"C08x{number + 1:02d}C"] = _code(details.diagnoses, [condition for _, condition in at])
    return columns


def _procedures(stays: Stays, details: Details, when: pa.Array) -> dict[str, pa.Array]:
    """Further procedures with names, days and levels; of two operations the first further one may hold the highest level."""
    n, columns = len(stays), {}
    for number in range(MOST_PROCEDURES):
        held = details.procedures > number
        level = np.where(details.other_higher & (number == 0), stays.level, 1)
        columns[f"C35x{number + 1:02d}C"] = _where(held, _constant(FURTHER_PROCEDURES[number], n))
        columns[f"C36x{number + 1:02d}N"] = _where(held, _constant("合成其他手术操作", n))
        columns[f"C37x{number + 1:02d}"] = _where(held, when)
        columns[f"C38x{number + 1:02d}"] = _where(held, _number(level))
    return columns


def _identity(serial: np.ndarray, birth: np.ndarray) -> pa.Array:
    """18 digits in the shape of an identity number: no such division (99…), and a check digit that is always wrong."""
    date = birth.astype("datetime64[D]")
    year = date.astype("datetime64[Y]").astype(int) + 1970
    month = date.astype("datetime64[M]").astype(int) % 12 + 1
    day = (date - date.astype("datetime64[M]")).astype(int) + 1
    born = year * 10_000 + month * 100 + day
    body = np.int64(99) * 10**15 + (serial // 1000 % 10_000) * 10**11 + born * 10**3 + serial % 1000
    total = sum(weight * (body // 10 ** (16 - place) % 10) for place, weight in enumerate(_WEIGHTS))
    wrong = (_CHECK[total % 11] + 1) % 10
    return _number(body * 10 + wrong)


def _years_before(day: np.ndarray, years: np.ndarray) -> np.ndarray:
    date = day.astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    within = np.minimum((date - month).astype(int), 27)  # 29 February has no namesake in most years
    return ((month - 12 * years.astype("timedelta64[M]")).astype("datetime64[D]") + within).astype(np.int64)


def _moment(day: np.ndarray, minute: np.ndarray, rng: np.random.Generator) -> pa.Array:
    clock = [f" {hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
    second = [f"{value:02d}" for value in range(60)]
    return pc.binary_join_element_wise(
        _day(day), _code(minute, clock), _code(rng.integers(0, 60, len(day)), second), ""
    )


def _day(day: np.ndarray) -> pa.Array:
    low = int(day.min()) if len(day) else 0
    names = np.datetime_as_string(np.arange(low, (int(day.max()) if len(day) else 0) + 1).astype("datetime64[D]"))
    return _code(day - low, names)


def _money(fen: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(
        _number(fen // 100), _code(fen % 100, [f"{value:02d}" for value in range(100)]), "."
    )


def _number(values: np.ndarray) -> pa.Array:
    return pa.array(values).cast(pa.string())


def _pad(values: np.ndarray, width: int) -> pa.Array:
    return pc.utf8_lpad(_number(values), width, "0")


def _code(index: np.ndarray, names: Sequence[str] | np.ndarray) -> pa.Array:
    return pa.array(names, pa.string()).take(pa.array(index))


def _take(column: pd.Series, index: np.ndarray) -> pa.Array:
    return pa.array(column.to_numpy(str), pa.string()).take(pa.array(index))


def _constant(text: str, n: int) -> pa.Array:
    return pa.repeat(text, n)


def _where(condition: np.ndarray, values: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(condition), values, EMPTY)


def _flags(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False)
