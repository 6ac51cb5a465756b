"""收到 = 纳入 + 排除 + 隔离 for every file, hospital and measure; a store that differs from the accounts stops the run."""

from __future__ import annotations

import pandas as pd
import pytest
from small_files import MAP, line, take, text

from toolkit.data.accounts.balance import ALL, balanced, in_store
from toolkit.data.store import discharges
from toolkit.engine import connect
from toolkit.errors import UnbalancedError

FILES = {
    "a.csv": text(
        line(),
        line(),
        line(DRG="FA12"),
        line(COST="0"),  # out of cost
        line(EXIT="7"),  # out of mortality
        line(DRG="", COST="-"),  # out of cost and case mix
        line(IN="2022-01-01", OUT="2022-03-06", DAYS="64"),  # 64 days: out of cost and LOS
        line(R=""),
        line(IN="2022-02-30"),  # quarantined
        line(IN="2018-03-01", OUT="2018-03-06"),  # excluded
        line() + ",one too many",  # no record, hospital unknown
        line(H="0099"),
    ).encode(),
    "b.csv": text(line(H="0099"), line(H="0099", COST="x")).encode(),
}
#          file, hospital, measure: accepted, excluded, quarantined
PLANTED = {
    ("a.csv", "0012", "all"): (7, 1, 2),
    ("a.csv", "0012", "cost"): (4, 4, 2),
    ("a.csv", "0012", "los"): (6, 2, 2),
    ("a.csv", "0012", "mortality"): (6, 1, 3),
    ("a.csv", "0012", "case_mix"): (6, 2, 2),
    ("a.csv", "", "cost"): (0, 0, 1),
    ("a.csv", "0099", "cost"): (1, 0, 0),
    ("b.csv", "0099", "cost"): (1, 1, 0),
    ("b.csv", "0099", "all"): (2, 0, 0),
}


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    return take(tmp_path_factory.mktemp("balance"), FILES)


@pytest.fixture(scope="module")
def table(taken):
    connection = connect(taken.intake.store.parent, threads=1)
    found = balanced(taken.intake.files, taken.accounts, in_store(discharges(connection, taken.intake.store)))
    connection.disconnect()
    return found.assign(name=found["file"].map(taken.intake.files.set_index("file")["name"]))


def counts(store: pd.DataFrame) -> pd.DataFrame:
    """`in_store` by pandas."""
    made = store.assign(
        cost=store["cost_usable"],
        los=store["los_usable"],
        mortality=store["death_known"],
        case_mix=store["grouped"],
        surgery=store["surgery_usable"],
        surgery_missing=store["surgical"].isna(),
        specialty=store["specialty"].notna(),
        cost_missing=store["cost_fen"].isna(),
        los_missing=store["los_days"].isna(),
        mortality_missing=store["died"].isna(),
        case_mix_missing=store["drg"].isna(),
        specialty_missing=store["specialty"].isna(),
        n=1,
    )
    keep = [
        "n",
        *[
            f"{m}{s}"
            for m in ("cost", "los", "mortality", "case_mix", "surgery", "specialty")
            for s in ("", "_missing")
        ],
    ]
    return made.groupby(["file", "hospital"])[keep].sum().astype("int64").reset_index()


def test_every_planted_record_is_where_it_belongs(table):
    wide = table.pivot_table(
        index=["name", "hospital", "measure"], columns="fate", values="n", aggfunc="sum", fill_value=0
    )
    found = {key: tuple(int(v) for v in wide.loc[key, ["accepted", "excluded", "quarantined"]]) for key in PLANTED}
    assert found == PLANTED


def test_every_measure_of_every_file_and_hospital_adds_up_to_what_was_received(table):
    sums = table.pivot_table(index=["name", "hospital"], columns="measure", values="n", aggfunc="sum")
    assert (sums.sub(sums[ALL], axis=0) == 0).all(axis=None)
    assert sums[ALL].groupby("name").sum().to_dict() == {"a.csv": 12, "b.csv": 2}


def test_reasons_of_a_measure_follow_the_waterfall(table):
    cost = table[(table["name"] == "a.csv") & (table["hospital"] == "0012") & (table["measure"] == "cost")]
    assert set(cost["fate"] + cost["rule"]) == {
        "accepted",
        "excludedC01",
        "excludedD08",
        "excludedD04",
        "quarantinedK03",
        "quarantinedD01",
    }


def test_a_measure_without_a_column_is_empty_for_a_reason_not_silently(tmp_path):
    died = '  died: {column: EXIT, "true": ["5"], "false": ["1"]}\n'
    assert died in MAP
    without = take(tmp_path, {"a.csv": text(line(), line()).encode()}, yaml=MAP.replace(died, ""))
    found = balanced(without.intake.files, without.accounts, counts(without.store))
    mortality = found[found["measure"] == "mortality"]
    assert mortality[["fate", "rule", "n"]].to_numpy().tolist() == [["excluded", "—", 2]]


@pytest.mark.parametrize(
    "harm", ["a record lost", "a record twice", "a flag cleared", "a flag set", "another hospital"]
)
def test_a_store_that_differs_stops_the_run_with_exit_code_6(taken, harm):
    store = taken.store.sort_values(["file", "line"], ignore_index=True)
    if harm == "a record lost":
        store = store.iloc[1:]
    elif harm == "a record twice":
        store = pd.concat([store, store.iloc[:1]])
    elif harm == "a flag cleared":
        store.loc[0, "los_usable"] = False
    elif harm == "a flag set":
        store["cost_usable"] = True
    else:
        store.loc[0, "hospital"] = "0099"
    balanced(taken.intake.files, taken.accounts, counts(taken.store))
    with pytest.raises(UnbalancedError, match="X01") as raised:
        balanced(taken.intake.files, taken.accounts, counts(store))
    assert raised.value.exit_code == 6


def test_a_file_whose_lines_are_not_all_judged_stops_the_run(taken):
    files = taken.intake.files.assign(received=lambda f: f["received"] + (f["file"] == 1))
    with pytest.raises(UnbalancedError, match=r"b\.csv"):
        balanced(files, taken.accounts, counts(taken.store))
