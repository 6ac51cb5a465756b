"""Specifications: the run's own combination gives the run's own estimate, every combination is there, flips are marked."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from toolkit import pipeline
from toolkit.evaluation.judgement import with_agreement
from toolkit.evaluation.robustness import CHOICES, agreement, specifications
from toolkit.params import RobustnessPolicy, load_params

ROOT = Path(__file__).resolve().parents[3]
KEYS = ["hospital", "specialty", "indicator"]
OWN = {
    "scope": "level_group",
    "leave_one_out": "False",
    "trimming": "none",
    "risk_rates": "raw",
    "shocks": "with",
    "method": "did",
}


@pytest.fixture(scope="module")
def results():
    return pipeline.golden()


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


def _curve(verdicts: list[str]) -> pd.DataFrame:
    rows = [{"hospital": "A", "specialty": "s", "indicator": "cmi", "specification": i, **dict.fromkeys(CHOICES, ""),
             "estimate": 1.0 + i / 100, "low": 0.9, "high": 1.2, "p_value": 0.1, "verdict": v, "warnings": ""}
            for i, v in enumerate(verdicts)]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("agreeing", "boundary"), [(8, False), (7, True)])
def test_a_verdict_that_too_few_combinations_share_is_on_the_boundary(agreeing, boundary):
    changes = pd.DataFrame({"level": ["unit", "peers"], "hospital": ["A", ""], "specialty": ["s", "s"], "indicator": ["cmi", "cmi"],
                            "verdict": ["改善", "改善"], "share": [float("nan")] * 2, "boundary": [False] * 2})  # fmt: skip
    curve = _curve(["改善"] * agreeing + ["未见变化"] * (10 - agreeing))
    agreed = agreement(curve, changes[changes["level"] == "unit"], RobustnessPolicy(agreement=0.8))
    assert agreed[["specifications", "agreeing"]].iloc[0].tolist() == [10, agreeing]
    marked = with_agreement(changes, agreed)
    assert marked["boundary"].tolist() == [boundary, False]
    assert marked["share"].iloc[0] == pytest.approx(agreeing / 10)
    assert pd.isna(marked["share"].iloc[1])


def test_what_is_not_judged_is_never_on_the_boundary():
    changes = pd.DataFrame({"level": ["unit"], "hospital": ["A"], "specialty": ["s"], "indicator": ["cmi"], "verdict": ["不予评价"],
                            "share": [float("nan")], "boundary": [False]})  # fmt: skip
    agreed = agreement(_curve(["未见变化"] * 3), changes, RobustnessPolicy())
    assert not with_agreement(changes, agreed)["boundary"].any()
