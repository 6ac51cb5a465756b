"""The balance: 收到 = 纳入 + 排除 + 隔离 for every file, hospital and group of measures, against what the store holds.

The accounts say what the rules decided; the store says what the numbers are made of. They are counted apart here and must
agree, else the run stops (rule X01).
"""

from __future__ import annotations

import ibis
import pandas as pd
from ibis import _

from toolkit.data.accounts.fates import USABLE
from toolkit.data.intake import Intake
from toolkit.data.quality import CATALOGUE, SCOPES, Fate, Rule
from toolkit.data.quality.base import CASE_MIX, COST, LOS, MORTALITY, SPECIALTY, SURGERY
from toolkit.data.quality.marks import marked
from toolkit.data.store import discharges
from toolkit.engine.types import Engine, Table
from toolkit.errors import UnbalancedError
from toolkit.frames import rows_of

ALL = "all"  # the balance of the record itself, before any group of measures
NO_VALUE = "—"  # in place of a rule: the value is missing, and no rule could be checked that would have said so
COLUMNS = ["file", "hospital", "measure", "fate", "rule", "n"]
_VALUES = {
    COST: "cost_fen",
    LOS: "los_days",
    MORTALITY: "died",
    CASE_MIX: "drg",
    SURGERY: "surgical",
    SPECIALTY: "specialty",
}
COUNTED = {scope: title for scope, title in SCOPES.items() if scope in _VALUES or scope in USABLE}
_KEY = ["file", "hospital"]


def balance(intake: Intake, connection: Engine) -> pd.DataFrame:
    """Where every record of every file went, for all measures and for each group of them.

    Returns
    -------
    pd.DataFrame
        `file, hospital, measure, fate, rule, n`: `measure` is "all" or a scope of `toolkit.data.quality.SCOPES`; `fate` accepted,
        excluded or quarantined; `rule` the primary reason, "" where accepted, "—" where a value is missing and no rule was
        applicable. The rows of one file, hospital and measure add up to the records received. Records whose hospital is not
        known stand under "".

    Raises
    ------
    UnbalancedError
        Received, judged and stored records differ anywhere.
    """
    return balanced(intake.files, intake.accounts, in_store(discharges(connection, intake.store)))


def in_store(stored: Table) -> pd.DataFrame:
    """What the numbers are made of: `file, hospital, n`, usable discharges by scope, and `<scope>_missing` without a value."""
    columns = {"n": _.count()}
    for scope in COUNTED:
        value = _[_VALUES[scope]] if scope in _VALUES else None
        usable = _[USABLE[scope]] if scope in USABLE else _[_VALUES[scope]].notnull()
        columns[scope] = ibis.ifelse(usable, 1, 0).sum()
        missing = ibis.literal(False) if value is None else value.isnull()
        columns[f"{scope}_missing"] = ibis.ifelse(missing, 1, 0).sum()
    return stored.group_by(_KEY).aggregate(**columns).execute()


def balanced(files: pd.DataFrame, accounts: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """As `balance`, from the three tables."""
    received = accounts.groupby("file")["n"].sum()
    for row in rows_of(files):
        if row.received != received.get(row.file, 0):
            raise _unbalanced(row.name, "", "全部", int(row.received), int(received.get(row.file, 0)))
    accepted = accounts[accounts["fate"] == Fate.ACCEPTED.value]
    whole = (
        accounts[accounts["fate"] != Fate.ACCEPTED.value].groupby([*_KEY, "fate", "rule"], as_index=False)["n"].sum()
    )
    parts = [
        whole.assign(measure=ALL),
        accepted.groupby(_KEY, as_index=False)["n"].sum().assign(measure=ALL, fate=Fate.ACCEPTED.value, rule=""),
    ]
    names = dict(zip(files["file"], files["name"], strict=True))
    judged = accepted.groupby(_KEY)["n"].sum()
    counted = stored.set_index(_KEY)
    _same(judged, counted["n"], names, "全部")
    for scope, title in COUNTED.items():
        left, out = accepted, []
        for rule in _of(scope):  # the first rule that hits is the reason, so that the counts add up
            hit = left["rules"].str.contains(marked([rule.id]), regex=False)
            out.append(left[hit].groupby(_KEY, as_index=False)["n"].sum().assign(fate=rule.fate.value, rule=rule.id))
            left = left[~hit]
        remaining = left.groupby(_KEY)["n"].sum().reindex(judged.index, fill_value=0)
        usable = counted[scope].reindex(judged.index, fill_value=0).astype("int64")
        silent = remaining - usable  # no rule took them out, and still they are in no number: their value is missing
        explained = (silent >= 0) & (silent <= counted[f"{scope}_missing"].reindex(judged.index, fill_value=0))
        _same(remaining.where(~explained, usable), usable, names, title)
        out.append(silent[silent > 0].rename("n").reset_index().assign(fate=Fate.EXCLUDED.value, rule=NO_VALUE))
        out.append(usable[usable > 0].rename("n").reset_index().assign(fate=Fate.ACCEPTED.value, rule=""))
        parts += [part.assign(measure=scope) for part in (whole, *out)]
    table = pd.concat([part[COLUMNS] for part in parts if len(part)], ignore_index=True)
    order = {m: i for i, m in enumerate((ALL, *COUNTED))}
    table = table.astype({"file": "int32", "n": "int64"}).assign(_order=table["measure"].map(order))
    return table.sort_values([*_KEY, "_order", "fate", "rule"], ignore_index=True).drop(columns="_order")


def _of(scope: str) -> list[Rule]:
    """The rules of a scope in the order of the waterfall: quarantine before exclusion."""
    rules = [r for r in CATALOGUE.values() if scope in r.scopes and r.fate is not Fate.WARNED]
    return sorted(rules, key=lambda r: r.fate is not Fate.QUARANTINED)


def _same(judged: pd.Series, counted: pd.Series, names: dict[int, str], measure: str) -> None:
    both = pd.concat({"judged": judged, "counted": counted}, axis=1).fillna(0).astype("int64")
    if len(off := both[both["judged"] != both["counted"]]):
        (file, hospital), row = off.index[0], off.iloc[0]
        raise _unbalanced(names.get(file, str(file)), hospital, measure, int(row["judged"]), int(row["counted"]))


def _unbalanced(file: str, hospital: str, measure: str, expected: int, found: int) -> UnbalancedError:
    return UnbalancedError(
        f"{measure}: 应有 {expected} 例, 实有 {found} 例; 收到 ≠ 纳入 + 排除 + 隔离（规则X01）, 运行已停止, 未生成报告",
        "records do not add up; the run stopped",
        where=f"{file}{f' 机构 {hospital}' if hospital else ''}",
        remedy="重新运行; 若仍不平衡, 请连同参数文件报告此问题",
        remedy_english="run again; if it stays, report it with the parameter file",
    )
