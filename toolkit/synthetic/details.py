"""What else a front page holds: patients who come again, other diagnoses, procedures, fees, homes, rescues.

Drawn beside the stays, block by block and from a stream of their own, so that no planted quantity depends on them. Texts
(lists of diagnoses, of procedures) are drawn as numbers of entries of small tables, which both writers look up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from toolkit.synthetic.records import Stays
from toolkit.synthetic.region import SyntheticRegion, stream
from toolkit.synthetic.world import COUNTIES, URBAN

MOST_DIAGNOSES, MOST_PROCEDURES = 5, 2
# none of them a principal diagnosis of this region, none bound to a sex (rules P02, P10)
COMORBIDITIES = (
    "I10.x00x002",
    "E11.900",
    "E78.500",
    "K76.000",
    "D64.900",
    "E87.600",
    "J98.400",
    "M81.900",
    "I70.000",
    "N28.101",
    "R00.800",
    "E04.902",
    "K29.400",
    "H35.000",
    "Z95.501",
    "I69.300",
)
COMPLICATIONS = ("T81.400", "J95.800", "I82.800", "N39.000", "L89.900", "T81.000")
FURTHER_PROCEDURES = ("99.9900", "38.9300x001", "54.1100", "99.0400", "96.0400")  # further procedures, by number
_LISTS = 128  # lists of other diagnoses for each severity, with and without an operation
_MEAN_CODES = {1: 2.6, 3: 1.6, 5: 0.8}
_COMPLICATED = (0.008, 0.025)  # stays without and with an operation that acquire a diagnosis

READMITTED = (
    0.03  # of the stays: the same patient again within 31 days, where the block holds enough of one age and sex
)
_LATER = 0.04  # of the other stays that could follow an earlier one
_OPERATION_ONLY = 0.10  # stays without operation that hold a 操作: a code and a fee, but no level and no anaesthesia
_SECOND_OPERATION, _THIRD = 0.08, 0.25  # of operations; of those with a second one
_PLANNED = 0.03

# Division codes of no real place: no division begins with 99 or 98 (GB/T 2260). Name, code; the last two lie outside.
PROVINCE, CITY = ("合成省", "990000"), ("合成市", "990100")  # name, code
COUNTY_CODES = {name: f"9901{number:02d}" for number, name in enumerate(URBAN, 2)} | {
    name: f"9901{number:02d}" for number, name in enumerate(COUNTIES, 21)
}
OUTSIDE = {"外地合成市": "990200", "外省合成市": "980100"}
HOMES = (*sorted(COUNTY_CODES), *OUTSIDE)
HOME_CODES = tuple((COUNTY_CODES | {"外地合成市": "990202", "外省合成市": "980102"})[name] for name in HOMES)
UNRESOLVED = 0.015  # homes without a division code

# Shares of the fee items, in ten-thousandths of the total, for stays without and with an operation; D34 takes the rest.
FEES = {
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Details:
    """Further facts of the stays of one block, arrays of equal length in the order of the stays.

    patient (number of the patient's first stay of the year), visit (1 = that stay), birth_offset (days since the last
    birthday at the patient's first admission), home (position in HOMES, −1 where its code is unresolved, `address` then
    still holds it), address, diagnoses (row of `diagnosis_lists`), coded (holds a procedure), procedures (number of further
    ones), other_higher (the second operation holds the highest level), planned, rescues, successes, wobble and own_share
    (of the fees, in percent), birth_weight (grams of the child a mother bore, 0 where none).
    """

    patient: np.ndarray
    visit: np.ndarray
    birth_offset: np.ndarray
    home: np.ndarray
    address: np.ndarray
    diagnoses: np.ndarray
    coded: np.ndarray
    procedures: np.ndarray
    other_higher: np.ndarray
    planned: np.ndarray
    rescues: np.ndarray
    successes: np.ndarray
    wobble: np.ndarray
    own_share: np.ndarray
    birth_weight: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Details:
        """The details at `rows`, in that order."""
        return Details(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_details(region: SyntheticRegion, year: int, block: int, stays: Stays, first: int = 0) -> Details:
    """The details of a block's stays; `first` is the number of the block's first stay, for the patients' numbers."""
    rng = stream(region.settings, 12, region.settings.years.index(year), block)
    n = len(stays)
    patient, visit, span = _patients(stays, rng)
    birth_offset = (1 + rng.random(n) * np.maximum(329 - span, 1)).astype(np.int16)[patient]
    severity = region.drgs.severity.to_numpy()[stays.drg]
    kind = np.searchsorted((1, 3, 5), severity) * 2 + stays.surgical
    address = _addresses(region, stays, rng)
    minor = ~stays.surgical & (rng.random(n, dtype=np.float32) < _OPERATION_ONLY)
    again = rng.random(n, dtype=np.float32)
    second = stays.surgical & (stays.level > 1) & (again < _SECOND_OPERATION)
    coin = rng.integers(0, 2**16, n, dtype=np.uint16)
    critical = stays.died | ((stays.route == 1) & (severity == 1))
    rescues = np.where(critical, 1 + (coin % 7 == 0), coin % 500 == 1).astype(np.int16)
    mother = region.drgs.diagnosis.str.startswith(("O80", "O82")).to_numpy()[stays.drg]
    return Details(
        patient=first + patient,
        visit=visit,
        birth_offset=birth_offset,
        home=np.where(rng.random(n, dtype=np.float32) < UNRESOLVED, -1, address).astype(np.int8),
        address=address,
        diagnoses=(kind * _LISTS + rng.integers(0, _LISTS, n)).astype(np.int16),
        coded=stays.surgical | minor,
        procedures=np.where(second, 1 + (again < _SECOND_OPERATION * _THIRD), 0).astype(np.int8),
        other_higher=second & (coin >= 2**15),
        planned=~stays.died & (rng.random(n, dtype=np.float32) < _PLANNED),
        rescues=rescues,
        successes=np.maximum(rescues - stays.died, 0).astype(np.int16),
        wobble=rng.integers(85, 116, n, dtype=np.int16),
        own_share=rng.integers(15, 60, n, dtype=np.int16),
        birth_weight=np.where(mother, rng.integers(250, 420, n) * 10, 0).astype(np.int16),
    )


def _patients(stays: Stays, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Position of each stay's patient's first stay, number of the stay, and by first stay the days to the last admission.

    A stay can only follow one of the same unit, sex and age, later than its discharge, and not after a death.
    """
    n = len(stays)
    if not n:
        return np.zeros(0, np.int64), np.zeros(0, np.int16), np.zeros(0, np.int64)
    day = stays.discharge.astype(np.int64) - int(stays.discharge.min())
    key = ((stays.unit.astype(np.int64) * 3 + stays.sex) * 128 + stays.age) * 512 + day
    order = np.argsort(key, kind="stable")
    group = key[order] // 512
    entered, left = stays.admission[order], stays.discharge[order]
    gap = np.full(n, -1)
    gap[1:] = np.where((group[1:] == group[:-1]) & ~stays.died[order][:-1], entered[1:] - left[:-1], -1)
    soon, later = (gap > 0) & (gap <= 31), gap > 31
    chance = np.where(soon, min(1.0, READMITTED * n / max(1, soon.sum())), np.where(later, _LATER, 0))
    linked = rng.random(n) < chance
    for _cut in range(2):  # a patient's birthday must not fall between two stays: at most 300 days from the first
        root = np.maximum.accumulate(np.where(linked, 0, np.arange(n)))
        linked &= entered - entered[root] <= 300
    root = np.maximum.accumulate(np.where(linked, 0, np.arange(n)))
    patient, visit, span = np.empty(n, np.int64), np.empty(n, np.int16), np.zeros(n, np.int64)
    patient[order] = order[root]
    visit[order] = np.arange(n) - root + 1
    np.maximum.at(span, order[root], entered - entered[root])
    return patient, visit, span


def _addresses(region: SyntheticRegion, stays: Stays, rng: np.random.Generator) -> np.ndarray:
    """Homes: mostly the hospital's own county; city hospitals draw from the whole city and from outside it."""
    hospital = region.units.hospital.to_numpy()[stays.unit]
    own = np.searchsorted(HOMES[: -len(OUTSIDE)], region.hospitals.county.to_numpy(str))[hospital]
    city = (region.hospitals.tier == "市").to_numpy()[hospital]
    draw, other = rng.random(len(stays), dtype=np.float32), rng.integers(0, len(COUNTY_CODES), len(stays))
    outside = len(COUNTY_CODES) + other % len(OUTSIDE)
    elsewhere = np.where(draw < np.where(city, 0.90, 0.98), other, outside)
    return np.where(draw < np.where(city, 0.55, 0.88), own, elsewhere).astype(np.int8)


@lru_cache(maxsize=1)
def diagnosis_lists() -> tuple[tuple[tuple[str, str], ...], ...]:
    """The lists of other diagnoses that stays are given: (code, 入院病情) each; the same for every region."""
    rng = np.random.default_rng(11)
    lists = []
    for severity in (1, 3, 5):
        for operated in (0, 1):
            # every list is as likely as another, so the share of those with a complication is its probability
            complicated = rng.permutation(_LISTS) < round(_COMPLICATED[operated] * _LISTS)
            for with_complication in complicated:
                number = min(MOST_DIAGNOSES - 1, int(rng.poisson(_MEAN_CODES[severity])))
                codes = [COMORBIDITIES[i] for i in rng.permutation(len(COMORBIDITIES))[:number]]
                entries = [(code, str(rng.choice(["1", "2", "3"], p=[0.9, 0.06, 0.04]))) for code in codes]
                if with_complication:
                    entries.append((COMPLICATIONS[int(rng.integers(len(COMPLICATIONS)))], "4"))
                lists.append(tuple(entries))
    return tuple(lists)


def fees(stays: Stays, details: Details) -> dict[str, np.ndarray]:
    """D01, D09 and the items in fen; items are cut from the total, so their sum is the total to the last fen."""
    kind = stays.surgical.astype(int)
    share = stays.cost * details.wobble
    amounts = {code: share * np.array(shares)[kind] // 1_000_000 for code, shares in FEES.items()}
    amounts["D20"] = np.where(details.coded & ~stays.surgical, stays.cost // 50, amounts["D20"])
    parts = {
        "D20x01": amounts["D20"] * 3 // 10 * kind,
        "D20x02": amounts["D20"] * 6 // 10 * kind,
        "D23x01": amounts["D23"] // 5,
    }
    rest = stays.cost - sum(amounts.values())
    amounts["D23"] = amounts["D23"] + np.minimum(rest, 0)  # a high wobble overshoots: drugs, the largest item, give way
    parts["D23x01"] = np.minimum(parts["D23x01"], amounts["D23"])
    all_fees = {"D01": stays.cost, "D09": stays.cost * details.own_share // 100, **amounts, **parts}
    all_fees["D34"] = np.maximum(rest, 0)
    return all_fees
