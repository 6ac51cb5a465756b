"""单病种: cases, cost, stay and fatality of each disease set, each against its reference. A catalogue of its own.

The rows are hospital × specialty × year × disease, not DRG: the principal diagnosis decides, whatever the group.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.catalogues import Catalogue
from toolkit.cube import Basis
from toolkit.indicators.base import (
    CubeExpression,
    Declared,
    Direction,
    Distribution,
    Domain,
    Example,
    Indicator,
    Source,
    Standing,
    col,
)
from toolkit.indicators.capacity import SELECTION
from toolkit.key_codes import categories
from toolkit.params import RunParams
from toolkit.reference import Referenced

SOURCE = Source(title=SELECTION, clause="第 16 项", standing=Standing.POLICY)
SETS = "病种由主要诊断、DRG 或手术操作界定，病种集是参数。"
CASES = """
        hospital | principal_diagnosis | cost_fen | los_days | died
        A        | I21.0               | 100000   | 4        | F
        A        | I22.1               | 300000   | 8        | T
        A        | I21.9               |          | 70       | F
        A        | I50.9               | 900000   | 30       | T
        B        | I21.0               | 200000   | 6        | F
        """


def _of_disease(
    id: str,
    name_zh: str,
    name_en: str,
    formula: str,
    numerator: CubeExpression,
    denominator: CubeExpression,
    example: Example,
    distribution: Distribution | None,
    *,
    domain: Domain = Domain.EFFICIENCY,
    direction: Direction = Direction.NEUTRAL,
    squares: CubeExpression = None,
    cases: CubeExpression = None,
    unit: str = "",
    scale: float = 1.0,
    decimals: int = 2,
    note: str = "",
) -> Indicator:
    return Indicator(
        id=id,
        name_zh=name_zh,
        name_en=name_en,
        domain=domain,
        formula=formula,
        source=SOURCE,
        numerator=numerator,
        denominator=denominator,
        squares=squares,
        cases=cases,
        direction=direction,
        distribution=distribution,
        unit=unit,
        scale=scale,
        decimals=decimals,
        note=note + SETS,
        example=example,
    )


VOLUME = _of_disease(
    "disease_volume",
    "病种例数",
    "cases of the disease",
    "该病种的出院人次",
    col("n"),
    None,
    Example(discharges=CASES, value=3, arithmetic="急性心肌梗死（I21–I22）：A 院 3 例；I50 不是"),
    None,
    domain=Domain.CAPACITY,
    unit="人次",
    decimals=0,
)
MEAN_COST = _of_disease(
    "disease_mean_cost",
    "病种次均费用",
    "mean cost of the disease",
    "Σ 住院总费用 / 例数（费用可用的病例）",
    col("cost") / 100,
    col("cost_n"),
    Example(discharges=CASES, value=(1000 + 3000) / 2, arithmetic="(1000+3000)/2；无费用的 1 例不计"),
    Distribution.MEAN,
    squares=col("cost_sq") / 100**2,
    unit="元",
    decimals=0,
)
COST_INDEX = _of_disease(
    "disease_cost_ratio",
    "病种费用与参照之比",
    "cost against reference",
    "例均费用 / 参照中同病种例均费用",
    col("cost") / col("ref_cost"),
    col("cost_n"),
    Example(discharges=CASES, value=2000 / 2000, arithmetic="参照（A、B 两院）均费 (1000+3000+2000)/3=2000；2000/2000"),
    Distribution.MEAN,
    squares=col("cost_sq") / col("ref_cost") ** 2,
    direction=Direction.LOWER,
    decimals=3,
)
MEAN_LOS = _of_disease(
    "disease_mean_los",
    "病种平均住院日",
    "mean stay of the disease",
    "Σ 住院天数 / 例数（住院天数可用的病例）",
    col("los"),
    col("los_n"),
    Example(discharges=CASES, value=(4 + 8) / 2, arithmetic="(4+8)/2；70 日超过上限，不计"),
    Distribution.MEAN,
    squares=col("los_sq"),
    unit="日",
)
LOS_INDEX = _of_disease(
    "disease_los_ratio",
    "病种住院日与参照之比",
    "stay against reference",
    "平均住院日 / 参照中同病种平均住院日",
    col("los") / col("ref_los"),
    col("los_n"),
    Example(discharges=CASES, value=6 / 6, arithmetic="参照 (4+8+6)/3=6 日；6/6"),
    Distribution.MEAN,
    squares=col("los_sq") / col("ref_los") ** 2,
    direction=Direction.LOWER,
    decimals=3,
)
FATALITY = _of_disease(
    "disease_fatality",
    "病种病死率",
    "fatality of the disease",
    "该病种死亡人次 / 该病种出院人次（离院方式已知）",
    col("died"),
    col("died_n"),
    Example(discharges=CASES, value=100 * 1 / 3, arithmetic="1/3"),
    Distribution.PROPORTION,
    domain=Domain.SAFETY,
    direction=Direction.LOWER,
    unit="%",
    scale=100,
)
FATALITY_RATIO = _of_disease(
    "disease_fatality_ratio",
    "病种病死率与参照之比",
    "fatality against reference",
    "该病种死亡人次 / Σ(参照中同病种病死率 × 例数)",
    col("died"),
    col("ref_died") * col("died_n"),
    Example(discharges=CASES, value=1 / (3 * 1 / 4), arithmetic="参照 1/4；1/(3×0.25)=1.33"),
    Distribution.RARE,
    cases=col("died_n"),
    domain=Domain.SAFETY,
    direction=Direction.LOWER,
    note="未校正年龄与病情轻重。",
)

DISEASES: Catalogue[Declared] = Catalogue(
    (VOLUME, MEAN_COST, COST_INDEX, MEAN_LOS, LOS_INDEX, FATALITY, FATALITY_RATIO)
)


def attach_diseases(sums: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame, basis: Basis) -> Referenced:
    """Give every row of `toolkit.data.lists.diseases.disease_sums` its reference means on one basis.

    The reference follows the run's policy: scope, leave-one-out, minimum cases. Contemporaneous: each year its own;
    frozen: the period before. Frame: the sums, `cycle`, `level_group`, `ref_cost` (fen), `ref_los` (days), `ref_died`.
    """
    frame = sums.copy()
    if basis == "frozen" and params.price_index:
        price = frame["year"].map(params.price_index)
        frame["cost"], frame["cost_sq"] = frame["cost"] / price, frame["cost_sq"] / price**2
    group = hospitals.set_index("code")["level_group"]
    whole = params.reference.scope == "region"
    frame["level_group"] = "all" if whole else frame["hospital"].map(group).fillna("").astype("str")
    cycle = {y: label for label, years in params.periods.items() for y in range(years.first, years.last + 1)}
    frame["cycle"] = categories(frame["year"].map(cycle))
    keys = ["level_group", "disease", *(["year"] if basis == "contemporaneous" else [])]
    inside = frame["year"].notna()
    if basis == "frozen":
        inside = frame["year"].between(params.baseline.first, params.baseline.last)
    without_own = params.others_only(basis)
    without_own &= params.reference.leave_one_out or len(frame["hospital"].unique()) > 1  # one alone has no other
    for name in ("cost", "los", "died"):
        counted = frame[[*keys, "hospital"]].assign(
            total=frame[name].where(inside, 0.0), cases=frame[f"{name}_n"].where(inside, 0.0)
        )
        reference = counted.groupby(keys)[["total", "cases"]].transform("sum")
        if without_own:
            reference = reference - counted.groupby([*keys, "hospital"])[["total", "cases"]].transform("sum")
        mean = reference["total"] / reference["cases"].where(reference["cases"] >= params.reference.minimum_cases)
        # a mean of 0 divides nothing; a disease without deaths in the reference has an expectation, of none
        frame[f"ref_{name}"] = mean if name == "died" else mean.where(mean > 0)
    none = pd.DataFrame({"window": [], "drg": [], "grade": np.array([], dtype=float)})
    return Referenced(basis=basis, frame=frame, grades=none, insufficient={})
