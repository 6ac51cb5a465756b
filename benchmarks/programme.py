"""From numbers to a decision: a selection drawn again under its rules, a published rating, a ledger verified."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring import RESULTS, commit, facts
from toolkit.programme.draws import drawn
from toolkit.programme.influence import drawn_anew
from toolkit.programme.ledger import NOTE, Ledger
from toolkit.programme.scoring import score
from toolkit.programme.selection import read_selection, select
from toolkit.programme.systems import System, read_system
from toolkit.resources import resource

APPLICANTS, DRAWS, ENTRIES, HOSPITALS = 500, 2_000, 10_000, 4_626


def run(_size: int, _runs: int) -> None:
    """Seconds of wall time and of CPU for each, beside what is claimed."""
    measured = [_selection(), _rating(), _ledger()]
    for one in measured:
        sys.stdout.write(f"{one['what']}: {one['seconds']} s ({one['cpu']} s CPU), claimed < {one['claimed']} s\n")
    content = {"benchmark": "programme", "commit": commit(), "machine": facts(), "measured": measured}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "programme.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _timed(what: str, claimed: float, since: tuple[float, float]) -> dict[str, object]:
    seconds, cpu = time.perf_counter() - since[0], time.process_time() - since[1]
    return {"what": what, "seconds": round(seconds, 2), "cpu": round(cpu, 2), "claimed": claimed}


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _selection() -> dict[str, object]:
    """The shipped system of 25 items and the shipped rules of two tracks, on 合成数据."""
    system, generator = read_system(resource("params/systems/wenzhou-25.yaml")), np.random.default_rng(0)
    tier = generator.choice(["市", "县"], APPLICANTS)
    frame = pd.DataFrame(
        {
            "applicant": [f"p{k:03}" for k in range(APPLICANTS)],
            "tier": tier,
            "track": np.char.add(tier, "级外科"),
            "hospital": generator.choice([f"h{k}" for k in range(60)], APPLICANTS),
            "specialty": generator.choice([f"s{k}" for k in range(20)], APPLICANTS),
            "urban": generator.choice(["是", "否"], APPLICANTS),
            "cases": 100,
            **{item.of: generator.uniform(1, 9, APPLICANTS).round(3) for item in system.items},
        }
    ).astype(str)
    errors = frame[["applicant"]].assign(**{item.of: 0.5 for item in system.items})
    rules = read_selection(resource("params/selection/wenzhou-2023.yaml")).model_copy(update={"eligibility": []})
    since = _now()
    scores = score(system, frame).units.set_index("unit")["score"]
    draws = drawn(system, frame, errors, draws=DRAWS, band=0.25, anew=drawn_anew(DRAWS))
    select(rules, frame, scores, draws=draws)
    return _timed(f"{APPLICANTS} applicants, 25 items, {DRAWS} draws with allocation and indices", 60, since)


def _rating() -> dict[str, object]:
    """A table of the size and shape of the published star rating (five groups, classes by k-means among peers)."""
    system: System = read_system(resource("params/systems/cms-stars-2024.yaml"))
    generator = np.random.default_rng(0)
    values = {
        item.of: np.where(generator.random(HOSPITALS) < 0.7, generator.normal(size=HOSPITALS).round(4).astype(str), "")
        for item in system.items
    }
    frame = pd.DataFrame({system.unit: [f"{k:06}" for k in range(HOSPITALS)], **values})
    score(system, frame)
    since = _now()
    score(system, frame)
    return _timed(f"{HOSPITALS} hospitals scored", 0.5, since)


def _ledger() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger.sqlite")
        with ledger.entering() as enter:
            for k in range(ENTRIES):
                enter(kind=NOTE, role="commission", who="示例", project=f"p{k % 500}", why="年度监测", content={"k": k})
        since = _now()
        faults = ledger.verify()
        made = _timed(f"{ENTRIES} entries verified", 2, since)
        ledger.close()
    if faults:
        raise AssertionError(faults)
    return made
