"""The declared methods of change on one run: estimates side by side, adjusted for their number, and what explains them."""

from __future__ import annotations

import pandas as pd

from toolkit.declared import TableDecl
from toolkit.evaluation.tables.change import CHANGE, EFFECTS, SPECIFICATIONS
from toolkit.indicators import CATALOGUE, Status
from toolkit.indicators.table import collect
from toolkit.models.change import Study, inferential, methods_of
from toolkit.models.change.contract import checked
from toolkit.models.change.multiplicity import adjusted
from toolkit.params import RunParams
from toolkit.reference import Referenced

STAGGERED = "staggered"  # the one method that puts projects of several starting years together
LATER = ("role", "p_adjusted", "verdict")  # columns that come once all methods stand side by side
OF_METHODS = tuple(one for one in CHANGE if one is not SPECIFICATIONS)


def change_effects(
    cells: pd.DataFrame,
    units: pd.DataFrame,
    params: RunParams,
    hospitals: pd.DataFrame,
    monthly: Referenced | None = None,
) -> dict[str, pd.DataFrame]:
    """Every table of the methods of change, by name; empty for a run of one span.

    Parameters
    ----------
    cells, units, hospitals
        As in `Results`.
    monthly
        The cube by month of the units that have a project, on the frozen basis; None where the source has no months.

    Returns
    -------
    dict
        `effects`: one row per level (`unit`: a project by itself; `region`: all projects together), hospital, specialty, indicator
        and method: the columns of `Change`, `role`, `p_adjusted`, and for the event study `pretrend_f, pretrend_df,
        pretrend_p`.
        `event_study`, `comparison_units`, `regression_to_mean`, `placebos` (without their verdict), `synthetic_weights`,
        `segments`: as the methods of `toolkit.models.COMPANIONS` describe them.

    """
    tables: dict[str, list[pd.DataFrame]] = {one.name: [] for one in OF_METHODS}
    if params.own_projects:
        study = study_of(units, params, hospitals)
        frozen = cells[(cells["basis"] == "frozen") & (cells["level"] == "unit")]
        frozen = pd.concat([frozen, months(monthly)], ignore_index=True) if monthly is not None else frozen
        frozen = frozen[~frozen["indicator"].isin(stopped_in(cells))]
        methods = methods_of(params.change)
        for id_ in [*params.change.methods, *(one.id for one in params.change.formulas)]:
            asked = study_of(units, params, hospitals, later=True) if id_ == STAGGERED else study
            # where all begin together there is nothing staggered: the two-way estimator is right, and quicker
            if id_ == STAGGERED and asked.units.loc[asked.units["start"] > 0, "start"].nunique() < 2:
                continue
            found = checked(methods[id_].estimate(frozen, asked), methods[id_], tables)
            tables["effects"].append(found.changes)
            for name, table in found.tables.items():
                tables[name].append(table)
    whole = {one.name: _together(tables[one.name], one) for one in OF_METHODS}
    whole["effects"] = adjusted(whole["effects"], CATALOGUE, params.change.primary)[list(EFFECTS.by_name)]
    return whole


def stopped_in(cells: pd.DataFrame) -> set[str]:
    """Indicators that rule P16 stopped: nothing is estimated of them."""
    return set(cells.loc[cells["status"] == Status.STOPPED.value, "indicator"])


def study_of(units: pd.DataFrame, params: RunParams, hospitals: pd.DataFrame, *, later: bool = False) -> Study:
    """What the methods are asked, from the tables of a run.

    Units with a project of another starting year are neither judged nor compared with; `later`: those that start within the
    cycle stay, as projects of their year.
    """
    assert params.cycles is not None  # noqa: S101  the caller looked
    own, inside = params.own_projects, params.cycles.after
    starts = {(p.hospital, p.specialty): params.started(p) for p in params.projects}
    starts |= dict.fromkeys(own, inside.first)
    apart = {pair for pair, start in starts.items() if pair not in own and not (later and start in inside)}
    units = units[[pair not in apart for pair in zip(units["hospital"], units["specialty"], strict=True)]]
    level = dict(zip(hospitals["code"], hospitals["level_group"], strict=True))
    described = pd.DataFrame(
        {
            "hospital": units["hospital"].astype(str),
            "specialty": units["specialty"].astype(str),
            "level_group": [level.get(h, "") for h in units["hospital"]],
            "start": [starts.get(pair, 0) for pair in zip(units["hospital"], units["specialty"], strict=True)],
            "eligible": units["eligible"].to_numpy(bool),
        }
    )
    return Study(
        indicators=CATALOGUE,
        units=described,
        before=params.cycles.before,
        after=params.cycles.after,
        comparison=params.change.comparison,
        shocks=params.shocks,
        confidence=params.change.confidence,
        power=params.monitoring.power,
    )


def months(monthly: Referenced) -> pd.DataFrame:
    """Cells of projects by month, `period` as 2022-07, for the indicators that can be tested."""
    chosen = [one for one in CATALOGUE.values() if inferential(one)]
    cells = collect(monthly, chosen, ["hospital", "specialty", "year", "month"])
    period = cells["year"].astype(int).astype(str) + "-" + cells["month"].astype(int).astype(str).str.zfill(2)
    return cells.assign(period=period, level="unit").drop(columns=["year", "month"])


def _together(parts: list[pd.DataFrame], declared: TableDecl) -> pd.DataFrame:
    found = [part for part in parts if len(part)]
    whole = pd.concat(found, ignore_index=True) if found else declared.empty()
    whole = whole.reindex(columns=[c for c in declared.by_name if c not in LATER])
    if "baseline_decides" in whole:  # of methods that have no such step
        whole["baseline_decides"] = whole["baseline_decides"].eq(True)
    return whole
