"""Pictures of a cycle: ranks with their limits, what moves a selection, how experts score, wrong decisions, how sure each is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from toolkit.frames import rows_of
from toolkit.programme.decision import Outcome
from toolkit.reporting.content.blocks import Figure, Note
from toolkit.reporting.content.tables import missing
from toolkit.reporting.figures.drawing import figure, nothing, require_columns
from toolkit.reporting.figures.labels import fold, folded
from toolkit.reporting.figures.marks import Axis, Mark, Picture, Rule, Sign, spanning
from toolkit.reporting.figures.palette import INK, PEER, SOFT, UNIT, WORSE
from toolkit.reporting.figures.rows import Beside, Rows

CHOSEN, OTHER = Sign(marker="D", colour=UNIT, size=5), Sign(marker="o", colour=SOFT, size=4.5, filled=False)
ALONE, TOTAL = Sign(marker="o", colour=SOFT, size=5, filled=False), Sign(marker="D", colour=UNIT, size=5.5)
APART = Sign(marker="v", colour=WORSE, size=6)
OUTCOMES = {
    Outcome.QUALIFIED: Sign(marker="^", colour=UNIT, size=6),
    Outcome.MEND: Sign(marker="v", colour=WORSE, size=6),
    Outcome.BOUNDARY: Sign(marker="o", colour=SOFT, size=6, filled=False),
    Outcome.NOT_JUDGED: Sign(marker="|", colour=PEER, size=6),
}
SHOWN = 14  # applicants of one track: the chosen, and those who follow
ROW, FOLDED_ROW, FRAME = 0.27, 0.38, 0.85  # inches: of a row, of one whose name takes two lines, of all around the rows
HALF = 0.5


def ranks(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Ranks of the foremost of one track with their limits, who is chosen, and how likely.

    Parameters
    ----------
    frame
        One row an applicant in the order of its place: `name, chosen, median_rank, rank_low, rank_high, chance`.
    """
    require_columns(frame, ["name", "chosen", "median_rank", "rank_low", "rank_high", "chance"], id)
    known = frame[frame["median_rank"].notna()]
    if known.empty:
        return nothing(caption)
    last = int(np.flatnonzero(known["chosen"].to_numpy(bool)).max(initial=-1)) + 1  # of those chosen
    first = known.head(max(SHOWN, last + 2)).reset_index(drop=True)
    drawn = Rows(
        frame=first.assign(
            label=[fold(name) for name in first["name"]],
            sign=np.array([CHOSEN if c else OTHER for c in first["chosen"]], dtype=object),
            ink=np.where(first["chosen"].astype(bool), UNIT, INK),
            shown=[_share(c) for c in first["chance"]],
        ),
        value="median_rank",
        low="rank_low",
        high="rank_high",
        axis=Axis(
            low=0.5,
            high=float(first["rank_high"].max()) + 0.5,
            label="名次中位数（横线为 95% 范围）",
            whole=True,
            grid=True,
            most=8,
        ),
        side=[Beside(text="shown", points=46, head="入选概率", colour="ink")],
        legend={CHOSEN: "入选", OTHER: "未入选"},
    )
    said = [f"{r.name} {r.rank_low:.0f}–{r.rank_high:.0f}（{r.shown}）" for r in rows_of(drawn.frame)]
    picture = Picture(panels=[drawn.panel()], height=_height(drawn.frame), legend=True)
    return figure(picture, id=id, caption=caption, alt="名次的 95% 范围与入选概率：" + "；".join(said), note=note)


def influence(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """How much each input moves the result: alone (open circle) and with all in which it takes part (diamond).

    Parameters
    ----------
    frame
        One row an input: `input_zh, first, first_low, first_high, total, total_low, total_high` (shares); an input that was
        not given has missing values and keeps its row.
    """
    require_columns(frame, ["input_zh", "first", "total"], id)
    if frame["total"].isna().all():
        return nothing(caption)
    rows = []
    for one in rows_of(frame.sort_values("total", ascending=False, na_position="last")):
        absent = missing(one.total)
        rows += [
            (
                one.input_zh,
                TOTAL,
                one.total,
                one.total_low,
                one.total_high,
                "没有给出" if absent else _share(one.total),
            ),
            ("", ALONE, one.first, one.first_low, one.first_high, "" if absent else _share(one.first)),
        ]
    made = pd.DataFrame(rows, columns=["label", "sign", "value", "low", "high", "shown"])
    drawn = Rows(
        frame=made,
        axis=_shares("占结果变动的份额（横线为 95% 区间）"),
        side=[Beside(text="shown", points=46, head="份额")],
        legend={TOTAL: "连同与其他输入的共同作用", ALONE: "单独"},
    )
    alt = "；".join(f"{r.input_zh} 单独 {_share(r.first)}，共同 {_share(r.total)}" for r in rows_of(frame))
    picture = Picture(panels=[drawn.panel()], height=_height(made), legend=True)
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def agreement(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """ICC of every item with its limits against 0.5.

    Parameters
    ----------
    frame
        One row an item: `title, icc, low, high`.
    """
    require_columns(frame, ["title", "icc", "low", "high"], id)
    given = frame[frame["icc"].notna()].sort_values(["icc", "title"], ascending=[False, True])
    if given.empty:
        return nothing(caption)
    low = min(0.0, float(given["low"].min(skipna=True)))
    return _one_panel(
        given.assign(
            name=given["title"],
            value=given["icc"],
            sign=np.array([APART if v < HALF else TOTAL for v in given["icc"]], dtype=object),
        ),
        Axis(low=low - 0.03, high=1.03, label="一致性 ICC（横线为 95% 区间）", grid=True),
        under=[Rule(along="x", at=HALF)],
        write=lambda v: f"{v:.2f}",
        head="ICC",
        id=id,
        caption=caption,
        note=note,
    )


def experts(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """How far above the others every expert scores; who stands apart has a sign of its own.

    Parameters
    ----------
    frame
        One row an expert: `expert, above` (points), `outlying` (bool).
    """
    require_columns(frame, ["expert", "above", "outlying"], id)
    given = frame[frame["above"].notna()].sort_values(["above", "expert"], ascending=[False, True])
    if given.empty:
        return nothing(caption)
    low, high = spanning(given["above"], [0.0])
    apart = given["outlying"].astype(bool)
    return _one_panel(
        given.assign(
            name=given["expert"],
            value=given["above"],
            low=np.nan,
            high=np.nan,
            sign=np.array([APART if a else TOTAL for a in apart], dtype=object),
        ),
        Axis(low=low, high=high, label="与同一项目其他专家均分之差，分", grid=True),
        under=[Rule(along="x", at=0)],
        write=lambda v: f"{v:+.1f}",
        head="差",
        id=id,
        caption=caption,
        note=note,
    )


def wrong_decisions(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """Share of wrong decisions of a rule by planted change and size of specialty, with exact limits.

    Parameters
    ----------
    frame
        One row a planted change and size: `planted_zh, size, wrong_zh, wrong, low, high` (shares), `units`.
    """
    require_columns(frame, ["planted_zh", "size", "wrong_zh", "wrong", "low", "high", "units"], id)
    if frame.empty or frame["wrong"].isna().all():
        return nothing(caption)
    signs = {"误判合格": Sign(marker="^", colour=WORSE, size=6), "误判整改": Sign(marker="v", colour=UNIT, size=6)}
    made = frame.assign(
        label=[f"{r.planted_zh} · {r.size}" for r in rows_of(frame)],
        sign=np.array([signs[w] for w in frame["wrong_zh"]], dtype=object),
        value=frame["wrong"],
        shown=[f"{_share(v)}，{n} 个" for v, n in zip(frame["wrong"], frame["units"], strict=True)],
    ).reset_index(drop=True)
    drawn = Rows(
        frame=made,
        axis=_shares("误判率（横线为 95% 精确区间）"),
        side=[Beside(text="shown", points=64, head="误判率，单元")],
        legend={sign: word for word, sign in signs.items() if word in set(made["wrong_zh"])},
    )
    alt = "；".join(f"{r.label} {r.wrong_zh} {_share(r.wrong)}" for r in rows_of(made))
    picture = Picture(panels=[drawn.panel()], height=_height(made), legend=True)
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def certainty(frame: pd.DataFrame, *, id: str, caption: str, note: str = "") -> Figure | Note:
    """How likely every project truly meets the rule, with the sign of what the data decide.

    Parameters
    ----------
    frame
        One row a project: `name, outcome, p_qualified, flips, final_zh`.
    """
    require_columns(frame, ["name", "outcome", "p_qualified", "flips", "final_zh"], id)
    given = frame[frame["p_qualified"].notna()].sort_values(["p_qualified", "name"], ascending=[False, True])
    if given.empty:
        return nothing(caption)
    outcomes = [Outcome(o) for o in given["outcome"]]
    made = given.assign(
        label=[fold(name) for name in given["name"]],
        sign=np.array([OUTCOMES[o] for o in outcomes], dtype=object),
        value=given["p_qualified"],
        low=np.nan,
        high=np.nan,
        again=[_share(v) for v in given["flips"]],
    )
    drawn = Rows(
        frame=made,
        axis=_shares("真正达到规则的概率"),
        under=[Rule(along="x", at=HALF, colour=PEER)],
        side=[Beside(text="again", points=34, head="翻转"), Beside(text="final_zh", points=84, head="最后结论")],
        legend={OUTCOMES[o]: f"数据结论：{o.zh}" for o in dict.fromkeys(outcomes)},
    )
    alt = "；".join(f"{r.name} {Outcome(r.outcome).zh} {_share(r.p_qualified)}" for r in rows_of(given))
    picture = Picture(panels=[drawn.panel()], height=_height(made), legend=True)
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _one_panel(
    frame: pd.DataFrame,
    axis: Axis,
    *,
    under: Sequence[Mark],
    write: Callable[[float], str],
    head: str,
    id: str,
    caption: str,
    note: str,
) -> Figure:
    """Rows named by `name` with `value, low, high, sign`, and the value in figures beside them."""
    made = frame.assign(label=[fold(n) for n in frame["name"]], shown=[write(v) for v in frame["value"]])
    drawn = Rows(
        frame=made.reset_index(drop=True), axis=axis, under=under, side=[Beside(text="shown", points=38, head=head)]
    )
    alt = f"{axis.label}：" + "；".join(f"{r.name} {r.shown}" for r in rows_of(made))
    picture = Picture(panels=[drawn.panel()], height=_height(made))
    return figure(picture, id=id, caption=caption, alt=alt, note=note)


def _height(rows: pd.DataFrame) -> float:
    """Inches of a picture of these rows, by their `label`."""
    return (FOLDED_ROW if folded(rows["label"]) else ROW) * len(rows) + FRAME


def _shares(label: str) -> Axis:
    return Axis(low=-0.03, high=1.03, ticks=[0, 0.25, 0.5, 0.75, 1], write=lambda v: f"{v:.0%}", label=label, grid=True)


def _share(value: float) -> str:
    return "—" if missing(value) else f"{value:.0%}"
