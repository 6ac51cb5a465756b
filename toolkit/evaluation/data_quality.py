"""What the accounts of a run say about the data of each hospital: small tables for the data-quality report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.data.accounts.balance import ALL
from toolkit.data.accounts.profile import DIAGNOSES
from toolkit.data.quality.base import Fate, Level, RuleFacts
from toolkit.data.quality.marks import ids_in
from toolkit.declared import Word
from toolkit.evaluation.results import Results
from toolkit.frames import row_at

# columns of tables turned by fate, and what their rows are compared with
ACCEPTED, EXCLUDED, QUARANTINED = Fate.ACCEPTED.value, Fate.EXCLUDED.value, Fate.QUARANTINED.value
INSUFFICIENT = "数据不足，不予评价"
DROPPED = "F09"  # of a file that is read, its columns that identify are dropped
TOO_POOR = "X04"  # the rule that decides it
# the first letter of a rule's id is its group; rules of the toolkit's own stand with what they are about
GROUPS: dict[str, str] = {
    "F": "文件",
    "K": "标识",
    "D": "时间",
    "P": "患者、诊断、手术",
    "O": "转归",
    "C": "费用",
    "G": "分组与专科归属",
    "X": "整体",
}
_OWN = {"S": "G", "Z": "D"}
MEDIAN_MONTHS = 3  # fewer months with discharges have no median worth the name


class Check(Word):
    """What became of the check of a rule. One that fails stops the run: of a finished run none did, and the grid says so."""

    ERROR = "error", "错误"
    NOT_APPLICABLE = "not_applicable", "不适用"
    FAILED = "failed", "未通过"
    PASSED = "passed", "通过"


class Counted(Word):
    """What the hits of a rule are counted in."""

    RECORDS = "records", "例"
    FILES = "files", "个文件"
    HOSPITAL_YEARS = "hospital_years", "机构年"


COUNTED = {Level.FILE: Counted.FILES, Level.HOSPITAL: Counted.HOSPITAL_YEARS}  # records of the others


def rules_of(results: Results) -> dict[str, RuleFacts]:
    """The rules as they were in the run, whatever the code says today."""
    return {rule.id: rule for rule in results.facts.rules}


def group_of(rule: str) -> str:
    """Chinese name of a rule's group."""
    letter = "X" if rule == "SCOPE" else _OWN.get(rule[0], rule[0])
    return GROUPS.get(letter, GROUPS["X"])


def measure_balance(results: Results, measure: str) -> pd.DataFrame:
    """`hospital, fate, rule, n` of a measure ("all" or a scope); its rows add up to what was received.

    From the run's balance; where an edition does not give it, from the marks in the accounts.
    """
    columns = ["hospital", "fate", "rule", "n"]
    if measure != ALL and len(results.balance):
        return results.balance.loc[results.balance["measure"] == measure, columns]
    accounts = results.accounts[results.accounts["n"] > 0]
    if measure == ALL:
        return accounts[columns]
    rules = [
        r for i, r in rules_of(results).items() if measure in r.scopes and r.fate in (Fate.QUARANTINED, Fate.EXCLUDED)
    ]
    known = [r for r in rules if r.id not in results.facts.not_applicable]
    if rules and not known:
        return accounts.iloc[:0][columns]  # what would decide it cannot be checked
    left = accounts[accounts["fate"] == ACCEPTED]
    parts = [accounts.loc[accounts["fate"] != ACCEPTED, columns]]
    for rule in sorted(known, key=lambda r: r.fate != Fate.QUARANTINED):
        hit = left["rules"].str.contains(f"|{rule.id}|", regex=False)
        parts.append(left[hit].assign(fate=rule.fate.value if rule.fate else "", rule=rule.id)[columns])
        left = left[~hit]
    return pd.concat([*parts, left[columns].assign(rule="")], ignore_index=True)


def given(results: Results) -> bool:
    """Whether this edition has what hospitals are compared by; the release edition has not."""
    return bool(len(results.balance))


def hits(accounts: pd.DataFrame) -> pd.DataFrame:
    """`hospital, year, rule, n`: records that each rule hit, primary reason or not."""
    named = accounts[accounts["rules"] != ""]
    if named.empty:
        return pd.DataFrame(columns=["hospital", "year", "rule", "n"])
    long = named.assign(rule=named["rules"].map(ids_in)).explode("rule")
    return long.groupby(["hospital", "year", "rule"], as_index=False)[["n"]].sum()


def rule_status(results: Results, hospital: str = "") -> pd.DataFrame:
    """Every rule of the catalogue with what became of its check.

    Returns
    -------
    pd.DataFrame
        `rule, name, group, fate`, `status` (`Check`), `n` hit and their `unit` (`Counted`), `why` it could not be checked.
        What a declared rule excludes as a whole is nobody's fault to mend: of it only such rules are counted.
    """
    accounts = _of(results.accounts, hospital)
    of_all = hits(accounts).groupby("rule")["n"].sum()
    of_judged = hits(accounts[accounts["fate"] != EXCLUDED]).groupby("rule")["n"].sum()
    of_hospitals = _of(results.hospital_warnings, hospital).groupby("rule").size()
    of_files = results.files["rejected_by"].value_counts() if not hospital else pd.Series(dtype="int64")
    dropped = int((results.files["dropped"] != "").sum()) if not hospital else 0
    missing = results.facts.not_applicable
    rows = []
    for id_, rule in rules_of(results).items():
        of_records = of_all if rule.fate == Fate.EXCLUDED and not rule.scopes else of_judged
        n = int(of_records.get(id_, 0)) + int(of_hospitals.get(id_, 0))
        n += int(of_files.get(id_, 0)) + dropped * (id_ == DROPPED)
        status = Check.NOT_APPLICABLE if id_ in missing else Check.FAILED if n else Check.PASSED
        why = missing.get(id_, "")
        unit = COUNTED.get(rule.level, Counted.RECORDS)
        rows.append(
            {
                "rule": id_,
                "name": rule.name,
                "group": group_of(id_),
                "fate": rule.fate,
                "status": status.value,
                "n": n,
                "unit": unit.value,
                "why": why,
            }
        )
    return pd.DataFrame(rows)


def _of(table: pd.DataFrame, hospital: str) -> pd.DataFrame:
    return table[table["hospital"] == hospital] if hospital else table


def standing(results: Results) -> pd.DataFrame:
    """One row per hospital: how much of what it sent is without objection, and whether that is enough.

    Returns
    -------
    pd.DataFrame
        `hospital, received, judged` (received less what a declared rule excludes), `sound` (judged records that no rule of
        quarantine or warning hit), `share` = sound / judged with its exact 95 % limits `low, high`, `quarantined` (share of
        judged), `reasons` (of rule X04, by year), `rank` (1 = best; missing where the data do not
        suffice, or are fewer than a value needs). Best first.
    """
    accounts = results.accounts[results.accounts["hospital"] != ""]
    fate = {i: rule.fate for i, rule in rules_of(results).items()}
    objected = accounts["rules"].map(
        lambda text: any(fate.get(i) in (Fate.QUARANTINED, Fate.WARNED) for i in ids_in(text))
    )
    judged = accounts["fate"] != EXCLUDED
    table = pd.DataFrame(
        {
            "received": accounts.groupby("hospital")["n"].sum(),
            "judged": accounts[judged].groupby("hospital")["n"].sum(),
            "sound": accounts[judged & ~objected].groupby("hospital")["n"].sum(),
            "apart": accounts[accounts["fate"] == QUARANTINED].groupby("hospital")["n"].sum(),
        }
    )
    table = table.fillna(0).astype("int64")
    x, n = table["sound"], table["judged"]
    table["share"] = x / n.where(n > 0)
    table["low"] = np.where(x > 0, scipy.stats.beta.ppf(0.025, x, n - x + 1), 0.0)
    table["high"] = np.where(x < n, scipy.stats.beta.ppf(0.975, x + 1, n - x), 1.0)
    table["quarantined"] = table["apart"] / n.where(n > 0)
    table["reasons"] = _reasons(results.hospital_warnings).reindex(table.index).fillna("")
    table.loc[(table["reasons"] == "") & (table["apart"] == n), "reasons"] = "没有可评价的病例"
    enough = (table["reasons"] == "") & (n >= results.params.minimum_value_cases)
    table["rank"] = table["share"].where(enough).rank(method="min", ascending=False)
    return (
        table.drop(columns="apart")
        .reset_index()
        .sort_values(["rank", "hospital"], na_position="last", ignore_index=True)
    )


def _reasons(warnings: pd.DataFrame) -> pd.Series:
    """Why each hospital cannot be evaluated (rule X04), years of one reason together."""
    poor = warnings[warnings["rule"] == TOO_POOR].sort_values(["hospital", "year"], kind="stable")
    years = (
        poor.assign(said=poor["message"], year=poor["year"].astype(str))
        .groupby(["hospital", "said"], sort=False)["year"]
        .agg("、".join)
    )
    words = years.reset_index()
    return (words["year"] + " 年" + words["said"]).groupby(words["hospital"]).agg("；".join)


def insufficient(warnings: pd.DataFrame) -> dict[str, str]:
    """Hospital -> why its units are not judged (rule X04), for every hospital whose data do not suffice.

    Limit and years, none of the hospital's own shares: the reason stands beside a verdict, in the release edition too.

    Parameters
    ----------
    warnings
        As in `Results.hospital_warnings`.
    """
    poor = warnings[warnings["rule"] == TOO_POOR]
    years = poor.groupby("hospital")["year"].agg(lambda of: "、".join(map(str, sorted(set(of)))))
    return {
        str(hospital): f"机构数据不足（规则{TOO_POOR}：{said} 年隔离占比或关键字段缺失率超过界限）"
        for hospital, said in years.items()
    }


def coding_depth(results: Results) -> pd.DataFrame:
    """Other diagnoses a record, by hospital and year, beside the other hospitals of the same level group.

    Returns
    -------
    pd.DataFrame
        `hospital, level_group, year, n, depth, peers` (Σ codes ÷ Σ records of the others of the group; missing where there are
        none). Empty where the source has no other diagnoses.
    """
    rows = results.profile[results.profile["field"] == DIAGNOSES]
    rows = rows[rows["year"].isin(results.params.all_years) & (rows["hospital"] != "")]
    groups = results.hospitals.set_index("code")["level_group"]
    table = rows.assign(level_group=rows["hospital"].map(groups).fillna(""))
    both = table.groupby(["level_group", "year"])[["n", "total"]].transform("sum")
    others = both - table[["n", "total"]]
    return table.assign(
        depth=table["total"] / table["n"].where(table["n"] > 0),
        peers=others["total"] / others["n"].where(others["n"] > 0),
    )[["hospital", "level_group", "year", "n", "depth", "peers"]].reset_index(drop=True)


def missing_shares(results: Results, hospital: str = "") -> pd.DataFrame:
    """`field, year, n, missing, share` of the key fields; records without a year, or of other years, stand in year 0."""
    rows = _of(results.profile[results.profile["field"] != DIAGNOSES], hospital)
    rows = rows.assign(year=rows["year"].where(rows["year"].isin(results.params.all_years), 0))
    table = rows.groupby(["field", "year"], sort=False, as_index=False)[["n", "missing"]].sum()
    return table.assign(share=table["missing"] / table["n"].where(table["n"] > 0))


def quarantine_effect(results: Results, hospital: str = "") -> pd.DataFrame:
    """Each kind of measure without and with the records in quarantine that have a value.

    Returns
    -------
    pd.DataFrame
        `measure, n, value, n_waiting` (in quarantine with a value), `value_with`; cost in fen, LOS in days, mortality and
        share grouped as shares.
    """
    sums = _of(results.quarantine_effect, hospital).groupby(["measure", "used"])[["n", "x"]].sum()
    rows = []
    for measure in ("cost", "los", "mortality", "case_mix"):
        n, x = row_at(sums, (measure, True)) if (measure, True) in sums.index else (0, 0)
        more_n, more_x = row_at(sums, (measure, False)) if (measure, False) in sums.index else (0, 0)
        rows.append(
            {
                "measure": measure,
                "n": int(n),
                "value": x / n if n else np.nan,
                "n_waiting": int(more_n),
                "value_with": (x + more_x) / (n + more_n) if n + more_n else np.nan,
            }
        )
    return pd.DataFrame(rows)


def month_grid(results: Results) -> pd.DataFrame:
    """Every hospital's months of the evaluated years against its own median month.

    Returns
    -------
    pd.DataFrame
        `hospital, month` (2022-03), `n` (missing where the hospital has no discharge), `ratio` to the median of the months that
        have any.
    """
    if results.monthly.empty:
        return pd.DataFrame(columns=["hospital", "month", "n", "ratio"])
    years = results.params.all_years
    months = [f"{year}-{month:02}" for year in years for month in range(1, 13)]
    found = results.monthly.assign(
        month=[f"{y}-{int(m):02}" for y, m in zip(results.monthly["year"], results.monthly["month"], strict=True)]
    ).set_index(["hospital", "month"])["n"]
    every = pd.MultiIndex.from_product([sorted(set(results.monthly["hospital"])), months], names=["hospital", "month"])
    table = found.reindex(every).rename("n").reset_index()
    given = table.groupby("hospital")["n"].transform("count")
    median = table.groupby("hospital")["n"].transform("median")
    return table.assign(ratio=table["n"] / median.where(given >= MEDIAN_MONTHS))


def since_last(results: Results) -> pd.DataFrame:
    """What each rule found in a hospital's files that stand now and in those they replaced.

    Returns
    -------
    pd.DataFrame
        `hospital, rule, before, now` (records), `n_before, n_now` (received), `arrived_before, arrived`. Only hospitals that
        have replaced a file; empty without a register.
    """
    columns = ["hospital", "rule", "before", "now", "n_before", "n_now", "arrived_before", "arrived"]
    parts, found = results.submissions, results.submitted_rules
    if parts.empty or not (parts["replaced_by"] != "").any():
        return pd.DataFrame(columns=columns)
    rows = []
    for hospital, mine in parts.groupby("hospital"):
        now = mine[mine["replaced_by"] == ""]
        before = mine[mine["replaced_by"].isin(now["sha256"])]
        now = now[now["sha256"].isin(before["replaced_by"])]
        if before.empty:
            continue
        of = found[found["hospital"] == hospital]
        counts = {
            label: of[of["sha256"].isin(part["sha256"])].groupby("rule")["n"].sum()
            for label, part in (("before", before), ("now", now))
        }
        for rule in sorted({*counts["before"].index, *counts["now"].index}):
            rows.append(
                {
                    "hospital": hospital,
                    "rule": rule,
                    "before": int(counts["before"].get(rule, 0)),
                    "now": int(counts["now"].get(rule, 0)),
                    "n_before": int(before["received"].sum()),
                    "n_now": int(now["received"].sum()),
                    "arrived_before": before["arrived"].max(),
                    "arrived": now["arrived"].max(),
                }
            )
    return pd.DataFrame(rows, columns=columns)
