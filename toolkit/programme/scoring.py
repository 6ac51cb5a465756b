"""A system on a table of values: points of items, scores of groups, a summary, peers, classes and ranks.

What is missing is missing, never 0; what was left out, normalised or shared is said in `notes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.errors import InputError, nearest
from toolkit.programme.aggregation import combined
from toolkit.programme.classes import classed
from toolkit.programme.item_scores import scored, standardised
from toolkit.programme.systems import Applies, Group, Item, Rating, ScoreRule, System, nodes
from toolkit.programme.weighting import weights_of

ITEM = ("unit", "item", "value", "points", "flag")


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreCard:
    """The scores of one system.

    Attributes
    ----------
    items
        One row a unit and item that applies to it: `unit, item, value, points`, parts of the points where the rule has
        several (`achievement, improvement`), `flag`.
    groups
        One row a unit and group: `unit, group, score, items` (items with points), `weight` carried in the group above.
    units
        One row a unit: `unit, score, peers, rated, class, rank, of, flags`; `rank` among the rated of its peers, 1 = best.
    notes
        What was left out and why, in Chinese.
    """

    system: System
    items: pd.DataFrame
    groups: pd.DataFrame
    units: pd.DataFrame
    notes: list[str]

    def wide(self) -> pd.DataFrame:
        """One row a unit: `score`, `class`, `rank` …, then `<group>`, `<item>` and `<item>.<part>` columns."""
        order = self.units["unit"].to_numpy()

        def of(rows: pd.DataFrame, column: str) -> np.ndarray:
            return rows.set_index("unit")[column].reindex(order).to_numpy()

        columns = {name: self.units[name].to_numpy() for name in self.units if name != "unit"}
        by_group = dict(list(self.groups.groupby("group", sort=False)))
        columns |= {g.id: of(by_group[g.id], "score") for g in nodes(self.system.groups) if isinstance(g, Group)}
        for id_, rows in self.items.groupby("item", sort=False):
            columns[str(id_)] = of(rows, "points")
            parts = [c for c in rows if c not in ITEM and rows[c].notna().any()]
            columns |= {f"{id_}.{part}": of(rows, part) for part in parts}
        return pd.DataFrame({self.system.unit: order, **columns})


def score(system: System, values: pd.DataFrame) -> ScoreCard:
    """Score a table of values.

    Parameters
    ----------
    values
        A row a unit, text or numbers; columns that the system names, and any others.

    Raises
    ------
    InputError
        A column is absent, a unit stands twice, a value is no number or off its scale; all faults at once.
    """
    return _Scoring(system, values).done()


class _Scoring:
    def __init__(self, system: System, values: pd.DataFrame) -> None:
        self.system, self.notes = system, list[str]()
        self.text = _text(values, system)
        self.units = self.text[system.unit].to_numpy(str)
        self.size = len(self.units)
        self.item_rows: list[pd.DataFrame] = []
        self.group_rows: dict[str, pd.DataFrame] = {}
        self.enough = np.zeros(self.size, dtype=int)  # groups with enough items
        self.enough_of = np.zeros(self.size, dtype=bool)
        self.flags = np.zeros(self.size, dtype=int)

    def done(self) -> ScoreCard:
        summary, _items = self._group(self.system.whole, above=False)
        eligible = self.system.eligible
        rated = (self.enough >= eligible.minimum_groups) & ~np.isnan(summary)
        if eligible.of:
            rated &= self.enough_of
        peers = self._peers()
        found = np.full(self.size, np.nan)
        rank, of = np.full(self.size, np.nan), np.zeros(self.size, dtype=int)
        for one in np.unique(peers):
            own = rated & (peers == one)
            if self.system.classes is not None:
                found[own] = classed(self.system.classes, summary[own])
            of[own] = own.sum()
            # 1 = best; equal scores share the best of their ranks
            rank[own] = own.sum() + 1 - _last_of(summary[own])
        units = pd.DataFrame(
            {
                "unit": self.units,
                "score": summary,
                "peers": peers,
                "rated": rated,
                "class": self._named(found),
                "rank": pd.array(rank, dtype="Int64"),
                "of": pd.array(np.where(of > 0, of, np.nan), dtype="Int64"),
                "flags": self.flags,
            }
        )
        return ScoreCard(
            system=self.system,
            items=pd.concat(self.item_rows, ignore_index=True) if self.item_rows else pd.DataFrame(columns=ITEM),
            groups=pd.concat(
                [self.group_rows[n.id] for n in nodes(self.system.groups) if isinstance(n, Group)], ignore_index=True
            ),
            units=units,
            notes=self.notes,
        )

    def _named(self, found: np.ndarray) -> object:
        names = self.system.classes.names if self.system.classes is not None else []
        if not names:
            return pd.array(found, dtype="Int64")
        return [names[int(k) - 1] if not np.isnan(k) and int(k) <= len(names) else "" for k in found]

    def _peers(self) -> np.ndarray:
        peers = self.system.peers
        if peers is None:
            return np.full(self.size, "", dtype=object)
        if peers.by == "column":
            return self.text[peers.column].to_numpy(object)
        return self.enough.astype(str).astype(object)

    def _group(self, group: Group, *, above: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Scores of a group, and how many items with points each unit has in it."""
        columns, counts, kept = [], np.zeros(self.size, dtype=int), []
        applies = np.ones((self.size, len(group.members)), dtype=bool)
        for k, member in enumerate(group.members):
            applies[:, k] = self._applies(member.applies)
            if isinstance(member, Item):
                points = self._item(member, applies[:, k])
                counts += ~np.isnan(points)
            else:
                points, items = self._group(member)
                points = np.where(applies[:, k], points, np.nan)
                counts += items
            columns.append(points)
            kept.append(not np.isnan(points).all())
        scores = np.column_stack(columns)
        weights = weights_of(group, scores) * applies
        total = sum(m.weight for m in group.members if m.weight is not None)
        if total and abs(total - 1) > 1e-12 and abs(total - 100) > 1e-9:
            self.notes.append(f"{group.title or group.id} 的权重合计 {total:g}，已按比例换算为 1")
        own, carried = combined(group.combine, scores, weights, share=group.missing == "share")
        if above:
            own = np.where(counts >= group.minimum_items, own, np.nan)
            own = standardised(own) if group.standardise else own
            enough = counts >= self.system.eligible.minimum_items
            if group in self.system.groups:
                self.enough += enough
                self.enough_of |= enough & (group.id in self.system.eligible.of)
            self.group_rows[group.id] = pd.DataFrame(
                {"unit": self.units, "group": group.id, "score": own, "items": counts}
            )
        for k, member in enumerate(group.members):
            if isinstance(member, Group):
                self.group_rows[member.id] = self.group_rows[member.id].assign(weight=carried[:, k])
        return own, counts

    def _applies(self, rule: Applies | None) -> np.ndarray:
        if rule is None:
            return np.ones(self.size, dtype=bool)
        return self.text[rule.column].isin(rule.values).to_numpy()

    def _item(self, item: Item, applies: np.ndarray) -> np.ndarray:
        rule = item.score or self.system.score
        assert rule is not None  # noqa: S101  the system was checked
        if item.of not in self.text:  # optional, or the table would have been refused
            self.notes.append(f"数值表没有列 {item.of}，{item.title or item.id} 不计")
            return np.full(self.size, np.nan)
        values = np.where(applies, self._numbers(item.of), np.nan)
        if isinstance(rule, Rating):
            self._on_the_scale(item, rule, values)
        known = int((~np.isnan(values)).sum())
        if known < self.system.minimum_units:
            self.notes.append(
                f"{item.title or item.id} 只有 {known} 个单位有值，少于 {self.system.minimum_units}，不计"
            )
            values = np.full(self.size, np.nan)
        made = scored(rule, values, item.direction, self._column)
        flagged = made.flagged if made.flagged is not None else np.zeros(self.size, dtype=bool)
        self.flags += flagged
        rows = pd.DataFrame(
            {"unit": self.units, "item": item.id, "value": values, "points": made.points, **made.parts, "flag": flagged}
        )
        self.item_rows.append(rows[applies])
        return made.points

    def _on_the_scale(self, item: Item, rule: Rating, values: np.ndarray) -> None:
        off = (values < rule.lowest) | (values > rule.highest)
        if off.any():
            raise InputError(
                f"{item.title or item.id} 有 {int(off.sum())} 个分值不在 {rule.lowest:g} 至 {rule.highest:g} 之间",
                "a rating off its scale",
                where=f"{item.of}: {self.system.unit} {'、'.join(self.units[off][:5])}",
                remedy="核对评分表",
                remedy_english="check the score sheet",
            )

    def _column(self, what: float | str) -> np.ndarray:
        return self._numbers(what) if isinstance(what, str) else np.full(self.size, float(what))

    def _numbers(self, column: str) -> np.ndarray:
        return pd.to_numeric(self.text[column].where(~self.text[column].isin(self.system.missing))).to_numpy(float)


def _last_of(scores: np.ndarray) -> np.ndarray:
    """The last of the ranks, 1 for the least, that equal scores share."""
    ordered = np.sort(scores)
    return np.searchsorted(ordered, scores, side="right").astype(float)


def _text(values: pd.DataFrame, system: System) -> pd.DataFrame:
    """The table as text without blanks around it; every fault of it at once."""
    present = [item for item in system.items if not (item.optional and item.of not in values)]
    numbers = [column for item in present for column in (item.of, *_named(item.score or system.score))]
    wanted = [system.unit, *numbers]
    wanted += [node.applies.column for node in nodes(system.groups) if node.applies]
    wanted += [system.peers.column] if system.peers and system.peers.column else []
    _all_there(sorted(set(wanted) - set(values.columns)), values, system)
    if not present:
        _all_there([item.of for item in system.items], values, system)
    text = values.astype("str").apply(lambda c: c.str.strip()) if len(values) else values.astype("str")
    text = text.where(values.notna(), "")
    faults = []
    repeated = text.loc[text[system.unit].duplicated(), system.unit].unique()
    if len(repeated):
        faults.append(f"{system.unit} 重复 {len(repeated)} 个: {'、'.join(repeated[:5])}")
    if blank := int((text[system.unit] == "").sum()):
        faults.append(f"{system.unit} 有 {blank} 行为空")
    for column in dict.fromkeys(numbers):
        known = ~text[column].isin(system.missing)
        wrong = known & (
            pd.to_numeric(text[column].where(known), errors="coerce").isna() | text[column].isin(["inf", "-inf"])
        )
        if wrong.any():
            lines = "、".join(str(i + 2) for i in np.flatnonzero(wrong)[:5])
            faults.append(f"列 {column} 有 {int(wrong.sum())} 个值不是数（第 {lines} 行）")
    if faults:
        raise InputError(
            "；".join(faults),
            "values that cannot be scored",
            where=f"system {system.id}",
            remedy=f"改正后重试；表示没有值的写法: {'、'.join(w or '（空）' for w in system.missing)}",
            remedy_english="mend them; words for no value are listed",
        )
    return text.reset_index(drop=True)


def _named(rule: ScoreRule | None) -> list[str]:
    """Columns that a rule reads beside the value."""
    given = {} if rule is None else rule.model_dump()
    return [
        v
        for k, v in given.items()
        if k in ("target", "zero", "at", "threshold", "benchmark", "baseline") and isinstance(v, str)
    ]


def _all_there(lacking: list[str], values: pd.DataFrame, system: System) -> None:
    if not lacking:
        return
    near = [(c, nearest(c, map(str, values.columns))) for c in lacking]
    raise InputError(
        f"数值表缺少列 {'、'.join(lacking)}",
        "the table of values lacks columns",
        where=f"system {system.id}",
        remedy="；".join(f"{c} 是否为 {n}?" for c, n in near if n) or "补上这些列，或改体系文件中的 column",
        remedy_english="add the columns, or mend `column` in the system",
    )


def read_values(path: Path) -> pd.DataFrame:
    """A table of values from csv or xlsx, everything as text."""
    try:
        if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
            return pd.read_excel(path, dtype=str, engine="calamine", keep_default_na=False)
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except UnicodeDecodeError:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="gb18030")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"数值表读不出来: {type(error).__name__}",
            "the table of values cannot be read",
            where=str(path),
            remedy="给出 csv（UTF-8 或 GB18030）或 xlsx，一行一个单位，一列一项",
            remedy_english="csv or xlsx, a row a unit, a column an item",
        ) from None


def write_scores(card: ScoreCard, path: Path) -> None:
    """The wide table as csv (UTF-8 with its mark, so that spreadsheets read it), whole or not at all."""
    text = card.wide().to_csv(index=False, float_format="%.12g").encode("utf-8-sig")
    try:
        staged = path.with_name(f".{path.name}.writing")
        staged.write_bytes(text)
        staged.replace(path)
    except OSError as error:
        raise InputError(
            f"写不进结果: {error.strerror or type(error).__name__}",
            "the scores cannot be written",
            where=str(path),
            remedy="检查文件夹是否存在、可写、未满，文件是否被其他程序打开",
            remedy_english="check the folder and that no other program holds the file",
        ) from None
