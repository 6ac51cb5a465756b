"""Writes `risk_model_sample.csv` (合成数据) and `risk_model_pyfixest.csv`: a logit with DRG fixed effects, by pyfixest, on records.

Run with pyfixest 0.60.0, numpy 2 and pandas installed: `python risk_model_pyfixest.py`. The tests read the two files and need
no pyfixest.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest

FOLDER = Path(__file__).parent


def sample() -> pd.DataFrame:
    """Counts of deaths by pattern: 40 DRGs × 5 age bands × 2 sexes × 3 routes; one DRG without a death."""
    rng = np.random.default_rng(20240501)
    grid = pd.MultiIndex.from_product(
        [[f"D{k:02d}" for k in range(40)], [f"a{k}" for k in range(5)], ["1", "2"], ["1", "2", "3"]],
        names=["drg", "age_band", "sex", "admission_route"],
    ).to_frame(index=False)
    effect = dict(zip(grid["drg"].unique(), rng.normal(-4, 1.2, 40), strict=True)) | {"D07": -50.0}
    logit = (
        grid["drg"].map(effect)
        + 0.4 * grid["age_band"].str[1:].astype(int)
        + 0.2 * (grid["sex"] == "2")
        - 0.5 * (grid["admission_route"] == "2")
    )
    n = rng.poisson(25, len(grid))
    return grid.assign(n=n, died=rng.binomial(n, 1 / (1 + np.exp(-logit))))


def main() -> None:
    cells = sample()
    cells.to_csv(FOLDER / "risk_model_sample.csv", index=False)
    records = cells.loc[cells.index.repeat(cells["n"])].reset_index(drop=True)
    within = records.groupby(["drg", "age_band", "sex", "admission_route"]).cumcount()
    records["y"] = (within < records["died"]).astype(int)
    fitted = pyfixest.feglm(
        "y ~ C(age_band) + C(sex) + C(admission_route) | drg",
        data=records,
        family="logit",
        vcov="iid",
        iwls_tol=1e-14,
        fixef_tol=1e-13,
        ssc=pyfixest.ssc(k_adj=False, G_adj=False),
    )
    found = fitted.tidy()[["Estimate", "Std. Error"]].reset_index()
    found.to_csv(FOLDER / "risk_model_pyfixest.csv", index=False, float_format="%.15g")
    print(version("pyfixest"), found, sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
