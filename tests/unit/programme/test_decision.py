"""判定规则: decisions on states written by hand, findings whose probabilities can be told by hand. 合成数据."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from toolkit.errors import InputError, ParameterError
from toolkit.params import ChangePolicy
from toolkit.programme.decided import decide
from toolkit.programme.decision import MET, MISSED, OPEN, OUTCOMES, DecisionRule, Outcome, apply, hinges, read_rule
from toolkit.programme.findings import of_run, of_table
from toolkit.programme.rehearsal import rehearse
from toolkit.runs import golden

SHIPPED = Path(__file__).parents[3] / "params" / "rules" / "decision.yaml"
NONE = math.nan


def rule(**more) -> DecisionRule:
    given = {
        "id": "r",
        "title": "示例",
        "source": "示例",
        "standing": "示例",
        "indicators": [
            {"id": "cmi", "domain": "capacity", "requires": "improved"},
            {"id": "heavy_share", "domain": "capacity", "requires": "improved"},
            {"id": "mortality", "domain": "quality", "red_flag": True},
            {"id": "readmission_share", "domain": "quality"},
            {"id": "los_index", "domain": "efficiency"},
        ],
        "domains": [
            {"id": "capacity", "title": "能力", "share_met": 0.5},
            {"id": "quality", "title": "质量", "share_met": 0.5, "required": True},
            {"id": "efficiency", "title": "效率", "share_met": 1.0},
        ],
        "minimum_domains": 2,
        "domains_met": 2,
        **more,
    }
    return DecisionRule.model_validate(given)


#            cmi    heavy  mortality readmission los
@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ((MET, MISSED, MET, MISSED, MISSED), "qualified"),  # capacity and quality, each with one of two
        ((MISSED, MISSED, MET, MET, MISSED), "mend"),  # quality alone
        ((MISSED, MISSED, MET, MET, OPEN), "boundary"),  # quality, and efficiency if it turns out well
        ((MET, MET, MISSED, MET, MET), "mend"),  # the red flag decides whatever else is met
        ((MET, MET, OPEN, MISSED, MET), "boundary"),  # a required domain is open
        ((MET, MET, NONE, MISSED, MET), "mend"),  # a required domain is missed, though two others are met
        ((MET, MET, NONE, NONE, MET), "not_judged"),  # a required domain cannot be judged
        ((NONE, NONE, MET, MET, NONE), "not_judged"),  # one domain only
        ((NONE, NONE, MISSED, NONE, NONE), "mend"),  # a red flag needs no second domain
        ((OPEN, OPEN, MET, OPEN, MET), "qualified"),  # nothing that is open could change it
    ],
)
def test_indicator_domain_project(states, outcome):
    assert OUTCOMES[int(apply(rule(), np.array(states)).outcomes)].value == outcome


def test_what_a_decision_hangs_on_is_named():
    states = np.array([MISSED, MISSED, MET, MET, OPEN])
    assert list(hinges(rule(), states)) == ["los_index"]
    assert list(hinges(rule(), np.array([OPEN, OPEN, MET, OPEN, MET]))) == []


def changes(*rows: tuple[str, float, float, float], n: int = 500) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["indicator", "estimate", "low", "high"])
    return frame.assign(project="p", n_before=n, n_after=n)


def one_indicator(id_: str, requires: str, **more) -> DecisionRule:
    return rule(
        indicators=[{"id": id_, "domain": "d", "requires": requires, **more}],
        domains=[{"id": "d", "title": "领域"}],
        minimum_domains=1,
        domains_met=1,
    )


@pytest.mark.parametrize(
    ("requires", "low", "estimate", "high", "outcome"),
    [
        ("improved", 1.02, 1.1, 1.2, "qualified"),
        ("improved", 0.98, 1.1, 1.2, "boundary"),
        ("improved", 0.8, 0.9, 0.97, "mend"),
        ("not_worse", 1.02, 1.1, 1.2, "qualified"),
        ("not_worse", 0.8, 0.9, 0.97, "mend"),
        ("not_worse", 0.9, 1.0, 1.1, "boundary"),
    ],
)
def test_an_interval_decides_what_is_required(requires, low, estimate, high, outcome):
    policy = ChangePolicy(minimum_important=0.0)
    found = decide(of_table(one_indicator("cmi", requires), changes(("cmi", estimate, low, high)), policy), draws=0)
    assert found.projects["outcome"].tolist() == [outcome]


def test_lower_is_better_where_the_catalogue_says_so():
    policy = ChangePolicy(minimum_important=0.0)
    fell = changes(("los_index", 0.9, 0.85, 0.95))
    assert decide(of_table(one_indicator("los_index", "improved"), fell, policy), draws=0).projects["outcome"][0] == (
        "qualified"
    )


def test_too_few_cases_are_not_judged():
    few = changes(("cmi", 1.1, 1.05, 1.2), n=3)
    found = decide(of_table(one_indicator("cmi", "improved"), few, ChangePolicy()), draws=0)
    assert found.projects["outcome"].tolist() == ["not_judged"]


@pytest.mark.parametrize("z_of_estimate", [2.5, 1.0])
def test_the_probability_that_a_decision_flips_is_that_of_a_second_look(z_of_estimate):
    # improved needs a lower limit above 1: of a second look that is likely by Φ(z − 1.96)
    width, z95 = 0.05, float(norm.ppf(0.975))
    middle = z_of_estimate * width
    row = changes(("cmi", *np.exp([middle, middle - z95 * width, middle + z95 * width])))
    found = decide(
        of_table(one_indicator("cmi", "improved"), row, ChangePolicy(minimum_important=0.0)), draws=8000
    ).projects
    again_met = norm.cdf(z_of_estimate - z95)
    now_met = z_of_estimate > z95
    assert found["flips"][0] == pytest.approx(1 - again_met if now_met else again_met, abs=0.02)
    assert found["p_qualified"][0] == pytest.approx(norm.cdf(z_of_estimate), abs=0.02)
    assert found["p_mend"][0] == pytest.approx(1 - norm.cdf(z_of_estimate), abs=0.02)


def test_certainty_settles_what_is_likely_enough_and_nothing_else():
    # P(better) = Φ(1.0) = 0.84: enough for 0.8, not for 0.9
    width, z95 = 0.05, float(norm.ppf(0.975))
    row = changes(("cmi", *np.exp([width, width - z95 * width, width + z95 * width])))
    policy = ChangePolicy(minimum_important=0.0)

    def outcome(certainty: float, rows: pd.DataFrame, **more) -> str:
        one = one_indicator("cmi", "improved", **more).model_copy(update={"certainty": certainty})
        return str(decide(of_table(one, rows, policy), draws=0).projects["outcome"][0])

    assert outcome(0.8, row) == "qualified"
    assert outcome(0.9, row) == "boundary"
    worse = row.assign(estimate=1 / row["estimate"], low=1 / row["high"], high=1 / row["low"])
    assert outcome(0.8, worse) == "mend"
    assert outcome(0.8, worse, red_flag=True) == "boundary"  # a red flag takes a whole interval


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("domain: quality, requires: not_worse, red_flag: true", "domain: qualty, requires: not_worse", "qualty"),
        ("domains_met: 2", "domains_met: 4", "多于领域数"),
        ("certainty: 0.8", "certainty: 0.4", "certainty"),
        ("requires: not_worse}", "requires: better}", "requires"),
        ("standing: 示例", "standing: 官方", "standing"),
    ],
)
def test_a_rule_that_cannot_hold_is_refused_with_its_line(tmp_path, old, new, says):
    path = tmp_path / "rule.yaml"
    text = SHIPPED.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ParameterError, match=rf"rule\.yaml:\d+[\s\S]*{says}|{says}[\s\S]*rule\.yaml:\d+"):
        read_rule(path)


# --- on a run of the synthetic region ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results():
    return golden()


def test_every_project_of_a_run_gets_one_decision_and_every_indicator_a_state(results):
    found = decide(of_run(results, read_rule()), draws=100)
    projects = results.units.loc[results.units["project"] != "", "id"]
    assert sorted(found.projects["project"]) == sorted(projects)
    assert set(found.projects["outcome"]) <= {o.value for o in Outcome}
    assert len(found.indicators) == len(projects) * len(read_rule().indicators)
    assert found.projects["flips"].between(0, 1).all()
    mend = found.projects["outcome"] == "mend"
    assert (found.projects.loc[mend, "mend"] != "").all()


def test_a_project_is_held_against_its_own_target(results):
    unit = results.units[results.units["project"] != ""].iloc[0]
    cells = results.cells
    cell = cells[
        (cells["level"] == "unit")
        & (cells["hospital"] == unit["hospital"])
        & (cells["specialty"] == unit["specialty"])
        & (cells["indicator"] == "los_index")
        & (cells["period"] == "after")
        & (cells["basis"] == "contemporaneous")
    ].iloc[0]
    asks = one_indicator("los_index", "target")

    def outcome(target: float | None) -> str:
        targets = pd.DataFrame({"project": [unit["id"]], "indicator": ["los_index"], "target": [str(target or "")]})
        found = decide(of_run(results, asks, targets), draws=0).projects.set_index("project")
        return str(found.loc[unit["id"], "outcome"])

    assert outcome(cell["high"] + 0.01) == "qualified"  # lower is better: all of the interval lies below
    assert outcome(cell["low"] - 0.01) == "mend"
    assert outcome(cell["value"]) == "boundary"
    assert outcome(None) == "not_judged"  # no target is no 0


def test_evidence_and_panel_are_held_against_the_rule_s_own_value(results):
    project = results.units.loc[results.units["project"] != "", "id"].iloc[0]
    asks = one_indicator("panel", "target", at=80.0, title="专家评分")
    given = pd.DataFrame({"project": [project], "panel": ["85"]})
    found = decide(of_run(results, asks, given=given), draws=50).projects.set_index("project")
    assert found.loc[project, "outcome"] == "qualified"
    assert found.loc[project, "flips"] == 0
    assert (found.drop(project)["outcome"] == "not_judged").all()
    with pytest.raises(InputError, match="不在本次运行中: nobody"):
        of_run(results, asks, given=given.assign(project="nobody"))


def test_rehearsal_counts_what_would_be_decided_with_and_without_a_planted_change(results):
    found = rehearse(results, one_indicator("los_index", "improved"), planted=(1.0, 3.0, 1 / 3))
    whole = found.rates[found.rates["size"] == "全部"].set_index("planted_zh")
    units = results.placebos.query("indicator == 'los_index'")
    assert (whole["units"] == len(units)).all()
    assert np.allclose(whole[["qualified", "mend", "boundary", "not_judged"]].sum(axis=1), 1)
    # without a change, improvement is not what most have: who qualifies is passed wrongly
    lower = units[(units["n_before"] >= 30) & (units["n_after"] >= 30)]
    by_hand = ((lower["high"] < 1) & (lower["estimate"] <= 1 / (1 + results.params.change.minimum_important))).sum()
    assert whole.loc["没有变化", "wrong_zh"] == "误判合格"
    assert whole.loc["没有变化", "qualified"] == pytest.approx(by_hand / len(units))
    # a threefold change is beyond every interval of these
    assert whole.loc["各项变好 200%", "qualified"] > 0.9
    assert whole.loc["各项变差 200%", "mend"] > 0.9
    by_size = found.rates[found.rates["size"] != "全部"].groupby("planted")["units"].sum()
    assert (by_size == len(units)).all()


def test_a_rule_on_what_was_not_estimated_cannot_be_rehearsed(results):
    with pytest.raises(InputError, match="没有可供预演"):
        rehearse(results, one_indicator("cmi", "target", at=1.0))
