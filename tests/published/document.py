"""Writes docs/published-results.md from the published tables: `python tests/published/document.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import cardiac
import facilities
import pandas as pd

from toolkit.evaluation.verdict import Position

TEMPLATE = Path(__file__).with_name("published-results.md.txt")
DOCUMENT = Path(__file__).parents[2] / "docs" / "published-results.md"
WINDOWS = {1: "single year", 3: "3-year window"}
NUMBERS = {
    "rate_inside": "observed rate",
    "adjusted_inside": "risk-adjusted rate",
    "low_inside": "lower limit",
    "high_inside": "upper limit",
}
METHODS = {"exact": "exact Poisson (`poisson_limits`, as the toolkit prints)", "byar": "Byar's approximation"}


def table(frame: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in frame.itertuples(index=False))])


def verdicts(found: dict[str, pd.DataFrame]) -> str:
    lines = []
    for method, rows in found.items():
        for years, part in rows.groupby("years"):
            same, decided = part["verdict"] == part["official"], part["decided"].notna()
            against = decided & (part["decided"] != part["official"])
            lines.append(
                {
                    "limits": METHODS[method],
                    "window": WINDOWS[int(str(years))],
                    "rows": f"{len(part):,}",
                    "higher": (part["official"] == Position.HIGHER).sum(),
                    "lower": (part["official"] == Position.LOWER).sum(),
                    "agree": f"{same.sum():,}",
                    "disagree": (~same).sum(),
                    "decided by the table": f"{decided.sum():,}",
                    "decided and otherwise": against.sum(),
                    "undecided": (~decided).sum(),
                }
            )
    return table(pd.DataFrame(lines))


def text(folder: Path) -> str:
    rows = cardiac.rows(folder)
    found = {method: cardiac.compared(rows, method) for method in cardiac.METHODS}
    exact, byar = found["exact"], found["byar"]
    numbers = pd.DataFrame(
        [
            {"limits": METHODS[m], **{name: f"{part[c].sum():,}" for c, name in NUMBERS.items()}}
            for m, part in found.items()
        ]
    )
    facts: dict[str, object] = {}
    others = exact[exact["verdict"] != exact["official"]].sort_values("observed")
    for i, row in enumerate(others.itertuples()):
        count = pd.Series([float(row.observed)])
        ends = [row.n * (row.expected_rate + end * cardiac.HALF) / 100 for end in (-1, 1)]
        facts |= {
            f"o{i}": row.observed,
            f"a{i}": ends[0],
            f"b{i}": ends[1],
            f"x{i}": cardiac.METHODS["exact"](count)[0][0],
            f"y{i}": cardiac.byar_limits(count)[0][0],
        }
    given = facilities.cells(folder)
    lines, values, furthest = [], 0, 0.0
    for first, last in facilities.CYCLES:
        toolkit, pandas = facilities.by_toolkit(given, first, last), facilities.by_pandas(given, first, last)
        for indicator in ("los_index", "mortality"):
            one = toolkit.xs(indicator, level="indicator")["value"].reindex(pandas.index)
            values += len(one) - 1
            furthest = max(
                furthest, ((one - pandas[indicator]).abs() / pandas[indicator].where(pandas[indicator] > 0)).max()
            )
        state = toolkit.loc[""]
        large = pandas[(pandas["died_n"] >= 100) & (pandas.index != "")]
        index = toolkit.xs("los_index", level="indicator")["value"].reindex(large.index)
        died = toolkit.xs("mortality", level="indicator")["value"].reindex(large.index)
        rate = state.loc["mortality"]
        lines.append(
            {
                "cycle": f"{first}–{last}",
                "discharges": f"{int(rate['y']):,}",
                "deaths": f"{int(rate['x']):,}",
                "mortality % (exact 95 %)": f"{rate['value']:.3f} ({rate['low']:.3f}–{rate['high']:.3f})",
                "mean LOS, days": f"{state.loc['mean_los', 'value']:.3f}",
                "facilities": len(large),
                "LOS index P10 / median / P90": " / ".join(f"{q:.3f}" for q in index.quantile([0.1, 0.5, 0.9])),
                "mortality % P10 / median / P90": " / ".join(f"{q:.2f}" for q in died.quantile([0.1, 0.5, 0.9])),
            }
        )
    return TEMPLATE.read_text("utf-8").format(
        rows=len(rows),
        single=(rows["years"] == 1).sum(),
        three=(rows["years"] == 3).sum(),
        verdicts=verdicts(found),
        numbers=table(numbers),
        capped=(~byar["high_inside"]).sum(),
        exact_low=exact["low_inside"].sum(),
        agree=(exact["verdict"] == exact["official"]).sum(),
        undecided=exact["decided"].isna().sum(),
        cells=len(given),
        discharges=given["n"].sum(),
        deaths=given["died"].sum(),
        unreadable=(given["n"] - given["los_n"]).sum(),
        difference=f"{10**-11:.0e}" if furthest < 1e-11 else f"{furthest:.1e}",
        values=values,
        cycles=table(pd.DataFrame(lines)),
        **facts,
    )


if __name__ == "__main__":
    DOCUMENT.write_text(text(Path(sys.argv[1])), "utf-8")
