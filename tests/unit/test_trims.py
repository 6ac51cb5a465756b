"""Every way of trimming in one pass gives the cube that this way alone would give."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import rows

from toolkit import cube as cubes
from toolkit.cube import trims
from toolkit.cube.trims import Trim
from toolkit.data.discharge.measures import measures_for

CYCLES = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}


def region(groups=("三级", "二级"), n=1200, seed=5):
    """Records of four hospitals over six years (合成数据), with long tails for every method to cut."""
    random = np.random.default_rng(seed)
    made = {
        "hospital": random.choice(["A", "B", "C", "D"], n),
        "year": random.integers(2019, 2025, n).astype(str),
        "drg": random.choice(["FA11", "FB23", ""], n, p=[0.5, 0.4, 0.1]),
        "cost_fen": np.where(random.random(n) < 0.05, "", np.round(random.lognormal(12, 1, n)).astype(int).astype(str)),
        "los_days": random.geometric(0.1, n).astype(str),
        "died": random.choice(["T", "F"], n, p=[0.03, 0.97]),
        "department": "D1",
    }
    lines = [
        " | ".join(made),
        *(" | ".join(row) for row in zip(*(np.broadcast_to(v, n) for v in made.values()), strict=True)),
    ]
    frame = rows.received("\n".join(lines))
    known = rows.registry_of(frame)
    of = {code: groups[i % len(groups)] for i, code in enumerate(sorted(known["code"]))}
    return frame, known.assign(level_group=known["code"].map(of)).rename(columns={"code": "hospital"})


def every_way(groups, yearly, frozen):
    """Each way of trimming once: both scopes with each method of the basis."""
    methods = {"contemporaneous": yearly, "frozen": frozen}
    found = {trims.trim_of(b, s, m, groups) for b in methods for s in ("region", "level_group") for m in methods[b]}
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("groups", [("三级", "二级"), ("三级",)], ids=["two groups", "one group"])
def test_each_choice_has_the_cube_of_its_own_pass(engine, groups, monkeypatch):
    frame, known = region(groups)
    table = engine.connection.create_table("of_trims", rows.stored(frame), overwrite=True)
    params = rows.params(
        cycles=CYCLES,
        trimming={"method": "iqr", "frozen": "same"},
        price_index={y: 1.05 ** (y - 2019) for y in range(2019, 2025)},
    )
    asked = every_way(known, ["iqr", "none"], ["iqr", "percentile", "sd"])
    assert (
        len(asked) == len(set(asked)) == 1 + len(groups) * 4
    )  # untrimmed; a scope's iqr of each year, and three fixed
    summed = trims.sum_up(
        table, params, known, asked, measures_for(params.weights.source), connection=engine.connection
    )
    for scope, method, frozen in product(["region", "level_group"], ["iqr", "none"], ["none", "same"]):
        own = params.model_copy(
            update={
                "reference": params.reference.model_copy(update={"scope": scope}),
                "trimming": params.trimming.model_copy(update={"method": method, "frozen": frozen}),
            }
        )
        wanted = cubes.build(table, own, known, connection=engine.connection)
        found = trims.cube_of(summed, trims.own_trims(own, known), list(wanted))
        pd.testing.assert_frame_equal(found, wanted, obj=f"{scope} {method} {frozen}")
    # what a specification tries on the frozen basis
    for scope, method in product(["region", "level_group"], ["percentile", "sd"]):
        own = params.model_copy(
            update={
                "reference": params.reference.model_copy(update={"scope": scope}),
                "trimming": params.trimming.model_copy(update={"method": method}),
            }
        )
        wanted = cubes.build(table, own, known, connection=engine.connection, trimmed=("frozen",))
        wanted = wanted.drop(columns=[c for c in wanted if c.endswith("@contemporaneous") and "_kept" in c])
        found = trims.cube_of(summed, {"frozen": trims.trim_of("frozen", scope, method, known)}, list(wanted))
        pd.testing.assert_frame_equal(found, wanted, obj=f"{scope} {method}")
    monkeypatch.setattr(trims, "ROWS_AT_ONCE", 100)  # year by year
    again = trims.sum_up(table, params, known, asked, measures_for(params.weights.source), connection=engine.connection)
    pd.testing.assert_frame_equal(again, summed)


def test_a_scope_of_the_reference_changes_the_limits_by_hand(engine):
    """A: 1, 2, 2, 2, 9 days, quartiles 2 and 2: 1 and 9 are cut. With B's 10, 11, 12 they are 2 and 10.25: none is."""
    text = "hospital | year | drg | cost_fen | los_days\n" + "\n".join(
        f"{h} | 2022 | FA11 | 1000 | {d}" for h, days in (("A", (1, 2, 2, 2, 9)), ("B", (10, 11, 12))) for d in days
    )
    frame = rows.received(text)
    known = pd.DataFrame({"hospital": ["A", "B"], "level_group": ["三级", "二级"]})
    table = engine.connection.create_table("of_scopes", rows.stored(frame), overwrite=True)
    params = rows.params(trimming={"method": "iqr"})
    asked = every_way(known, ["iqr", "none"], ["none"])
    measures = measures_for(params.weights.source)
    summed = trims.sum_up(table, params, known, asked, measures, connection=engine.connection)
    own = summed[summed["hospital"] == "A"].iloc[0]
    of = {scope: own[f"los_kept@{Trim('contemporaneous', scope, 'iqr').name}"] for scope in ("level_group", "region")}
    assert of == {"level_group": 2 + 2 + 2, "region": 1 + 2 + 2 + 2 + 9}
    assert own["los_kept@none"] == 16
