"""The tables of all stages together: what notebooks open. Put together from the stages, and believed only while they verify.

`evaluation.json` beside them is to the tables what `manifest.json` is to a report: it holds what they were made from and
the hash of every file, records included, and it is written last. Tables without it do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from toolkit.data.quality import CATALOGUE as RULES
from toolkit.data.quality.base import RuleFacts
from toolkit.documents import Document, Entries
from toolkit.evaluation.cohorts import BY_COHORT
from toolkit.evaluation.facts import RunFacts, facts_of, save_facts
from toolkit.evaluation.results import DATA, FACTS, PARAMETERS, RESULTS, WINDOWS, Results
from toolkit.evaluation.tables import TABLE, TABLES
from toolkit.release.disclosure import released_facts, released_params
from toolkit.running.known_hashes import KnownHashes
from toolkit.running.manifest import software, unsealed
from toolkit.running.notebook import file_hash
from toolkit.running.scratch import scratch
from toolkit.runs.sources import identity_of, parameter_hash, portable, without_file_names
from toolkit.runs.stage import EVALUATION, Product, changed_files, files_of, key_of, linked, publish_parts, read_seal
from toolkit.runs.walk import Walk, staging

PARTS = (DATA, RESULTS)  # what the seal speaks of


class Tables(Mapping[str, pd.DataFrame]):
    """The tables of a run by name, each read when it is asked for."""

    def __init__(self, made_by: Callable[[str], Product]) -> None:
        self._made_by = made_by

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in TABLE:
            raise KeyError(name)
        return self._made_by(TABLE[name].stage).table(name)

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)


class CohortTables(Mapping[str, pd.DataFrame]):
    """The tables of one cohort, each read when it is asked for."""

    def __init__(self, judged: Product, cohort: str) -> None:
        self._judged, self._cohort = judged, cohort

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in BY_COHORT:
            raise KeyError(name)
        return self._judged.table(f"{WINDOWS}/{self._cohort}/{name}")

    def __iter__(self) -> Iterator[str]:
        return iter(BY_COHORT)

    def __len__(self) -> int:
        return len(BY_COHORT)


def results_of(walk: Walk) -> Results:
    """The results of the internal edition, once the walk has been through all stages."""
    facts = stated(walk, walk.products["judged"].facts)
    windows = {
        c.id: CohortTables(walk.products["judged"], c.id)
        for c in walk.reported.cohorts
        if len(walk.reported.cohorts) > 1
    }
    return Results(params=walk.reported, facts=facts, tables=Tables(lambda id_: walk.products[id_]), windows=windows)


def stated(walk: Walk, further: Entries | None = None) -> RunFacts:
    """What the intake says of itself, what later stages add, and what parameters and rules say without them."""
    first = {name: value for name, value in walk.products["intake"].facts.items() if name != "brought"}
    added = {name: value for name, value in (further or {}).items() if name != "lists"}
    lists = {**first["lists"], **(further or {}).get("lists", {})}
    # as they are in this run: a message quotes limits that no rule is judged by
    rules = tuple(RuleFacts.of(rule, walk.params) for rule in RULES.values())
    return replace(
        facts_of({**first, **added, "lists": lists, "parameter_hash": parameter_hash(walk.reported)}), rules=rules
    )


def release_of(walk: Walk, results: Results) -> Results:
    """The results of the release edition, once the walk has been through its stage too."""
    policy, product = walk.given.disclosure, walk.products["released"]
    return Results(
        params=without_file_names(released_params(results.params, policy)),
        facts=released_facts(results.facts),
        tables=Tables(lambda _: product),
    )


def put_together(walk: Walk, results: Results) -> Results:
    """The tables of the internal edition in the run's folder, where they do not lie there already."""
    identity = identity_of(walk.given, software(), walk.hashes.of)
    seal = read_seal(walk.folder, walk.products["intake"].stage.seal) or {"tables": {}}
    records = {name: value for name, value in seal["tables"].items() if name.startswith(f"{DATA}/")}
    places = {one.name: walk.products[one.stage].place for one in TABLES}
    _publish(results, places, walk.folder, identity, records, walk.hashes)
    return results


def put_together_release(walk: Walk, results: Results, folder: Path) -> Results:
    """The tables of the release edition in a folder of their own: no record and no exact number goes there."""
    choice = {"edition": "release", "disclosure": walk.given.disclosure.model_dump(mode="json")}
    identity = identity_of(walk.given, software(), walk.hashes.of) | choice
    identity["raw"] = [{"name": "", "sha256": row["sha256"]} for row in identity["raw"]]
    identity["parameters"]["data"] = without_file_names(portable(walk.given)).data.model_dump(mode="json")
    controlled = release_of(walk, results)
    places = {one.name: walk.products["released"].place for one in TABLES}
    _publish(controlled, places, folder, identity, {}, walk.hashes)
    return controlled


def _publish(
    results: Results,
    places: Mapping[str, Path],
    folder: Path,
    identity: Entries,
    records: Mapping[str, str],
    hashes: KnownHashes,
) -> None:
    if is_evaluated(folder, identity, hashes.of):
        return
    with staging(folder) as work:
        into = work / "staged" / RESULTS
        into.mkdir(parents=True)
        files = {name: place / f"{name}.parquet" for name, place in places.items()}
        judged = next(iter({places[one.name] for one in TABLES if one.stage == "judged"}))
        files |= {
            path.relative_to(judged).with_suffix("").as_posix(): path for path in (judged / WINDOWS).rglob("*.parquet")
        }
        told = {path: hashes.of(path) for path in files.values()}
        for name, path in files.items():
            (into / name).parent.mkdir(exist_ok=True, parents=True)
            linked(path, into / f"{name}.parquet")
        _state(results, into)
        made = publish_parts(work / "staged", folder, (RESULTS,), EVALUATION, identity, records)
    hashes.among(made)
    hashes.among(told)  # another link, another time of change


def read_evaluation(folder: Path) -> Document | None:
    """What the run's tables were made from, or None where that is absent, cut or changed."""
    return unsealed(folder / EVALUATION)


def is_evaluated(folder: Path, identity: Entries, hashes: Callable[[Path], str] = file_hash) -> bool:
    """Whether the tables there were made from `identity` and every byte of them is as it was."""
    found = read_evaluation(folder)
    if found is None or found["key"] != key_of(identity):
        return False
    return not changed_files(folder, PARTS, found["tables"], hashes)


def table_hashes(folder: Path) -> dict[str, str]:
    """Hash of every file of tables and records, by path below the run's folder."""
    return {name: file_hash(path) for name, path in files_of(folder, PARTS).items()}


def _state(results: Results, into: Path) -> None:
    """Write what of results is no table."""
    (into / PARAMETERS).write_text(results.params.model_dump_json(indent=1) + "\n", encoding="utf-8")
    save_facts(results.facts, into / FACTS)


def stated_files(results: Results, folder: Path) -> dict[Path, str]:
    """The files in a run's folder that are no tables -> the hash that they would have after a run with these results."""
    with scratch() as work:
        _state(results, Path(work))
        return {(folder / RESULTS / name).resolve(): file_hash(Path(work) / name) for name in (PARAMETERS, FACTS)}
