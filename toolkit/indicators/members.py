"""Tables by specialty of discharges that count in several: each specialty gets the whole discharge, totals get it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolkit.data.discharge.covariates import one_row_a_specialty
from toolkit.frames import names_of, with_columns
from toolkit.key_codes import categories
from toolkit.params import SPECIALTY_SEPARATOR, Specialty
from toolkit.reference import Referenced


def by_specialty(referenced: Referenced, specialties: Sequence[Specialty]) -> Referenced:
    """`referenced` with a row of several specialties (`a+b`) as one row of each, for groups that hold the specialty.

    Its own share of a reference is then that of all its discharges. Without overlapping specialties nothing changes.
    """
    frame = referenced.frame
    if not any(SPECIALTY_SEPARATOR in str(name) for name in frame["specialty"].unique()):
        return referenced
    surgical = {s.id: s.surgical for s in specialties}
    spread = one_row_a_specialty(
        with_columns(frame, combination=frame["specialty"].astype("str"), specialty=frame["specialty"].astype("str"))
    )
    spread["surgical_specialty"] = spread["specialty"].map(surgical).fillna(False).astype(bool)
    # the share of a combination is the same in each of its rows; a specialty has the shares of all its combinations
    key = ["hospital", "specialty", "drg", *([] if referenced.basis == "frozen" else ["year"])]
    for name in [c for c in names_of(spread) if c.startswith("own_")]:
        once = spread.drop_duplicates([*key, "combination"])
        total = once.groupby(key, observed=True)[name].sum(min_count=1).rename("total").reset_index()
        spread[name] = spread[key].merge(total, on=key, how="left")["total"].to_numpy()
    spread["specialty"] = categories(spread["specialty"])
    return replace(referenced, frame=spread.drop(columns="combination"))
