"""Specifications: the run's own combination gives the run's own estimate, every combination is there, flips are marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ParameterError
from toolkit.evaluation.effects import change_effects, study_of
from toolkit.evaluation.judgement import judged, with_agreement
from toolkit.evaluation.robustness import (
    CHOICES,
    COMPARISON,
    UNHEEDED,
    _by_period,
    _cells,
    agreement,
    specification_curve,
    specifications,
    trimmings,
    with_choices,
)
from toolkit.indicators import CATALOGUE, Status
from toolkit.models.change import METHODS
from toolkit.params import RobustnessPolicy, load_params
from toolkit.reference import attach
from toolkit.runs import golden, pipeline

ROOT = Path(__file__).resolve().parents[3]
KEYS = ["hospital", "specialty", "indicator"]
OWN = {
    "scope": "level_group",
    "leave_one_out": "True",
    "trimming": "none",
    "risk_rates": "raw",
    "shocks": "with",
    "method": "did",
}


@pytest.fixture(scope="module")
def results():
    return golden()


def test_the_runs_own_combination_gives_the_runs_own_estimate_and_verdict(results):
    curve = results.specifications
    own = curve[(curve[list(OWN)] == pd.Series(OWN)).all(axis=1)]
    both = results.changes[results.changes["level"] == "unit"].merge(own, on=KEYS, suffixes=("", "_own"))
    assert len(both) == len(own) > 0
    pd.testing.assert_series_equal(both["judged_estimate"], both["estimate_own"], check_names=False)
    assert (both["verdict"] == both["verdict_own"]).all()


def test_every_project_and_primary_indicator_has_every_combination(results):
    made = specifications(results.params)
    assert len(made) == len({tuple(m.items()) for m in made}) == results.specifications["specification"].nunique()
    counts = results.specifications.groupby(KEYS).size()
    assert (counts == len(made)).all()
    projects = results.units[results.units["project"] != ""]
    assert len(counts) == len(projects) * len(results.params.change.primary)


def test_what_cannot_differ_is_not_tried():
    params = load_params(ROOT / "params" / "golden.yaml")
    quiet = params.model_copy(update={"shocks": []})
    loud = [m for m in specifications(params) if m["shocks"] == "without"]
    assert len(specifications(quiet)) == len(specifications(params)) - len(loud)


def test_what_a_method_does_not_heed_is_not_tried_with_it():
    params = load_params(ROOT / "params" / "golden.yaml")
    before = len(specifications(params))
    policy = params.robustness.model_copy(
        update={"adjustment": ["baseline", "unadjusted"], "same_level": [True, False]}
    )
    made = specifications(params.model_copy(update={"robustness": policy}))
    of = {m: [one for one in made if one["method"] == m] for m in ("did", "twfe")}
    assert (len(of["did"]), len(of["twfe"])) == (4 * before / 2, 2 * before / 2)
    assert {one["adjustment"] for one in of["twfe"]} == {UNHEEDED}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_depends_on_what_it_heeds_and_on_no_other_choice_of_comparison(results, method):
    study = study_of(results.units, results.params, results.hospitals)
    study = replace(study, indicators={i: CATALOGUE[i] for i in ("cost_index", "cmi")})
    cells = results.cells[(results.cells["basis"] == "frozen") & (results.cells["level"] == "unit")]

    def units(**choice) -> pd.DataFrame:
        other = replace(study, comparison=study.comparison.model_copy(update={"minimum_units": 1, **choice}))
        found = METHODS[method].estimate(cells, other).changes
        return found[found["level"] == "unit"].drop(columns="warnings").reset_index(drop=True)

    usual = units()
    for choice in ({"same_level": False}, {"adjustment": "unadjusted"}, {"matching": "baseline", "neighbours": 1}):
        assert units(**choice).equals(usual) == (next(iter(choice)) not in METHODS[method].heeds)


def test_what_combinations_share_is_what_each_gives_by_itself(results):
    several = {
        "trimming": ["none"],
        "minimum_cases": [5, 30],
        "same_level": [True, False],
        "adjustment": ["baseline", "unadjusted"],
        "matching": ["unmatched", "baseline"],
        "methods": ["did", "twfe", "event_study", "two_period_ratio"],
    }
    params = results.params.model_copy(update={"robustness": results.params.robustness.model_copy(update=several)})
    primary = {i: CATALOGUE[i] for i in params.change.primary}
    study = replace(study_of(results.units, params, results.hospitals), indicators=primary)
    cubes = {(scope, "none"): results.cube for scope in params.robustness.scopes}
    curve = specification_curve(cubes, params, results.hospitals, study, primary)
    made = specifications(params)
    assert len(curve) == len(made) * len(params.change.primary) * (results.units["project"] != "").sum()
    for number in range(0, len(made), 29):
        choice = made[number]
        referenced = attach(results.cube, with_choices(params, choice), results.hospitals, "frozen")
        cells = _cells(referenced, primary, params)
        if choice["shocks"] == "without":
            cells = cells[~cells["year"].between(2020, 2022)]
        heeded = {c: choice[c] for c in COMPARISON if choice[c] != UNHEEDED}
        own = replace(study, comparison=study.comparison.model_copy(update=heeded))
        alone = METHODS[choice["method"]].estimate(_by_period(cells, primary, params), own).changes
        alone = alone[alone["level"] == "unit"].set_index(KEYS)
        shared = curve[curve["specification"] == number].set_index(KEYS)
        assert set(alone.index) <= set(shared.index)
        for name in ("estimate", "low", "high", "p_value", "warnings"):
            pd.testing.assert_series_equal(shared.loc[alone.index, name], alone[name], check_exact=False, rtol=1e-12)


def _curve(verdicts: list[str]) -> pd.DataFrame:
    rows = [
        {
            "hospital": "A",
            "specialty": "s",
            "indicator": "cmi",
            "specification": i,
            **dict.fromkeys(CHOICES, ""),
            "estimate": 1.0 + i / 100,
            "low": 0.9,
            "high": 1.2,
            "p_value": 0.1,
            "verdict": v,
            "warnings": "",
        }
        for i, v in enumerate(verdicts)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("agreeing", "boundary"), [(8, False), (7, True)])
def test_a_verdict_that_too_few_combinations_share_is_on_the_boundary(agreeing, boundary):
    changes = pd.DataFrame(
        {
            "level": ["unit", "peers"],
            "hospital": ["A", ""],
            "specialty": ["s", "s"],
            "indicator": ["cmi", "cmi"],
            "verdict": ["improved", "improved"],
            "reason": ["better", "better"],
            "share": [float("nan")] * 2,
            "boundary": [False] * 2,
        }
    )
    curve = _curve(["improved"] * agreeing + ["stable"] * (10 - agreeing))
    agreed = agreement(curve, changes[changes["level"] == "unit"], RobustnessPolicy(agreement=0.8))
    assert agreed[["specifications", "agreeing"]].iloc[0].tolist() == [10, agreeing]
    marked = with_agreement(changes, agreed)
    assert marked["boundary"].tolist() == [boundary, False]
    assert marked["share"].iloc[0] == pytest.approx(agreeing / 10)
    assert pd.isna(marked["share"].iloc[1])


def test_a_combination_that_cannot_judge_speaks_neither_for_nor_against():
    changes = pd.DataFrame({"hospital": ["A"], "specialty": ["s"], "indicator": ["cmi"], "verdict": ["improved"]})
    curve = _curve(["improved"] * 4 + ["stable"] + ["not_judged"] * 5 + ["undecided"] * 3)
    curve.loc[10:, ["low", "high"]] = float("nan")  # a method without enough comparison units
    agreed = agreement(curve, changes, RobustnessPolicy(agreement=0.8)).iloc[0]
    assert agreed[["specifications", "agreeing", "share", "boundary"]].tolist() == [5, 4, 0.8, False]


def test_no_interval_is_no_agreement_with_cannot_be_judged():
    changes = pd.DataFrame({"hospital": ["A"], "specialty": ["s"], "indicator": ["cmi"], "verdict": ["undecided"]})
    curve = _curve(["undecided"] * 2 + ["stable"] * 2 + ["undecided"] * 8)
    curve.loc[4:, ["low", "high"]] = float("nan")
    agreed = agreement(curve, changes, RobustnessPolicy(agreement=0.8)).iloc[0]
    assert agreed[["specifications", "agreeing", "share", "boundary"]].tolist() == [4, 2, 0.5, True]


@pytest.mark.parametrize(
    ("verdict", "boundary"), [("improved", True), ("stable", True), ("undecided", False), ("not_judged", False)]
)
def test_a_verdict_of_which_no_combination_can_judge_is_not_shown_to_be_robust(verdict, boundary):
    changes = pd.DataFrame({"hospital": ["A"], "specialty": ["s"], "indicator": ["cmi"], "verdict": [verdict]})
    agreed = agreement(_curve(["not_judged"] * 3), changes, RobustnessPolicy()).iloc[0]
    assert agreed["specifications"] == 0
    assert pd.isna(agreed["share"])
    assert agreed["boundary"] == boundary


def test_over_a_bridge_of_grouper_versions_nothing_is_trimmed(results):
    assert trimmings(results.params) == results.params.robustness.trimming
    bridged = results.params.model_copy(
        update={"grouping": results.params.grouping.model_copy(update={"bridge": Path("bridge.csv")})}
    )
    assert {s["trimming"] for s in specifications(bridged)} == {"none"}


def test_a_verdict_counts_cases_as_its_method_does(results):
    effects = results.effects.copy()
    effects.loc[effects["method"] == "did", "n_after"] = results.params.change.minimum_cases - 1
    made = judged(results.changes, effects, results.units, results.params, {})
    of_projects = made["judged_by"] == "did"
    assert of_projects.any()
    assert (made.loc[of_projects, "verdict"] == "not_judged").all()
    assert (made.loc[~of_projects, "verdict"] == results.changes.loc[~of_projects, "verdict"]).all()


def test_of_a_measure_that_rule_p16_stopped_nothing_is_estimated(results):
    cells = results.cells.copy()
    cells.loc[cells["indicator"] == "cmi", "status"] = Status.STOPPED.value
    made = change_effects(cells, results.units, results.params, results.hospitals)
    assert "cmi" in set(results.effects["indicator"])
    assert "cmi" not in set(made["effects"]["indicator"])
    assert "cost_index" in set(made["effects"]["indicator"])


@pytest.mark.parametrize(
    ("section", "choice", "where", "nearest"),
    [
        ("change", {"primary": ["cmi", "cost_indx"]}, "change.primary.1", "cost_index"),
        ("change", {"methods": ["did", "twef"]}, "change.methods.1", "twfe"),
        ("change", {"verdict_from": "didd"}, "change.verdict_from", "did"),
        ("robustness", {"methods": ["did", "twef"]}, "robustness.methods.1", "twfe"),
    ],
)
def test_a_name_that_no_catalogue_knows_is_refused_before_any_record_is_read(
    results, tmp_path, section, choice, where, nearest
):
    changed = getattr(results.params, section).model_copy(update=choice)
    with pytest.raises(ParameterError, match=nearest) as told:
        pipeline.run(results.params.model_copy(update={section: changed}), tmp_path)
    assert told.value.where == where


def test_what_is_not_judged_is_never_on_the_boundary():
    changes = pd.DataFrame(
        {
            "level": ["unit"],
            "hospital": ["A"],
            "specialty": ["s"],
            "indicator": ["cmi"],
            "verdict": ["not_judged"],
            "reason": ["few_cases"],
            "share": [float("nan")],
            "boundary": [False],
        }
    )
    agreed = agreement(_curve(["stable"] * 3), changes, RobustnessPolicy())
    assert not with_agreement(changes, agreed)["boundary"].any()


def _own(verdict: str = "improved") -> pd.DataFrame:
    return pd.DataFrame({"hospital": ["A"], "specialty": ["s"], "indicator": ["cmi"], "verdict": [verdict]})


def test_a_choice_that_does_not_touch_the_indicator_repeats_no_answer():
    curve = _curve(["improved"] * 4 + ["stable"] * 4)
    # grades do not move a case-mix index: the second four are the first four again, but for the word of the choice
    curve["risk_rates"] = ["raw", "empirical_bayes"] * 4
    curve["estimate"] = [1.10, 1.10, 1.12, 1.12, 1.03, 1.03, 1.02, 1.02]
    found = agreement(curve, _own(), RobustnessPolicy(agreement=0.5)).iloc[0]
    assert found[["specifications", "answers", "agreeing"]].tolist() == [8, 4, 2]
    assert found[["says_improved", "says_stable", "says_undecided", "says_worse"]].tolist() == [2, 2, 0, 0]
    assert found["share"] == 0.5


@pytest.mark.parametrize(("different", "robust"), [(1, False), (2, False), (3, True)])
def test_two_different_answers_are_never_called_robust(different, robust):
    curve = _curve(["improved"] * 12)
    curve["estimate"] = [1.10 + 0.01 * (i % different) for i in range(12)]
    found = agreement(curve, _own(), RobustnessPolicy(agreement=0.8)).iloc[0]
    assert (found["answers"], found["share"], found["robust"]) == (different, 1.0, robust)
    assert not found["boundary"]


def test_the_choice_that_moves_most_is_named_with_its_share_of_the_variance():
    import statsmodels.formula.api as smf
    from statsmodels.stats.anova import anova_lm

    curve = _curve(["improved"] * 8)
    curve["scope"] = ["region", "level_group"] * 4
    curve["method"] = ["did"] * 4 + ["twfe"] * 4
    curve["shocks"] = ["with", "with", "without", "without"] * 2
    log = [0.1 * (m == "twfe") + 0.03 * (s == "region") for m, s in zip(curve["method"], curve["scope"], strict=True)]
    curve["estimate"] = np.exp(np.add(log, [0.001, -0.002, 0.003, 0, -0.001, 0.002, 0, 0.001]))
    found = agreement(curve, _own(), RobustnessPolicy()).iloc[0]
    table = anova_lm(smf.ols("np.log(estimate) ~ scope + method + shocks", curve).fit())  # balanced: shares add up
    assert found["moved_by"] == "method"
    assert found["moved_share"] == pytest.approx(table.loc["method", "sum_sq"] / table["sum_sq"].sum())


def test_what_a_method_has_no_choice_of_is_laid_to_the_method():
    curve = _curve(["improved"] * 8)
    curve["method"] = ["did"] * 4 + ["twfe"] * 4
    curve["adjustment"] = ["baseline"] * 4 + [""] * 4  # two-way effects know no adjustment
    curve["estimate"] = np.exp([0.10, 0.11, 0.12, 0.11, 0.02, 0.03, 0.01, 0.02])
    assert agreement(curve, _own(), RobustnessPolicy()).iloc[0]["moved_by"] == "method"
