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

from toolkit.data.synthetic.records import Stays, draw_year
from toolkit.data.synthetic.region import SyntheticRegion, stream
from toolkit.data.synthetic.specialties import SPECIALTIES

EMPTY = "-"  # the standard writes "-" into a field that does not apply
# Shares of the fee items, in ten-thousandths of the total, for stays without and with an operation; D34 takes the rest.
_FEES = {
    "D11": (1100, 700),
    "D12": (600, 400),
    "D13": (500, 300),
    "D15": (0, 150),
    "D16": (1700, 900),
    "D17": (1200, 700),
    "D18": (700, 350),
    "D19": (500, 200),
    "D20": (0, 2100),
    "D23": (2500, 1200),
    "D24": (400, 150),
    "D26": (50, 150),
    "D32": (500, 350),
    "D33": (0, 2100),
}
_OPERATION_ONLY = 0.10  # stays without operation that hold a 操作: a code and a fee, but no level and no anaesthesia
_SECOND_OPERATION = 0.08
_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])  # GB 11643 check digit
_CHECK = np.array([1, 0, 10, 9, 8, 7, 6, 5, 4, 3, 2])


def year_stays(region: SyntheticRegion, year: int) -> tuple[Stays, np.ndarray]:
    """All stays of a year in the order of the files (hospital, discharge), and each stay's minute of discharge."""
    blocks = list(draw_year(region, year))
    whole = Stays(**{f.name: np.concatenate([getattr(b, f.name) for b in blocks]) for f in fields(Stays)})
    minute = stream(region.settings, 20, region.settings.years.index(year)).integers(480, 1080, len(whole))
    hospital = region.units.hospital.to_numpy()[whole.unit]
    order = np.lexsort((minute, whole.discharge, hospital))
    return whole.take(order), minute[order]


def page_columns(region: SyntheticRegion, year: int, stays: Stays, minute: np.ndarray) -> pa.Table:
    """One row per stay, columns by field code in the standard's order, all text; DRG last (not part of a page)."""
    position = region.settings.years.index(year)
    rng = stream(region.settings, 21, position)
    n = len(stays)
    hospital = region.units.hospital.to_numpy()[stays.unit]
    specialty = region.units.specialty.to_numpy()[stays.unit]
    place = region.hospitals
    start = sum(count for before, count in region.year_counts.items() if before < year)
    serial = start + np.arange(n)
    serial_text = _pad(serial, 8)

    admitted = np.where(stays.admission == stays.discharge, minute - 420, rng.integers(0, 1440, n))
    entry, leave = _moment(stays.admission, admitted, rng), _moment(stays.discharge, minute, rng)
    # the birthday of the admission year lies 1 … 330 days back: completed years are then exactly the age drawn
    birth = _years_before(stays.admission, stays.age) - rng.integers(1, 330, n)
    operation = _take(region.drgs.operation, stays.drg)
    minor = ~stays.surgical & (rng.random(n) < _OPERATION_ONLY)
    coded = stays.surgical | minor
    second = stays.surgical & (stays.level > 1) & (rng.random(n) < _SECOND_OPERATION)
    other_higher = second & (rng.random(n) < 0.5)  # the highest level may stand with the second operation
    main_level = stays.level - other_higher
    # halfway through the stay: inside it by the clock too (rule D09)
    halfway = (
        stays.admission.astype(np.int64) * 1440 + admitted + stays.discharge.astype(np.int64) * 1440 + minute
    ) // 2
    when = _moment(halfway // 1440, halfway % 1440, rng)
    diagnosis = _take(region.drgs.diagnosis, stays.drg)
    letter = pc.utf8_slice_codeunits(diagnosis, 0, 1)
    tumour = _flags(pc.or_(pc.equal(letter, "C"), pc.equal(letter, "D")))
    injury = _flags(pc.or_(pc.equal(letter, "S"), pc.equal(letter, "T")))
    transferred = np.isin(stays.exit_mode, (2, 3))
    comorbid = rng.random(n) < 0.6
    replan = rng.random(n) < 0.03
    replan &= ~stays.died
    homes = _addresses(region, hospital, rng)
    departments = pa.array([code for s in SPECIALTIES for code, _ in s.departments])
    first = np.cumsum([0, *(len(s.departments) for s in SPECIALTIES)])[:-1]
    department = departments.take(pa.array(first[specialty] + stays.department))
    drg = _take(region.drgs.code, stays.drg)
    ungrouped = rng.integers(0, 3, n)
    no_group = pc.if_else(
        pa.array(ungrouped == 0),
        "",
        pc.if_else(
            pa.array(ungrouped == 1), "0000", pc.binary_join_element_wise(pc.utf8_slice_codeunits(drg, 0, 1), "QY", "")
        ),
    )

    columns: dict[str, pa.Array] = {
        "A01": _take(place.code, hospital),
        "A02": _take(place.name, hospital),
        "A48": pc.binary_join_element_wise("00", serial_text, ""),
        "A49": _number(rng.choice(4, n, p=(0.7, 0.2, 0.07, 0.03)) + 1),
        "B12": entry,
        "B15": leave,
        "A47": _constant(EMPTY, n),
        "A46C": _code(rng.choice(4, n, p=(0.5, 0.35, 0.05, 0.1)), ("1", "2", "3", "7")),
        "A11": pc.binary_join_element_wise("合成患者", serial_text, ""),
        "A12C": _number(stays.sex),
        "A13": _day(birth),
        "A14": _number(stays.age),
        "A15C": _constant("CHN", n),
        "A20": _identity(serial, birth),
        "A26": homes,
        "A27": _constant("00000000000", n),
        "A28C": _constant("000000", n),
        "A32": _constant("合成联系人", n),
        "A35": _constant("00000000000", n),
        "B11C": _number(stays.route),
        "B13C": department,
        "B16C": department,
        "B20": _number(np.maximum(stays.discharge - stays.admission, 1)),
        "C03C": diagnosis,
        "C04N": pc.binary_join_element_wise("合成诊断", diagnosis, ""),
        "C05C": _constant("1", n),
        "C06x01C": _where(comorbid, _constant("I10.x00x002", n)),
        "C07x01N": _where(comorbid, _constant("合成其他诊断", n)),
        "C08x01C": _where(comorbid, _constant("1", n)),
        "C09C": _where(tumour, _constant("M80000/1", n)),
        "C10N": _where(tumour, _constant("合成病理诊断", n)),
        "C11": _where(tumour, pc.binary_join_element_wise("B", serial_text, "")),
        "C12C": _where(injury, _constant("W19.900", n)),
        "C13N": _where(injury, _constant("合成外部原因", n)),
        "C14x01C": _where(coded, operation),
        "C15x01N": _where(coded, pc.binary_join_element_wise("合成手术操作", operation, "")),
        "C16x01": _where(coded, when),
        "C17x01": _where(stays.surgical, _number(main_level)),
        "C22x01C": _where(stays.surgical, _constant("1", n)),
        "C35x01C": _where(second, _constant("99.9900", n)),
        "C36x01N": _where(second, _constant("合成其他手术操作", n)),
        "C37x01": _where(second, when),
        "C38x01": _where(second, _number(np.where(other_higher, stays.level, 1))),
        "C34C": _where(stays.died, _constant("2", n)),
        "B36C": _code(replan.astype(int), ("1", "2")),
        "B37": _where(replan, _constant("复查", n)),
        "B34C": _number(stays.exit_mode),
        "B35": _where(transferred, _constant("合成社区卫生服务中心（合成数据）", n)),
    }
    columns |= _fees(stays, coded, rng)
    columns["DRG"] = pc.if_else(pa.array(stays.grouped), drg, no_group)
    return pa.table(columns)


def _fees(stays: Stays, coded: np.ndarray, rng: np.random.Generator) -> dict[str, pa.Array]:
    """D01, D09 and the items; items are cut from the total in fen, so their sum is the total to the last fen."""
    wobble = rng.integers(85, 116, len(stays))
    kind = stays.surgical.astype(int)
    amounts = {code: stays.cost * np.array(shares)[kind] * wobble // 1_000_000 for code, shares in _FEES.items()}
    amounts["D20"] = np.where(coded & ~stays.surgical, stays.cost // 50, amounts["D20"])
    parts = {
        "D20x01": amounts["D20"] * 3 // 10 * kind,
        "D20x02": amounts["D20"] * 6 // 10 * kind,
        "D23x01": amounts["D23"] // 5,
    }
    rest = stays.cost - sum(amounts.values())
    amounts["D23"] = amounts["D23"] + np.minimum(rest, 0)  # a high wobble overshoots: drugs, the largest item, give way
    parts["D23x01"] = np.minimum(parts["D23x01"], amounts["D23"])
    fees = {"D01": stays.cost, "D09": stays.cost * rng.integers(15, 60, len(stays)) // 100, **amounts, **parts}
    fees["D34"] = np.maximum(rest, 0)
    return {code: _money(fees[code]) for code in sorted(fees)}


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


def _addresses(region: SyntheticRegion, hospital: np.ndarray, rng: np.random.Generator) -> pa.Array:
    """Homes: mostly the hospital's own county; city hospitals draw from the whole city and from outside it."""
    counties = sorted(set(region.hospitals.county))
    own = np.searchsorted(counties, region.hospitals.county.to_numpy(str))[hospital]
    city = (region.hospitals.tier == "市").to_numpy()[hospital]
    draw = rng.random(len(hospital))
    other = rng.integers(0, len(counties), len(hospital))
    elsewhere = np.where(draw < np.where(city, 0.90, 0.98), other, len(counties))
    home = np.where(draw < np.where(city, 0.55, 0.88), own, elsewhere)
    places = [*(f"合成市{county}合成街道" for county in counties), "外地合成市合成区合成街道"]
    return pc.binary_join_element_wise(_code(home, places), _number(rng.integers(1, 200, len(hospital))), "号", "")


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
