"""Models of change: size, coverage and power over simulated regions, and time on a province (合成数据)."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import HERE, RESULTS, commit, facts

if TYPE_CHECKING:
    import pandas as pd

REPLICATIONS, FEWER = 300, 150  # regions: of the first world, with 12 projects each; of the others
IN_EACH = 170  # of the region of four volatilities: 2,040 projects in each
# last commit before the recommended method was rebuilt; it stands beside the present one in every table
BEFORE = "d69d958"
BEGIN, END = "<!-- simulated: benchmarks/models.py -->", "<!-- simulated, end -->"  # of the tables in docs/models.md
NAIVE = ("two_period_ratio", "two_period_years")
PROJECTS, HOSPITALS, DISCHARGES = 1000, 300, 6_000_000
# ids that copies of the simulated indicators stand under, so that a province has ten
COPIES = {
    "cost_index": "mean_cost",
    "los_index": "mean_los",
    "cmi": "cost_per_weight",
    "level4_share": "level34_share",
    "mortality": "low_risk_mortality",
}


def worlds() -> dict[str, Any]:
    """What is varied: size of the units, size, tails and persistence of their shocks, selection."""
    from toolkit.models.change.simulation import World
    from toolkit.synthetic import Settings

    return {
        "150,000 discharges, merit": World(),
        "600,000 discharges, merit": World(settings=Settings(discharges=600_000)),
        "600,000 discharges, merit, persistent shocks (0.5)": World(
            settings=Settings(discharges=600_000), persistence=0.5
        ),
        "150,000 discharges, by lot": World(settings=Settings(selection="random")),
        "four volatilities by specialty (0.01, 0.03, 0.06, 0.12)": World(
            settings=Settings(hospitals=60, discharges=600_000, projects=48, selection="random"),
            volatility=(0.01, 0.03, 0.06, 0.12),
        ),
        "small units more restless": World(
            settings=Settings(discharges=400_000, selection="random"), volatility_by_size=-1.0
        ),
        "shocks with heavy tails (t, 3)": World(
            settings=Settings(discharges=400_000, selection="random", drift_sd=0.06), tail_df=3
        ),
        **{
            f"600,000 discharges, chosen by {name}": World(
                settings=Settings(discharges=600_000), selected_by={name: sign}
            )
            for name, sign in (
                ("mortality", -1.0),
                ("cost_index", -1.0),
                ("los_index", -1.0),
                ("cmi", 1.0),
                ("level4_share", 1.0),
            )
        },
    }


def run(_size: int, _runs: int) -> None:
    """Everything; about three quarters of an hour."""
    import pandas as pd

    from toolkit.models.change import METHODS, RECOMMENDED
    from toolkit.models.change.bench import bench

    tables = {name: simulated(name) for name in worlds()}
    others = [m for m in METHODS if m not in (*NAIVE, RECOMMENDED)]
    name = next(iter(worlds()))
    tables[f"{name}: other methods"] = rounded(bench(worlds()[name], others, 30, jobs=os.cpu_count() or 1))
    seconds = speed()
    _store({"before": BEFORE, "simulation": tables, "province": seconds})
    page()
    print(pd.Series(seconds))


def simulated(name: str) -> list[dict[str, Any]]:
    """The recommended method in a world, as it is and as it was; in the first world the plain ratios, too."""
    from benchmarks.earlier import Earlier
    from toolkit.models.change import RECOMMENDED
    from toolkit.models.change.bench import bench

    world, first = worlds()[name], name == next(iter(worlds()))
    regions = IN_EACH if world.volatility else REPLICATIONS if first else FEWER
    methods = [*(NAIVE if first else ()), RECOMMENDED]
    table = bench(world, methods, regions, others={f"{RECOMMENDED}@{BEFORE}": Earlier(BEFORE)})
    print(f"\n{name}\n{table.round(4).to_string(index=False)}", flush=True)
    return rounded(table)


def rounded(table: pd.DataFrame) -> list[dict[str, Any]]:
    """As it is stored."""
    import numpy as np

    return json.loads(table.replace([np.inf, -np.inf], np.nan).round(5).to_json(orient="records"))


def page() -> None:
    """Write the tables of docs/models.md anew from the stored results, between their marks."""
    stored = json.loads((RESULTS / "models.json").read_text(encoding="utf-8"))
    document = HERE.parent / "docs" / "models.md"
    head, rest = document.read_text(encoding="utf-8").split(BEGIN)
    _old, tail = rest.split(END)
    parts = [_as_it_was_and_is(name, rows, stored["before"]) for name, rows in stored["simulation"].items()]
    document.write_text(head + BEGIN + "\n" + "\n".join(filter(None, parts)) + END + tail, encoding="utf-8")


def _as_it_was_and_is(name: str, rows: list[dict[str, Any]], before: str) -> str:
    """One world as a table, a row an indicator (and volatility): false alarms, coverage, power, earlier → now."""
    from toolkit.indicators import CATALOGUE
    from toolkit.models.change import RECOMMENDED

    by = {(r["method"], r["indicator"], r.get("volatility")): r for r in rows}
    now = [r for r in rows if r["method"] == RECOMMENDED]
    if not now:
        return ""
    lines = [
        f"\n**{name}** ({now[0]['regions']} regions, {now[0]['estimates']} projects a row)\n",
        "| indicator | p < 5 % without effect | on the good, bad side | coverage of 95 % | power | bias (log) |",
        "|---|---|---|---|---|---|",
    ]
    for row in sorted(now, key=lambda r: (r["indicator"], r.get("volatility") or 0)):
        was = by[f"{RECOMMENDED}@{before}", row["indicator"], row.get("volatility")]
        label = CATALOGUE[row["indicator"]].name_zh + (f", {row['volatility']}" if row.get("volatility") else "")
        cells = [f"{100 * was[c]:.1f} → {100 * row[c]:.1f} %" for c in ("type_one", "coverage", "power")]
        sides = f"{100 * row['false_improvement']:.1f}, {100 * row['false_worsening']:.1f} %"
        lines.append(
            f"| {label} | {cells[0]} | {sides} | {cells[1]} | {cells[2]} | {was['bias']:+.3f} → {row['bias']:+.3f} |"
        )
    return "\n".join(lines) + "\n"


def speed() -> dict[str, Any]:
    """Seconds of every method for 1,000 projects × 10 indicators, one process; processor time beside them."""
    import pandas as pd

    from toolkit.indicators import CATALOGUE
    from toolkit.models.change import METHODS, Study
    from toolkit.models.change.simulation import World, simulate
    from toolkit.params import Years
    from toolkit.synthetic import Settings

    region = simulate(World(settings=Settings(hospitals=HOSPITALS, discharges=DISCHARGES, projects=PROJECTS)), 1)
    copies = region.cells.assign(indicator=region.cells["indicator"].map(COPIES))
    cells = pd.concat([region.cells, copies], ignore_index=True)
    study = Study(
        indicators={i: CATALOGUE[i] for i in CATALOGUE if i in {*COPIES, *COPIES.values()}},
        units=region.units,
        before=Years(first=2019, last=2021),
        after=Years(first=2022, last=2024),
    )
    found: dict[str, Any] = {
        "units": len(region.units),
        "projects": int((region.units["start"] > 0).sum()),
        "indicators": len(study.indicators),
        "cells": len(cells),
        "seconds": {},
        "cpu": {},
    }
    for name, method in METHODS.items():
        wall, cpu = time.perf_counter(), time.process_time()
        method.estimate(cells, study)
        found["seconds"][name] = round(time.perf_counter() - wall, 2)
        found["cpu"][name] = round(time.process_time() - cpu, 2)
    found["total_cpu"] = round(sum(found["cpu"].values()), 2)
    return found


def _store(content: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    content = {"benchmark": "models", "commit": commit(), "machine": facts(), **content}
    (RESULTS / "models.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
