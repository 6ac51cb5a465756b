"""Monitoring of a run: expected deaths, funnels, control charts, regression to the mean, power. Tables, one row a unit or point.

Two bases, as everywhere: on the *contemporaneous* one the risk model is fitted to each period by itself and expected deaths
add up to the observed ones of the region; on the *frozen* one it is fitted to the period before and applied to all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from toolkit.data.discharge.covariates import one_row_a_specialty
from toolkit.evaluation.tables.monitoring import CHARTS, CUSUMS, POWER, SHRINKAGE
from toolkit.frames import groups_of, names_of, rows_of, with_columns
from toolkit.indicators import CATALOGUE, Distribution, Indicator
from toolkit.indicators.table import collect
from toolkit.models.monitoring.cusum import cusum
from toolkit.models.monitoring.funnel import funnel
from toolkit.models.monitoring.own_risks import own_limits
from toolkit.models.monitoring.power import smallest_changes
from toolkit.models.monitoring.rare_deaths import observed_expected
from toolkit.models.monitoring.risk_model import REST, RiskModel, c_statistic, calibration, fit
from toolkit.models.monitoring.shrinkage import no_effect
from toolkit.models.monitoring.spc import assurance, xmr
from toolkit.params import RunParams
from toolkit.reference import Referenced, on_basis

UNIT = ["hospital", "specialty"]
OE = "risk_adjusted_mortality"  # id of O/E in the funnels, beside the ids of indicators
OE_ZH = "风险校正死亡比（O/E）"
GRAINS = ("month", "quarter")
TOO_FEW = "例数不足"


def monitor(
    cells: pd.DataFrame,
    units: pd.DataFrame,
    deaths: pd.DataFrame,
    params: RunParams,
    *,
    monthly_deaths: pd.DataFrame | None = None,
    monthly: Referenced | None = None,
) -> dict[str, pd.DataFrame]:
    """Every table of the monitoring, by name.

    Parameters
    ----------
    cells, units
        As in `Results`.
    deaths
        `toolkit.data.discharge.covariates.death_cells` by hospital, specialty and year.
    monthly_deaths
        The same by month, of the units that have a project; None or empty where the source has no months.
    monthly
        The cube by month of the same units on the frozen basis (`at_months`), or None.

    Returns
    -------
    dict
        `risk_models`: one row a fit, `basis, period, n, deaths, certain, pooled` (DRGs that share an effect), `c_statistic,
        converged, warnings`.
        `risk_terms`: `basis, period, covariate, level, estimate, se, n, deaths`.
        `calibration`: `basis, period`, the columns of `risk_model.calibration`.
        `expected`: `hospital, specialty, period, basis, n, observed, expected, covered` (share of discharges with a prediction),
        the columns of `rare_deaths.observed_expected`; missing numbers and 例数不足 below `minimum_value_cases`.
        `funnels`: `specialty, indicator, period, hospital, observed, exposure, n`, the columns of `funnel`; on the
        contemporaneous basis.
        `charts`: `hospital, specialty, indicator, grain, point, phase, n, value, target`, the columns of `xmr`, `assurance`.
        `cusums`: `hospital, specialty, direction` (worse, better), the columns of `Cusum.table`, `limit, run_length,
        false_alarm, odds_ratio, warnings`.
        `shrinkage`, `power`: `hospital, specialty, indicator` and the columns of `no_effect`, `smallest_changes`; of units that are
        eligible or have a project.
    """
    models = risk_models(deaths, params)
    with_risk = {basis: _with_risk(deaths, models, basis, params) for basis in ("contemporaneous", "frozen")}
    expected = pd.concat([_expected(part, basis, params) for basis, part in with_risk.items()], ignore_index=True)
    tables = _described(models, with_risk)
    tables |= {
        "expected": expected,
        "funnels": funnels(cells, expected, params),
        "charts": charts(monthly, params),
        "cusums": cusums(monthly_deaths, models, units, params),
    }
    return tables | _of_changes(cells, units, params)


# --- expected deaths -----------------------------------------------------------------------------------------------------


def risk_models(deaths: pd.DataFrame, params: RunParams) -> dict[tuple[str, str], RiskModel]:
    """The models by basis and period: one a period, and one of the first period for the frozen basis."""
    policy, periods = params.monitoring, list(params.periods)
    cycle = _cycle_of(deaths["year"], params)

    def fitted(period: str) -> RiskModel:
        return fit(
            deaths[cycle == period],
            policy.covariates,
            minimum_deaths=policy.model_minimum_deaths,
            prefixes=policy.model_pooling,
        )

    made = {("contemporaneous", period): fitted(period) for period in periods}
    return made | {("frozen", period): made["contemporaneous", periods[0]] for period in periods}


def _cycle_of(years: pd.Series, params: RunParams) -> pd.Series:
    cycle = {y: label for label, span in params.periods.items() for y in range(span.first, span.last + 1)}
    return years.map(cycle)


def _with_risk(
    deaths: pd.DataFrame, models: Mapping[tuple[str, str], RiskModel], basis: str, params: RunParams
) -> pd.DataFrame:
    period = _cycle_of(deaths["year"], params)
    p = np.full(len(deaths), np.nan)
    for label in params.periods:
        rows = (period == label).to_numpy()
        p[rows] = models[basis, label].probability(deaths[rows])
    return deaths.assign(period=period, p=p)[period.notna().to_numpy()]


def _described(
    models: Mapping[tuple[str, str], RiskModel], with_risk: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    rows, terms, fits = [], [], []
    for (basis, period), model in models.items():
        part = with_risk[basis]
        part = part[part["period"] == period]
        p, n, died = (part[c].to_numpy(float) for c in ("p", "n", "died"))
        rows.append(
            {
                "basis": basis,
                "period": period,
                "n": model.n,
                "deaths": model.deaths,
                "certain": model.certain,
                "pooled": len(model.pooled),
                "c_statistic": c_statistic(p, n, died),
                "converged": model.converged,
                "warnings": "；".join(model.warnings),
            }
        )
        terms.append(model.coefficients.assign(basis=basis, period=period))
        fits.append(calibration(p, n, died).assign(basis=basis, period=period))
    first = ["basis", "period"]

    def together(parts: list[pd.DataFrame]) -> pd.DataFrame:
        table = pd.concat(parts, ignore_index=True)
        return table[[*first, *[c for c in table if c not in first]]]

    return {"risk_models": pd.DataFrame(rows), "risk_terms": together(terms), "calibration": together(fits)}


def _expected(with_risk: pd.DataFrame, basis: str, params: RunParams) -> pd.DataFrame:
    """O and E of every unit and period; cases without a prediction leave both."""
    rows = one_row_a_specialty(with_risk[with_risk["specialty"] != ""])
    known = rows["p"].notna()
    rows = rows.assign(
        known=rows["n"].where(known, 0),
        observed=rows["died"].where(known, 0),
        expected=(rows["n"] * rows["p"]).fillna(0.0),
    )
    sums = rows.groupby([*UNIT, "period"], sort=True)[["n", "known", "observed", "expected"]].sum().reset_index()
    sums = sums.assign(basis=basis, covered=sums["known"] / sums["n"]).drop(columns="known")
    few = (sums["n"] < params.minimum_value_cases).to_numpy()
    table = observed_expected(sums[~few], ["specialty", "period"], confidence=params.change.confidence)
    hidden = sums[few].assign(observed=np.nan, expected=np.nan, warnings=TOO_FEW)
    both = pd.concat([table, hidden], ignore_index=True) if few.any() else table
    first = [*UNIT, "period", "basis", "n", "observed", "expected", "covered"]
    both = both.assign(observed=both["observed"].astype(float))
    shown = rows.merge(sums.loc[~few, [*UNIT, "period"]], on=[*UNIT, "period"])
    own = own_limits(shown, [*UNIT, "period"], confidence=params.change.confidence)
    both = both.merge(own.astype(dict.fromkeys([*UNIT, "period"], "object")), on=[*UNIT, "period"], how="left")
    return both[[*first, *[c for c in both if c not in first]]].sort_values([*UNIT, "period"], ignore_index=True)


# --- funnels -------------------------------------------------------------------------------------------------------------


def funnels(cells: pd.DataFrame, expected: pd.DataFrame, params: RunParams) -> pd.DataFrame:
    """Every unit's place among the units of its specialty: O/E, rates of deaths and shares."""
    policy, by = params.monitoring, ["specialty", "period", "indicator"]
    own = expected[(expected["basis"] == "contemporaneous") & expected["observed"].notna()]
    parts = [
        funnel(
            own.assign(indicator=OE, exposure=own["expected"])[[*by, "hospital", "observed", "exposure", "n"]],
            by,
            "ratio",
            trim=policy.overdispersion,
            share=policy.trimmed_share,
            centre=1.0,
        )
    ]
    here = cells[
        (cells["level"] == "unit") & (cells["basis"] == "contemporaneous") & cells["period"].isin(params.periods)
    ]
    here = here[here["value"].notna()].rename(columns={"x": "observed", "y": "exposure"})
    for kind, distribution in (("ratio", Distribution.RARE), ("proportion", Distribution.PROPORTION)):
        of_kind = [i for i, one in CATALOGUE.items() if isinstance(one, Indicator) and one.distribution is distribution]
        rows = here.loc[here["indicator"].isin(of_kind), [*by, "hospital", "observed", "exposure", "n"]]
        parts.append(funnel(rows, by, kind, trim=policy.overdispersion, share=policy.trimmed_share))  # type: ignore[arg-type]
    table = pd.concat(parts, ignore_index=True)
    first = ["specialty", "indicator", "period", "hospital"]
    return table[[*first, *[c for c in table if c not in first]]].sort_values(first, ignore_index=True)


# --- charts over time ----------------------------------------------------------------------------------------------------


def at_months(cube: pd.DataFrame, referenced: Referenced, params: RunParams, hospitals: pd.DataFrame) -> Referenced:
    """A cube by month with the reference values that its rows have by year.

    Parameters
    ----------
    cube
        As from `toolkit.cube.build` with `month` in its key.
    referenced
        The cube by year on the frozen basis.
    """
    frame = on_basis(cube, params, hospitals, referenced.basis)
    key = [*UNIT, "year", "drg"]
    added = [c for c in names_of(referenced.frame) if c not in frame]
    known = referenced.frame.drop_duplicates(key)[[*key, *added]]
    keys = frame[key].astype({k: "str" for k in key if k != "year"})
    found = keys.merge(known.astype({k: "str" for k in key if k != "year"}), on=key, how="left", validate="many_to_one")
    frame = with_columns(frame, **{c: found[c].array for c in added})
    return Referenced(
        basis=referenced.basis, frame=frame, grades=referenced.grades, insufficient=referenced.insufficient
    )


def charts(monthly: Referenced | None, params: RunParams) -> pd.DataFrame:
    """XmR charts of the means among the primary indicators; by month, or by quarter where months hold few cases."""
    policy = params.monitoring
    chosen = [
        CATALOGUE[i] for i in params.change.primary if getattr(CATALOGUE[i], "distribution", None) is Distribution.MEAN
    ]
    if monthly is None or monthly.frame.empty or not chosen:
        return CHARTS.empty()
    quarter = (monthly.frame["month"].astype(int) + 2) // 3
    year = monthly.frame["year"].astype(str)
    points = {
        "month": year + "-" + monthly.frame["month"].astype(int).astype(str).str.zfill(2),
        "quarter": year + "Q" + quarter.astype(str),
    }
    parts = []
    for grain in GRAINS:
        frame = with_columns(monthly.frame, point=points[grain], phase=monthly.frame["cycle"])
        of_grain = Referenced(basis=monthly.basis, frame=frame, grades=monthly.grades, insufficient={})
        parts.append(
            collect(
                of_grain,
                chosen,
                [*UNIT, "phase", "point"],
                confidence=params.change.confidence,
                policy=params.indicators,
            ).assign(grain=grain)
        )
    both = pd.concat(parts, ignore_index=True).astype({k: "str" for k in (*UNIT, "phase", "point")})
    series = [*UNIT, "indicator", "grain"]
    typical = both.pivot_table(index=[*UNIT, "indicator"], columns="grain", values="n", aggfunc="median")
    finest = pd.Series(
        np.where(typical["month"] >= policy.point_cases, "month", "quarter"), index=typical.index, name="finest"
    )
    both = both.merge(finest.reset_index(), on=[*UNIT, "indicator"])
    both = both[both["grain"] == both["finest"]]
    both["value"] = both["value"].where(both["n"] >= params.minimum_value_cases)
    made = xmr(
        both[[*series, "point", "phase", "n", "value"]], series, {i: one.direction for i, one in CATALOGUE.items()}
    )
    made["target"] = made["indicator"].map({t.indicator: t.value for t in policy.targets}).astype(float)
    last = made[made["upper"].notna()].groupby(series).tail(1).set_index(series)
    words = [assurance(r.lower, r.upper, r.target, CATALOGUE[r.Index[2]].direction) for r in rows_of(last)]
    meets = pd.Series(words, index=last.index, dtype=object, name="assurance")
    made = made.merge(meets.reset_index(), on=series, how="left")
    return made.assign(assurance=made["assurance"].fillna(""))[list(CHARTS.by_name)]


def cusums(
    monthly: pd.DataFrame | None, models: Mapping[tuple[str, str], RiskModel], units: pd.DataFrame, params: RunParams
) -> pd.DataFrame:
    """Charts of every project over its last period, against the risks of the first one (frozen)."""
    policy, last = params.monitoring, list(params.periods)[-1]
    if monthly is None or monthly.empty or "month" not in monthly:
        return CUSUMS.empty()
    rows = one_row_a_specialty(monthly)
    rows = rows[(_cycle_of(rows["year"], params) == last) & rows["month"].notna()]
    label = rows["year"].astype(str) + "-" + rows["month"].astype(int).astype(str).str.zfill(2)
    rows = rows.assign(p=models["frozen", last].probability(rows), month=label)
    projects = units.loc[units["project"] != "", UNIT]
    parts = []
    for unit, part in groups_of(rows.merge(projects, on=UNIT).groupby(UNIT, sort=True)):
        for direction, ratio in (("worse", policy.cusum_odds), ("better", 1 / policy.cusum_odds)):
            made = cusum(part, odds_ratio=ratio, run_length=policy.cusum_months)
            parts.append(
                made.table.assign(
                    hospital=unit[0],
                    specialty=unit[1],
                    direction=direction,
                    limit=made.limit,
                    odds_ratio=ratio,
                    run_length=made.run_length,
                    false_alarm=made.false_alarm,
                    warnings="；".join(made.warnings),
                )
            )
    return pd.concat(parts, ignore_index=True)[list(CUSUMS.by_name)] if parts else CUSUMS.empty()


# --- changes -------------------------------------------------------------------------------------------------------------


def _of_changes(cells: pd.DataFrame, units: pd.DataFrame, params: RunParams) -> dict[str, pd.DataFrame]:
    """Regression to the mean and power of the units that are judged; the mean to regress to is that of all units."""
    keys = [*UNIT, "indicator"]
    if not params.cycles:
        return {"shrinkage": SHRINKAGE.empty(), "power": POWER.empty()}
    frozen = cells[(cells["level"] == "unit") & (cells["basis"] == "frozen") & cells["period"].isin(params.periods)]
    frozen = frozen.rename(columns={"period": "cycle"})
    judged = units.loc[units["eligible"] | (units["project"] != ""), UNIT]
    policy, change = params.monitoring, params.change
    shrunk = no_effect(frozen, CATALOGUE, UNIT, ["specialty"], confidence=change.confidence)
    power = smallest_changes(
        frozen.merge(judged, on=UNIT),
        CATALOGUE,
        UNIT,
        confidence=change.confidence,
        power=policy.power,
        minimum_important=change.minimum_important,
    )
    return {
        "shrinkage": shrunk.merge(judged, on=UNIT).sort_values(keys, ignore_index=True),
        "power": power.sort_values(keys, ignore_index=True),
    }


__all__ = ["OE", "OE_ZH", "REST", "at_months", "monitor"]
