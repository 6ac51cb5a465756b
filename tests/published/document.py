"""Writes docs/published-results.md from the published tables: `python tests/published/document.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

import cardiac
import facilities
import pandas as pd

from toolkit.evaluation.verdict import Position

DOCUMENT = Path(__file__).parents[2] / "docs" / "published-results.md"
WINDOWS = {1: "single year", 3: "3-year window"}
NUMBERS = {"rate_inside": "observed rate", "adjusted_inside": "risk-adjusted rate", "low_inside": "lower limit",
           "high_inside": "upper limit"}  # fmt: skip
METHODS = {"exact": "exact Poisson (`poisson_limits`, as the toolkit prints)", "byar": "Byar's approximation"}

TEXT = """\
# 公开结果的复现 Published results reproduced

Written by `python tests/published/document.py FOLDER`; a test compares. The tables stand beside the repository; no row of them is shown here.

## 1. New York: mortality after cardiac surgery and PCI, 2008–2019

{rows:,} hospital rows ({single:,} single years, {three:,} 3-year windows; CABG, valve surgery, TAVR, three kinds of PCI), each with cases, deaths,
expected rate to two decimals, risk-adjusted rate (O/E × statewide rate), 95 % limits and the official word. The toolkit's `poisson_limits` and
`evaluation.verdict.position` on the same counts give:

### Verdict
{verdicts}

*Decided by the table*: the printed expected rate e stands for any rate in e ± 0.005. A verdict is decided if both ends of that interval give
the same one; where they differ, nobody can tell from the table.

### Printed numbers
Rows whose printed number is one that some expected rate inside the rounding gives, of {rows:,}:

{numbers}

### What the two disagreements are
The official limits are not the exact ones: **Byar's approximation gives every printed lower limit, every upper limit but {capped} that were cut off
at 100 %, and every verdict**; the exact limits give {exact_low:,} of the lower ones. Byar's limits lie closer to zero for few deaths (4 deaths:
1.076 instead of 1.090; 6 deaths: 2.191 instead of 2.202; 0 deaths, upper: 3.668 instead of 3.689).

- A row with {o0} deaths, whose E lies between {a0:.4f} and {b0:.4f}: the exact lower limit is {x0:.4f}, above all of it: **higher, whatever the rounding**.
  Byar's is {y0:.4f}, at the lower end of it: by that limit nearly every expected rate inside the rounding gives the official "not different".
- A row with {o1} deaths, whose E lies between {a1:.4f} and {b1:.4f}: the exact lower limit {x1:.4f} lies inside: **undecided by the rounding**.

So of {rows:,} verdicts the exact limits give {agree:,} as published; of the other two one is a boundary case of the rounding and one a boundary case of
Byar's approximation. None is explained by neither. {undecided} rows in all are undecided by the rounding.

## 2. New York: all discharges 2009–2020, from sums

{cells:,} published cells (facility × medical/surgical × payer × sex × age × dead/alive × year, with n and mean LOS) = {discharges:,} discharges,
{deaths:,} deaths, fed as a cube (`cube.from_sums`) through the same references and indicators as records. In place of the DRG: medical or surgical ×
age × sex × payer, which is all the case mix the file has, so the index compares length of stay, not quality. {unreadable:,} discharges in cells whose mean is
printed as "120 +" have no LOS. No Σx² is published, so the index has no interval. Values agree with plain pandas to {difference} (relative) in all {values:,} facility
values.

{cycles}

LOS index of the state: 1 by construction (an invariant that is tested). Facilities: those with at least 100 discharges in the cycle.
"""


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
                {"limits": METHODS[method], "window": WINDOWS[int(str(years))], "rows": f"{len(part):,}",
                 "higher": (part["official"] == Position.HIGHER).sum(), "lower": (part["official"] == Position.LOWER).sum(),
                 "agree": f"{same.sum():,}", "disagree": (~same).sum(), "decided by the table": f"{decided.sum():,}",
                 "decided and otherwise": against.sum(), "undecided": (~decided).sum()}
            )  # fmt: skip
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
        facts |= {f"o{i}": row.observed, f"a{i}": row.n * (row.expected_rate - cardiac.HALF) / 100, f"b{i}": row.n * (row.expected_rate + cardiac.HALF) / 100,
                  f"x{i}": cardiac.METHODS["exact"](count)[0][0], f"y{i}": cardiac.byar_limits(count)[0][0]}  # fmt: skip
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
            {"cycle": f"{first}–{last}", "discharges": f"{int(rate['y']):,}", "deaths": f"{int(rate['x']):,}",
             "mortality % (exact 95 %)": f"{rate['value']:.3f} ({rate['low']:.3f}–{rate['high']:.3f})",
             "mean LOS, days": f"{state.loc['mean_los', 'value']:.3f}", "facilities": len(large),
             "LOS index P10 / median / P90": " / ".join(f"{q:.3f}" for q in index.quantile([0.1, 0.5, 0.9])),
             "mortality % P10 / median / P90": " / ".join(f"{q:.2f}" for q in died.quantile([0.1, 0.5, 0.9]))}
        )  # fmt: skip
    return TEXT.format(
        rows=len(rows), single=(rows["years"] == 1).sum(), three=(rows["years"] == 3).sum(), verdicts=verdicts(found),
        numbers=table(numbers), capped=(~byar["high_inside"]).sum(), exact_low=exact["low_inside"].sum(),
        agree=(exact["verdict"] == exact["official"]).sum(), undecided=exact["decided"].isna().sum(), cells=len(given),
        discharges=given["n"].sum(), deaths=given["died"].sum(), unreadable=(given["n"] - given["los_n"]).sum(),
        difference=f"{10 ** -11:.0e}" if furthest < 1e-11 else f"{furthest:.1e}", values=values, cycles=table(pd.DataFrame(lines)),
        **facts,
    )  # fmt: skip


if __name__ == "__main__":
    DOCUMENT.write_text(text(Path(sys.argv[1])), "utf-8")
