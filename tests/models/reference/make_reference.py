"""Write pyfixest.csv from cells.csv: two-way fixed effects and event study, by a library that the toolkit does not use.

Made with pyfixest 0.60.0, pandas 3.1.1, numpy 2.4.6, Python 3.11, in an environment of its own:

    python -m venv reference && reference/bin/pip install pyfixest==0.60.0
    reference/bin/python tests/models/reference/make_reference.py

It imports nothing of the toolkit. Logs of x / y, weights n, unit effects and specialty × level × year effects, errors clustered
by hospital: CRV1 as in fixest, and the plain jackknife sum Σ (beta without a cluster − beta)², without any factor; CRV3 of
MacKinnon, Nielsen, Webb (2023) is (G − 1)/G times it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyfixest as pf

HERE = Path(__file__).parent


def main() -> None:
    """All fits, one row a coefficient."""
    cells = pd.read_csv(HERE / "cells.csv", dtype={"hospital": str})
    rows = []
    costs = prepared(cells[cells["indicator"] == "cost_index"])
    costs["log"] = np.log(costs["x"] / costs["y"])
    rows += fitted("twfe", "log ~ treated | unit + cell", costs)
    # one start only: projects of another year are no comparison there
    same = costs[costs["start"].isin([0, 2022])]
    columns = []
    for k in (-3, -2, 0, 1, 2):
        name = f"k{k}".replace("-", "m")
        same = same.assign(**{name: ((same["start"] > 0) & (same["period"] - same["start"] == k)).astype(float)})
        columns.append(name)
    rows += fitted("event_study", f"log ~ {' + '.join(columns)} | unit + cell", same)
    pd.DataFrame(rows).to_csv(HERE / "pyfixest.csv", index=False, lineterminator="\n", float_format="%.15g")


def prepared(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of projects and of eligible units, with codes."""
    rows = cells[(cells["start"] > 0) | cells["eligible"]].copy()
    rows["unit"] = rows["hospital"] + rows["specialty"]
    rows["cell"] = rows["specialty"] + rows["level_group"] + rows["period"].astype(str)
    rows["treated"] = ((rows["start"] > 0) & (rows["period"] >= rows["start"])).astype(float)
    return rows


def fitted(name: str, formula: str, data: pd.DataFrame) -> list[dict[str, object]]:
    """One row a coefficient: estimate, CRV1 and jackknife errors."""
    errors = {}
    for kind in ("CRV1", "CRV3"):
        small = pf.ssc(k_adj=kind == "CRV1", G_adj=kind == "CRV1")
        fit = pf.feols(formula, data=data, weights="n", vcov={kind: "hospital"}, ssc=small)
        errors[kind] = fit.se()
    return [
        {
            "model": name,
            "term": term,
            "estimate": value,
            "crv1": errors["CRV1"][term],
            "jackknife": errors["CRV3"][term],
            "n": fit._N,
        }
        for term, value in fit.coef().items()
    ]


if __name__ == "__main__":
    main()
