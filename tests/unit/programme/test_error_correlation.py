"""Errors of indicators that rest on the same records: correlations that are known, decisions whose probability is. 合成数据."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from toolkit.params import ChangePolicy
from toolkit.programme.decided import decide
from toolkit.programme.decision import DecisionRule
from toolkit.programme.error_correlation import correlations, distances_of, normal
from toolkit.programme.findings import of_table

PAIR = ["los_index", "cost_index"]


def drawn(correlation: float, units: int, columns: list[str] = PAIR) -> pd.DataFrame:
    matrix = [[1.0, correlation], [correlation, 1.0]]
    return pd.DataFrame(np.random.default_rng(4).multivariate_normal([0, 0], matrix, units), columns=columns)


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.8])
def test_the_correlation_that_units_were_drawn_with_is_found(correlation):
    matrix, pairs = correlations(drawn(correlation, 3000), PAIR)
    assert matrix[0, 1] == matrix[1, 0] == pytest.approx(correlation, abs=0.04)
    assert pairs["units"].tolist() == [3000]
    assert np.diag(matrix).tolist() == [1, 1]


def test_two_names_of_one_number_move_together_and_one_odd_unit_does_not_decide():
    same = drawn(0.0, 40).assign(cost_index=lambda f: f["los_index"])
    assert correlations(same, PAIR)[0][0, 1] > 0.99
    odd = drawn(0.0, 300)
    odd.loc[0] = 1e6
    assert abs(correlations(odd, PAIR)[0][0, 1]) < 0.15


def test_few_units_tell_nothing_and_an_indicator_that_no_unit_has_goes_with_no_other():
    matrix, pairs = correlations(drawn(0.9, 5), [*PAIR, "cmi"])
    assert matrix.tolist() == np.eye(3).tolist()
    assert pairs["observed"].isna().all()
    assert correlations(pd.DataFrame(), PAIR)[0].tolist() == np.eye(2).tolist()


def test_what_records_tell_holds_where_units_are_few_and_where_many_tell_another_these_do():
    told = pd.DataFrame([[1.0, 0.6], [0.6, 1.0]], index=PAIR, columns=PAIR)
    assert correlations(pd.DataFrame(), PAIR, told)[0][0, 1] == pytest.approx(0.6)
    assert correlations(drawn(0.0, 8), PAIR, told)[0][0, 1] == pytest.approx(0.6, abs=0.35)
    assert correlations(drawn(0.0, 3000), PAIR, told)[0][0, 1] == pytest.approx(0.0, abs=0.05)
    unknown = told.where(np.eye(2, dtype=bool))
    assert correlations(drawn(0.0, 5), PAIR, unknown)[0][0, 1] == 0


def test_pairs_of_different_units_that_contradict_each_other_become_a_possible_matrix():
    # a with b and b with c go together, a with c the other way: no three variables do that
    rng = np.random.default_rng(0)
    one, two, three = rng.normal(size=(3, 200))
    parts = [
        pd.DataFrame({"a": one, "b": one}),
        pd.DataFrame({"b": two, "c": two}),
        pd.DataFrame({"a": three, "c": -three}),
    ]
    matrix, _ = correlations(pd.concat(parts, ignore_index=True), ["a", "b", "c"])
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert np.diag(matrix).tolist() == pytest.approx([1, 1, 1])
    made = normal(matrix, (40_000, 1), rng)[:, 0]
    assert np.abs(np.corrcoef(made.T) - matrix).max() < 0.03


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_probability_of_a_flip_is_that_of_errors_that_go_together(correlation):
    """Both must improve, both do at z = 2.5: the decision stands where both do so once more."""
    rule = DecisionRule.model_validate(
        {
            "id": "r",
            "title": "示例",
            "source": "示例",
            "standing": "示例",
            "indicators": [{"id": i, "domain": "d", "requires": "improved"} for i in PAIR],
            "domains": [{"id": "d", "title": "领域", "share_met": 1.0}],
            "domains_met": 1,
        }
    )
    width, z95 = 0.05, float(norm.ppf(0.975))
    limits = np.exp([-2.5 * width, (-2.5 - z95) * width, (-2.5 + z95) * width])  # lower is better
    rows = pd.DataFrame([(i, *limits) for i in PAIR], columns=["indicator", "estimate", "low", "high"])
    rows = rows.assign(project="p", n_before=500, n_after=500)
    findings = of_table(rule, rows, ChangePolicy(minimum_important=0.0), distances=drawn(correlation, 3000))
    found = decide(findings, draws=8000).projects.iloc[0]
    both = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    assert found["outcome"] == "qualified"
    assert found["flips"] == pytest.approx(1 - both.cdf([2.5 - z95] * 2), abs=0.02)
    assert found["p_qualified"] == pytest.approx(both.cdf([2.5] * 2), abs=0.02)


def test_without_placebos_the_plain_changes_of_units_without_project_tell_it():
    """Against the middle one of the specialty, in standard errors of ln(after) − ln(before)."""
    units = pd.DataFrame({"hospital": list("abcd"), "specialty": "s", "project": ["", "", "", "P"]})
    values = {"a": (1.0, 1.2), "b": (1.0, 1.0), "c": (2.0, 1.8), "d": (1.0, 9.0)}
    rows = [
        ("unit", "frozen", hospital, "s", "cmi", period, value, 0.03 * value)
        for hospital, both in values.items()
        for period, value in zip(("before", "after"), both, strict=True)
    ]
    columns = ["level", "basis", "hospital", "specialty", "indicator", "period", "value", "se"]
    results = SimpleNamespace(
        placebos=pd.DataFrame(),
        units=units,
        cells=pd.DataFrame(rows, columns=columns),
        params=SimpleNamespace(periods={"before": None, "after": None}),
    )
    found = distances_of(results)["cmi"]  # type: ignore[arg-type]
    width = 0.03 * np.sqrt(2)
    assert found.tolist() == pytest.approx([np.log(1.2) / width, 0, np.log(0.9) / width])
    assert list(found.index.get_level_values("hospital")) == [
        "a",
        "b",
        "c",
    ]  # the project is felt: it is not among them
