"""What every method of change owes to what follows it; other packages give methods too."""

from __future__ import annotations

from collections.abc import Collection

from toolkit.errors import ContractBroken
from toolkit.models.change.base import COLUMNS, KEYS, Findings
from toolkit.models.change.method import Method

LEVELS = {"unit", "region"}


def checked(found: Findings, method: Method, companions: Collection[str]) -> Findings:
    """`found`, where it keeps the contract of `Findings` (docs/adding-a-method.md).

    Parameters
    ----------
    companions
        Names that its further tables may have.

    Raises
    ------
    ContractBroken
        Names the method and what it broke.
    """
    changes = found.changes
    missing = [name for name in (*KEYS, *COLUMNS) if name not in changes]
    if missing:
        raise _broken(method, f"缺少列 {'、'.join(missing)}", f"columns are missing: {', '.join(missing)}")
    if unknown := sorted(set(found.tables) - set(companions)):
        raise _broken(method, f"有未声明的表 {'、'.join(unknown)}", f"undeclared tables: {', '.join(unknown)}")
    if others := sorted(set(changes["method"]) - {method.id}):
        raise _broken(method, f"用了别的方法编号 {'、'.join(others)}", f"rows carry another id: {', '.join(others)}")
    if not set(changes["level"]) <= LEVELS:
        raise _broken(method, "level 只能是 unit 或 region", "level must be unit or region")
    if changes.duplicated(list(KEYS)).any():
        raise _broken(method, "同一单元与指标有两行", "two rows for one unit and indicator")
    if ((changes["low"] > changes["estimate"]) | (changes["estimate"] > changes["high"])).any():
        raise _broken(method, "区间不含估计值", "limits that do not hold the estimate")
    return found


def _broken(method: Method, chinese: str, english: str) -> ContractBroken:
    return ContractBroken(
        f"变化方法 {method.id} 的结果不合约定：{chinese}",
        f"the method of change breaks its contract: {english}",
        where=f"change.methods: {method.id}",
        remedy="按 docs/adding-a-method.md 修正该方法，或从 change.methods 中去掉",
        remedy_english="mend the method, or leave it out",
    )
