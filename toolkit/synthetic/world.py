"""The fixed world of a synthetic region: hospitals, DRGs, and the units with their latent levels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.frames import rows_of
from toolkit.synthetic.settings import MARK, Settings
from toolkit.synthetic.specialties import SPECIALTIES

# share of the hospitals, level group, level, tier, relative size, chance to run a specialty, shifts of the logs below
_KINDS = (
    (0.17, "市级三级", "三甲", "市", 3.4, 1.00, {"cost": 0.12, "los": 0.02, "case_mix": 0.30, "level4": 0.70}),
    (0.17, "市级三级", "三乙", "市", 1.6, 0.95, {"cost": 0.04, "los": 0.00, "case_mix": 0.10, "level4": 0.25}),
    (0.16, "县级三级", "三乙", "县", 1.3, 0.92, {"cost": -0.04, "los": 0.00, "case_mix": -0.05, "level4": -0.30}),
    (0.50, "县级二级", "二甲", "县", 0.55, 0.68, {"cost": -0.12, "los": -0.02, "case_mix": -0.30, "level4": -1.00}),
)
COUNTIES = ("合成甲县", "合成乙县", "合成丙县", "合成丁县", "合成戊县")
URBAN = ("合成东区", "合成西区")
_NUMERALS = "一二三四五六七八九十"

# SD of the log death rate of DRGs: chosen so that the risk grades hold the rates of a published hospital
# (about 0.02 % low, 0.16 % mid-low); severity moves a DRG along the same scale.
_RISK_SD, _RISK_CEILING = 2.0, 0.30
SEVERITIES = ((1, 1.75, 1.45, 0.85, 0.17), (3, 1.25, 1.18, 0.0, 0.33), (5, 1.0, 1.0, -0.6, 0.50))
_OFF_SPECIALTY = 0.02  # stays of a unit in DRGs that another specialty usually treats


def numeral(number: int) -> str:
    """Chinese numeral up to twenty, digits above: 合成市第十一医院."""
    if number > 20:
        return str(number)
    tens, ones = divmod(number, 10)
    return ("十" if tens else "") * (tens < 2) + ("二十" if tens == 2 else "") + (_NUMERALS[ones - 1] if ones else "")


def hospitals(settings: Settings) -> pd.DataFrame:
    """The registry: one row per hospital, sorted by code; codes are text with leading zeros.

    Columns: code, name, level, level_group, tier (市/县), county, urban (主城区), size, and the shifts cost, los, case_mix,
    level4 of its level group.
    """
    counts = np.floor(np.array([kind[0] for kind in _KINDS]) * settings.hospitals).astype(int).clip(1)
    counts[-1] = settings.hospitals - counts[:-1].sum()
    rows: list[dict[str, object]] = []
    seen: dict[str, int] = {}
    for kind, count in zip(_KINDS, counts, strict=True):
        _, group, level, tier, size, chance, shifts = kind
        for position in range(count):
            county = (URBAN if tier == "市" else COUNTIES)[position % (2 if tier == "市" else len(COUNTIES))]
            place = "合成市" if tier == "市" else county
            seen[place] = seen.get(place, 0) + 1
            rows.append(
                {
                    "code": f"{len(rows) * 3 + 9:04d}",
                    "name": f"{place}第{numeral(seen[place])}医院（{MARK}）",
                    "level": level,
                    "level_group": group,
                    "tier": tier,
                    "county": county,
                    "urban": tier == "市",
                    "size": size,
                    "chance": chance,
                    **shifts,
                }
            )
    return pd.DataFrame(rows)


def drgs(settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """The synthetic DRGs: one row per DRG, codes of CHS-DRG shape with a final S for synthetic (FA11S).

    Columns: code, owner (index of the specialty), kind (0 operative, 1 procedural, 2 medical), severity, cost (mean of the
    first year at level 1, yuan), cost_sd (of the log), los (mean days), los_sd (of the log of days beyond the first),
    death (probability at level 1), popularity (share within the owner), surgical, level4 (probabilities), diagnosis,
    operation (codes), emergency (share).
    """
    share = np.array([s.surgical_groups for s in SPECIALTIES])
    owners = np.arange(settings.adjacent_groups) % len(SPECIALTIES)
    letters = {0: "ABCDEFGHJ", 1: "KLMN", 2: "RSTUVWXZ"}
    taken: dict[str, int] = {}
    rows = []
    for position, owner in enumerate(owners):
        specialty = SPECIALTIES[owner]
        # the k-th group of a specialty takes its kind from the declared shares, so that small catalogues hold all kinds
        quantile = ((position // len(SPECIALTIES)) * 0.618034) % 1
        kind = int(np.searchsorted(np.cumsum(share[owner])[:2], quantile, side="right"))
        stem = f"{specialty.mdc}{letters[kind][(position // len(SPECIALTIES)) % len(letters[kind])]}"
        taken[stem] = taken.get(stem, 0) + 1
        tilt, risk, demand = rng.normal(0, 0.55), rng.normal(0, 1), rng.normal(0, 0.9)
        stay, spread = rng.normal(0, 0.30) + 0.4 * tilt, rng.uniform(0.38, 0.62)
        for severity, cost, los, worse, common in SEVERITIES:
            rows.append(
                {
                    "code": f"{stem}{taken[stem]}{severity}S",
                    "owner": owner,
                    "kind": kind,
                    "severity": severity,
                    "cost": np.exp(tilt + rng.normal(0, 0.1)) * cost * (1.5, 1.15, 1.0)[kind],
                    "cost_sd": spread,
                    "los": np.exp(stay) * los,
                    "los_sd": spread + 0.12,
                    "score": risk + worse + 0.25 * np.log(specialty.mortality) + 0.3 * tilt + rng.normal(0, 0.3),
                    "popularity": np.log(common) + demand,
                    "surgical": (0.98, 0.30, 0.01)[kind],
                    "level4": 1 / (1 + np.exp(2.0 - 1.6 * tilt - 0.5 * (severity == 1))),
                    "diagnosis": specialty.diagnoses[int(rng.integers(len(specialty.diagnoses)))],
                    "operation": specialty.operations[int(rng.integers(len(specialty.operations)))],
                    "emergency": float(np.clip(specialty.emergency * np.exp(0.25 * worse), 0.01, 0.95)),
                }
            )
    frame = pd.DataFrame(rows)
    frame["score"] = (frame.score - frame.score.mean()) / frame.score.std()
    # rare groups are the dangerous ones: most stays of a region are of low risk
    frame["popularity"] = np.exp(frame.popularity - 1.1 * frame.score)
    # the declared shares of operative, procedural and medical groups hold for stays too
    frame["popularity"] *= share[frame.owner, frame.kind] / frame.groupby(["owner", "kind"]).popularity.transform("sum")
    frame["popularity"] /= frame.groupby("owner").popularity.transform("sum")
    frame["death"] = np.exp(_RISK_SD * frame.score)
    for column, target in (("cost", "mean_cost"), ("los", "mean_los"), ("death", "mortality")):
        mean = (frame[column] * frame.popularity).groupby(frame.owner).transform("sum")
        frame[column] *= np.array([getattr(s, target) for s in SPECIALTIES])[frame.owner] / mean
    frame["los"] = frame.los.clip(1.3, 45)
    frame["death"] = frame.death.clip(upper=_RISK_CEILING)
    frame["score"] = (np.log(frame.death) - np.log(frame.death).mean()) / np.log(frame.death).std()
    return frame


def case_mix(drg: pd.DataFrame, owner: int) -> tuple[np.ndarray, np.ndarray]:
    """DRG positions a specialty treats and their base shares: its own, and a few of the same MDC or of all."""
    own = np.flatnonzero(drg.owner == owner)
    # women's groups stay at home: elsewhere they would meet male patients (rules P02, P03)
    shared = [index for index, specialty in enumerate(SPECIALTIES) if specialty.male > 0 and index != owner]
    others = drg[drg.owner.isin(shared)].sort_values(["popularity", "code"]).index
    # ten common DRGs of other specialties, spread over the list by the owner's number
    guests = np.asarray(others[::-1][owner % 4 : 40 : 4])
    share = drg.popularity.to_numpy()
    shares = np.concatenate([share[own] * (1 - _OFF_SPECIALTY), share[guests] / share[guests].sum() * _OFF_SPECIALTY])
    return np.concatenate([own, guests]), shares


def units(settings: Settings, registry: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Units (hospital × specialty) and their latent levels: one row per unit, sorted by hospital code and specialty.

    Columns: hospital, specialty (indices), volume (relative), cost, los, mortality (factors), case_mix (exponent on DRG
    cost), level4 (log odds), and cost_shock, los_shock (lists: log shock of each year).
    """
    rows = []
    for hospital, place in zip(registry.index, rows_of(registry), strict=True):
        own = {name: rng.normal(0, sd) for name, sd in (("cost", 0.06), ("los", 0.05), ("size", 0.35))}
        for specialty, kind in enumerate(SPECIALTIES):
            runs = rng.random() < place.chance * (1 if kind.demand > 0.8 else 0.85)
            draw = rng.normal(0, 1, 6)
            shocks = rng.normal(0, settings.drift_sd, (2, len(settings.years)))
            if not runs and specialty != int(hospital) % len(SPECIALTIES):  # every hospital runs something
                continue
            rows.append(
                {
                    "hospital": int(hospital),
                    "specialty": specialty,
                    "volume": place.size * kind.demand * np.exp(own["size"] + 0.45 * draw[0]),
                    "cost": np.exp(place.cost + own["cost"] + 0.12 * draw[1]),
                    "los": np.exp(place.los + own["los"] + 0.10 * draw[2]),
                    "mortality": np.exp(0.22 * draw[3]),
                    "case_mix": place.case_mix + 0.15 * draw[4],
                    "level4": place.level4 + 0.30 * draw[5],
                    "cost_shock": shocks[0],
                    "los_shock": shocks[1],
                }
            )
    return pd.DataFrame(rows)
