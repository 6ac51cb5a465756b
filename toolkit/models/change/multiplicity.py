"""Many indicators, one question each: adjusted p beside the raw one.

Primary indicators were named before the data were seen and stand by themselves. The others of a domain are adjusted together,
for each method and unit, by Benjamini and Hochberg: of those called changed at 5 %, at most 5 % are expected to be false.

References
----------
Benjamini, Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x; by statsmodels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from toolkit.declared import Word
from toolkit.indicators import Declared
from toolkit.params import Multiplicity

FAMILY = {Multiplicity.FAMILY_WISE: "holm", Multiplicity.FDR: "fdr_bh"}  # names of statsmodels


class Role(Word):
    """What an indicator is in the evaluation: the few that were declared before, or one of the others."""

    PRIMARY = "primary", "主要"
    SECONDARY = "secondary", "次要"


def adjusted(
    changes: pd.DataFrame, indicators: Mapping[str, Declared], primary: Collection[str], method: str = "fdr_bh"
) -> pd.DataFrame:
    """`changes` with `role` (`Role`) and `p_adjusted`.

    Parameters
    ----------
    changes
        `KEYS` and the columns of `Change`.
    method
        Of `statsmodels.stats.multitest.multipletests`.

    Returns
    -------
    pd.DataFrame
        `p_adjusted` is `p_value` for primary indicators; for others adjusted among those of the same domain, level, unit and
        method that have a p; missing where there is none.
    """
    from statsmodels.stats.multitest import multipletests  # half a second, and reports import this module

    named = changes["indicator"].astype(str)
    role = pd.Series(
        np.where(named.isin(list(primary)), Role.PRIMARY.value, Role.SECONDARY.value), index=changes.index, dtype=object
    )
    p = changes["p_value"].astype(float).copy()
    others = (role == Role.SECONDARY.value) & p.notna()
    domain = named.map({i: one.domain.value for i, one in indicators.items()})
    keys = [changes[k] for k in ("level", "hospital", "specialty", "method")]
    for rows in p[others].groupby([domain[others], *[k[others] for k in keys]], sort=False).groups.values():
        if len(rows) > 1:
            p.loc[rows] = multipletests(p.loc[rows].to_numpy(), method=method)[1]
    return changes.assign(role=role, p_adjusted=p)


def over_all(p: np.ndarray, rule: Multiplicity) -> np.ndarray:
    """P adjusted for all that is looked at together (projects and primary indicators); missing where there is none.

    `p`: of these only. Without a rule everything is missing: nothing is adjusted.
    """
    from statsmodels.stats.multitest import multipletests  # half a second, and reports import this module

    found, known = np.full(len(p), np.nan), np.isfinite(p)
    if rule is not Multiplicity.NONE and known.any():
        found[known] = multipletests(p[known], method=FAMILY[rule])[1]
    return found
