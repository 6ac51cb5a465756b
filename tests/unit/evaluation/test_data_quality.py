"""What the accounts say about each hospital's data: shares by hand, ranks, and the line between 不适用 and 通过. 合成数据."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import rows
from statsmodels.stats.proportion import proportion_confint

from toolkit.data.quality.base import Fate, Level, RuleFacts
from toolkit.evaluation import data_quality as dq
from toolkit.reporting.figures.quality import month_marks
from toolkit.runs import pipeline

RULES = [
    RuleFacts(id="D01", name="日期", fate=Fate.QUARANTINED, scopes=(), level=Level.RECORD),
    RuleFacts(id="D07", name="住院日", fate=Fate.WARNED, scopes=(), level=Level.RECORD),
    RuleFacts(id="D13", name="新生儿", fate=Fate.WARNED, scopes=(), level=Level.RECORD),
    RuleFacts(id="C01", name="费用", fate=Fate.EXCLUDED, scopes=("cost",), level=Level.RECORD),
    RuleFacts(id="O01", name="离院", fate=Fate.QUARANTINED, scopes=("mortality",), level=Level.RECORD),
    RuleFacts(id="D15", name="月", fate=Fate.WARNED, scopes=(), level=Level.HOSPITAL),
    RuleFacts(id="F03", name="编码", fate=Fate.REJECTED, scopes=(), level=Level.FILE),
    RuleFacts(id="SCOPE", name="范围", fate=Fate.EXCLUDED, scopes=(), level=Level.RECORD),
    RuleFacts(id="Z53", name="取消", fate=Fate.EXCLUDED, scopes=("cost",), level=Level.RECORD),
]
#           hospital, year, fate, rule, rules, n
ACCOUNTS = pd.DataFrame(
    [
        ("A", 2022, "accepted", "", "", 90),
        ("A", 2022, "accepted", "", "|D07|", 6),
        ("A", 2022, "accepted", "", "|C01|", 2),
        ("A", 2022, "quarantined", "D01", "|D01|D07|", 2),
        ("A", 2022, "excluded", "SCOPE", "|SCOPE|D07|", 50),
        ("B", 2022, "accepted", "", "", 40),
        ("C", 2022, "accepted", "", "", 5),
        ("C", 2022, "quarantined", "D01", "|D01|", 5),
        ("", 0, "quarantined", "D01", "|D01|", 1),
    ],
    columns=["hospital", "year", "fate", "rule", "rules", "n"],
)
WARNINGS = pd.DataFrame(
    [
        ("C", 2022, "X04", 0.5, 0.02, "隔离 50.0%"),
        ("C", 2023, "X04", 0.5, 0.02, "隔离 50.0%"),
        ("C", 2023, "X04", 0.1, 0.05, "cost_fen 缺失 10.0%"),
        ("A", 2022, "D15", 0.4, 0.5, "三月偏少"),
    ],
    columns=["hospital", "year", "rule", "value", "limit", "message"],
).assign(specialty="")


def facts(not_applicable):
    return SimpleNamespace(rules=RULES, not_applicable=not_applicable)


def results(**more):
    given = {
        "accounts": ACCOUNTS,
        "hospital_warnings": WARNINGS,
        "balance": ACCOUNTS.iloc[:0].assign(measure=""),
        "files": pd.DataFrame({"rejected_by": ["", "F03"], "dropped": ["", ""]}),
        "facts": facts({"D13": "没有新生儿病例"}),
        "params": SimpleNamespace(minimum_value_cases=30),
    }
    return SimpleNamespace(**{**given, **more})


def test_the_sound_share_leaves_out_what_a_declared_rule_excludes_and_counts_each_record_once():
    found = dq.standing(results()).set_index("hospital")
    # A: 150 received, 50 excluded; of 100, 6 warned and 2 quarantined; a missing cost (C01, excluded from cost) is no objection
    assert found.loc["A", ["received", "judged", "sound"]].tolist() == [150, 100, 92]
    assert found.loc["A", "quarantined"] == pytest.approx(2 / 100)
    assert found.loc["A", ["low", "high"]].tolist() == pytest.approx(proportion_confint(92, 100, method="beta"))


def test_the_reason_names_rule_limit_and_years_and_no_number_of_the_hospital():
    assert dq.insufficient(WARNINGS) == {"C": "机构数据不足（规则X04：2022、2023 年隔离占比或关键字段缺失率超过界限）"}
    assert dq.insufficient(WARNINGS[WARNINGS["rule"] == "D15"]) == dq.insufficient(WARNINGS.iloc[:0]) == {}


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "judged"), [(0.05, False), (0.2, True)])
def test_the_declared_limit_decides_the_verdict_on_what_rests_on_the_field(tmp_path, limit, judged):
    lines = [
        f"{hospital} | {year} | {cost + 1000 * n} | D1"
        for hospital, cost in (("A", 90_000), ("B", 100_000), ("C", 95_000), ("D", 105_000))
        for year in range(2019, 2025)
        for n in range(30)
    ]
    lines += ["C | 2023 | | D1"] * 4  # 4 of 34 without cost
    (tmp_path / "in.csv").write_bytes(
        rows.csv_of(rows.received("\n".join(["hospital | year | cost_fen | department", *lines]), month="12"))
    )
    once = {"scopes": ["region"], "leave_one_out": [False], "trimming": ["none"], "risk_rates": ["raw"]}
    params = rows.params(
        files=(str(tmp_path / "in.csv"),),
        cycles=rows.CYCLES,
        quality={"missing_share": limit},
        minimum_unit_cases=10,
        projects=[{"hospital": h, "specialty": "s1"} for h in ("A", "C")],
        robustness=once,
        change={"minimum_cases": 10, "primary": ["cost_index"], "methods": ["did", "twfe"]},
    )
    found = pipeline.evaluate(params, tmp_path / "run")
    ranks = dq.standing(found).set_index("hospital")["rank"]
    assert ranks.notna().all()  # a missing cost says nothing of what rests on no cost
    units = found.changes[found.changes["level"] == "unit"].set_index(["hospital", "indicator"]).sort_index()
    poor = units["reason_zh"].str.contains("总费用在 2023 年缺失过多（规则X06）", regex=False)
    assert set(poor[poor].index.get_level_values("hospital")) == (set() if judged else {"C"})
    assert bool(poor.loc[("C", "cost_index")]) is not judged
    assert not poor.loc[("C", "los_index")]
    assert (units.loc[poor, "verdict"] == "not_judged").all()
    assert set(units.loc["A", "reason"]).isdisjoint({"poor_data"})
    curve = found.specifications.set_index("hospital")["verdict"]
    assert (curve.loc["A"] != "not_judged").any()  # twfe has no interval for one project


def test_too_little_to_go_by_has_no_rank_and_no_score_and_says_why():
    found = dq.standing(results())
    assert found["hospital"].tolist() == ["B", "A", "C"]
    assert found["rank"].tolist()[:2] == [1, 2]
    last = found.iloc[-1]
    assert np.isnan(last["rank"])
    assert last["reasons"] == "2022、2023 年隔离 50.0%；2023 年cost_fen 缺失 10.0%"


def test_a_few_cases_without_objection_are_no_first_rank():
    found = dq.standing(results(params=SimpleNamespace(minimum_value_cases=41))).set_index("hospital")
    assert found.loc["A", "rank"] == 1
    assert np.isnan(found.loc["B", "rank"])
    assert found.loc["B", "reasons"] == ""


def test_not_applicable_is_a_status_of_its_own():
    found = dq.rule_status(results()).set_index("rule")
    assert found["status"].to_dict() == {
        "D01": "failed",
        "D07": "failed",
        "D13": "not_applicable",
        "C01": "failed",
        "O01": "passed",
        "D15": "failed",
        "F03": "failed",
        "SCOPE": "failed",
        "Z53": "passed",
    }
    assert found.loc["D13", "why"] == "没有新生儿病例"
    assert found.loc[["D07", "D01", "D15", "F03"], "n"].tolist() == [8, 8, 1, 1]  # not of the 50 out of scope
    assert found.loc[["D07", "D15", "F03"], "unit"].tolist() == ["records", "hospital_years", "files"]
    assert found.loc[["Z53", "SCOPE", "C01"], "group"].tolist() == ["时间", "整体", "费用"]


def test_a_measure_balance_without_the_run_s_own_comes_from_the_marks():
    cost = dq.measure_balance(results(), "cost")
    sums = cost[cost["hospital"] == "A"].groupby(["fate", "rule"])["n"].sum().to_dict()
    assert sums == {("excluded", "C01"): 2, ("excluded", "SCOPE"): 50, ("quarantined", "D01"): 2, ("accepted", ""): 96}
    assert cost["n"].sum() == ACCOUNTS["n"].sum()
    unknown = results(facts=facts({"O01": "没有字段"}))
    assert dq.measure_balance(unknown, "mortality").empty


def test_coding_depth_stands_beside_the_other_hospitals_of_the_level():
    rows = [("A", 2022, 100, 150), ("B", 2022, 50, 100), ("C", 2022, 10, 90), ("D", 2022, 10, 5), ("A", 2060, 1, 9)]
    profile = pd.DataFrame(rows, columns=["hospital", "year", "n", "total"]).assign(field="other_diagnoses", missing=0)
    hospitals = pd.DataFrame({"code": ["A", "B", "C", "D"], "level_group": ["三级", "三级", "三级", "二级"]})
    found = dq.coding_depth(results(profile=profile, hospitals=hospitals, params=SimpleNamespace(all_years=(2022,))))
    of = found.set_index("hospital")
    assert len(found) == 4
    assert of.loc["A", ["depth", "peers"]].tolist() == [1.5, (100 + 90) / 60]
    assert np.isnan(of.loc["D", "peers"])


def test_months_without_a_row_are_gaps_and_not_nothing():
    monthly = pd.DataFrame({"hospital": "A", "year": 2022, "month": range(1, 12), "n": [10] * 9 + [4, 25]})
    grid = dq.month_grid(results(monthly=monthly, params=SimpleNamespace(all_years=(2022,)))).set_index("month")
    assert np.isnan(grid.loc["2022-12", "n"])
    assert grid.loc[["2022-10", "2022-11", "2022-01"], "ratio"].tolist() == [0.4, 2.5, 1.0]
    frame = grid.reset_index().assign(label="合成医院", state=["", *[""] * 8, "少", "多", "缺"])
    figure = month_marks(frame, id="marks", caption="异常的月份")
    assert "该月没有出院病例 1 个月，明显偏少 1 个月，明显偏多 1 个月" in figure.alt
    assert month_marks(frame, id="marks", caption="异常的月份").svg == figure.svg


def test_the_last_submission_is_compared_rule_by_rule():
    submissions = pd.DataFrame(
        [
            {"sha256": "old", "hospital": "A", "replaced_by": "new", "received": 100, "arrived": "2025-05-01"},
            {"sha256": "new", "hospital": "A", "replaced_by": "", "received": 102, "arrived": "2025-06-01"},
            {"sha256": "else", "hospital": "A", "replaced_by": "", "received": 9, "arrived": "2025-06-01"},
            {"sha256": "b", "hospital": "B", "replaced_by": "", "received": 5, "arrived": "2025-05-01"},
        ]
    )
    rules = pd.DataFrame(
        [("old", "A", "D01", 7), ("new", "A", "D01", 1), ("old", "A", "D07", 3), ("else", "A", "D07", 9)],
        columns=["sha256", "hospital", "rule", "n"],
    )
    found = dq.since_last(results(submissions=submissions, submitted_rules=rules))
    rows = (
        found[["hospital", "rule", "before", "now", "n_before", "n_now", "arrived_before", "arrived"]]
        .to_numpy()
        .tolist()
    )
    assert rows == [
        ["A", "D01", 7, 1, 100, 102, "2025-05-01", "2025-06-01"],
        ["A", "D07", 3, 0, 100, 102, "2025-05-01", "2025-06-01"],
    ]
    assert dq.since_last(results(submissions=submissions.iloc[3:], submitted_rules=rules)).empty


@pytest.mark.slow
def test_the_quarantined_share_is_of_the_judged_and_the_same_in_rule_and_table(tmp_path):
    sound = rows.received("hospital | year | principal_diagnosis | cases\nA | 2022 | I21.0 | 40\nA | 2022 | | 2")
    twice = sound.head(20)  # excluded as repeated: that makes the bad ones no better
    (tmp_path / "in.csv").write_bytes(rows.csv_of(pd.concat([sound, twice])))
    params = rows.params(files=(str(tmp_path / "in.csv"),), cycles=rows.CYCLES, quality={"quarantined_share": 0.04})
    found = pipeline.evaluate(params, tmp_path / "run")
    warned = found.hospital_warnings[found.hospital_warnings["rule"] == dq.TOO_POOR]
    assert found.accounts.groupby("fate")["n"].sum().to_dict() == {"accepted": 40, "excluded": 20, "quarantined": 2}
    assert warned["value"].tolist() == [2 / 42]
    assert dq.standing(found)["quarantined"].tolist() == [2 / 42]
