"""Do the tests see a changed line? A sample of mutants of the most important files, made by cosmic-ray: `make mutants`.

Each mutant is one small change (`+` for `-`, `<` for `<=`, a number by one, `and` for `or` …), in a copy of the tree; the tests
that belong to the file are run until one fails. What no test notices survives: it is listed, for a person to judge whether it
means the same (an equivalent mutant) or a test is missing. Annotations are left out: they are not run.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from benchmarks.measuring import RESULTS

ROOT = Path(__file__).resolve().parents[1]
# the six files in which a wrong sign costs a hospital its project, and the tests inside the repository that hold them
FILES: dict[str, tuple[str, ...]] = {
    "toolkit/indicators/table.py": (
        "tests/unit/indicators/test_intervals_by_hand.py",
        "tests/unit/indicators/test_cells.py",
        "tests/unit/test_reference.py",
        "tests/properties/test_indicator_properties.py",
    ),
    "toolkit/reference/__init__.py": (
        "tests/unit/test_reference.py",
        "tests/unit/indicators/test_intervals_by_hand.py",
        "tests/unit/test_whole_catalogue.py",
    ),
    "toolkit/reference/grades.py": ("tests/unit/test_risk_grades.py", "tests/unit/test_reference.py"),
    "toolkit/models/change/did.py": (
        "tests/unit/models/test_did_by_hand.py",
        "tests/unit/models/test_rare_change.py",
        "tests/models/test_references.py",
        "tests/unit/models/test_hard_cases.py",
    ),
    "toolkit/evaluation/verdict.py": ("tests/unit/evaluation/test_verdict.py", "tests/unit/evaluation/test_reasons.py"),
    "toolkit/cube/__init__.py": ("tests/unit/test_cube.py", "tests/unit/test_trims.py", "tests/unit/test_reference.py"),
}
ALIVE, KILLED, SLOW = "survived", "killed", "timed out"


def annotated(source: str) -> list[tuple[int, int]]:
    """Line and column spans of annotations, which `from __future__ import annotations` never runs."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for one in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if one is not None:
                found += [(line, line) for line in range(one.lineno, one.end_lineno + 1)]
    return found


def mutants(path: str) -> Iterator[tuple[str, int, int]]:
    """Operator, occurrence and line of every mutant of a file that changes what is run."""
    from cosmic_ray.commands.init import _all_work_items

    source = (ROOT / path).read_text(encoding="utf-8")
    still = {line for line, _ in annotated(source)}
    for item in _all_work_items([ROOT / path], {}):
        [mutation] = item.mutations
        if mutation.start_pos[0] not in still:
            yield mutation.operator_name, mutation.occurrence, mutation.start_pos[0]


def drawn(path: str, most: int) -> list[tuple[str, int, int]]:
    """Mutants of a file by lot, the same each time; what is no Python (a signature's star taken for a sign) is passed over."""
    import cosmic_ray.plugins
    from cosmic_ray.mutating import mutate_code

    source, found = (ROOT / path).read_text(encoding="utf-8"), []
    every = sorted(mutants(path))
    random.Random(path).shuffle(every)
    for operator, occurrence, line in every:
        if len(found) == most:
            break
        with suppress(SyntaxError):
            ast.parse(mutate_code(source, cosmic_ray.plugins.get_operator(operator)(), occurrence))
            found.append((operator, occurrence, line))
    return found


def tried(tree: Path, path: str, mutant: tuple[str, int, int], seconds: int) -> dict[str, object]:
    """One mutant in a copy of the tree: the change, and whether a test failed."""
    import cosmic_ray.plugins
    from cosmic_ray.mutating import mutate_code

    operator, occurrence, line = mutant
    source = (ROOT / path).read_text(encoding="utf-8")
    changed = mutate_code(source, cosmic_ray.plugins.get_operator(operator)(), occurrence)
    (tree / path).write_text(changed, encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *FILES[path]],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=seconds,
        )
        state = ALIVE if done.returncode == 0 else KILLED
    except subprocess.TimeoutExpired:
        state = SLOW
    finally:
        (tree / path).write_text(source, encoding="utf-8")
    before, after = source.splitlines()[line - 1], changed.splitlines()[line - 1]
    return {
        "file": path,
        "line": line,
        "operator": operator.rpartition("/")[2],
        "from": before.strip(),
        "to": after.strip(),
        "state": state,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("--each", type=int, default=40, help="mutants of each file, drawn by lot with a fixed seed")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=300, help="after which a mutant counts as noticed")
    given = parser.parse_args()
    work = []
    for path in FILES:
        work += [(path, one) for one in drawn(path, given.each)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Path(folder) / str(k) for k in range(given.workers)]
        for tree in trees:
            subprocess.run(["git", "clone", "-q", "--local", str(ROOT), str(tree)], check=True)
            for path in FILES:  # as it stands, not as it was committed
                (tree / path).write_bytes((ROOT / path).read_bytes())
        shares = [work[k :: given.workers] for k in range(given.workers)]
        with ThreadPoolExecutor(given.workers) as pool:
            found = pool.map(
                lambda of: [_said(tried(of[0], path, one, given.seconds)) for path, one in of[1]],
                zip(trees, shares, strict=True),
            )
            rows = [row for part in found for row in part]
    score = {path: _score([r for r in rows if r["file"] == path]) for path in FILES}
    whole = {
        "drawn": given.each,
        "score": score,
        "all": _score(rows),
        "survived": [r for r in rows if r["state"] == ALIVE],
    }
    (RESULTS / "mutants.json").write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({**score, "all": whole["all"]}, indent=1))


def _said(row: dict[str, object]) -> dict[str, object]:
    print(f"{row['state']:9} {row['file']}:{row['line']}  {row['from']}  →  {row['to']}", flush=True)
    return row


def _score(rows: list[dict[str, object]]) -> dict[str, float]:
    noticed = sum(row["state"] != ALIVE for row in rows)
    return {"mutants": len(rows), "noticed": noticed, "share": round(noticed / len(rows), 3) if rows else 0.0}


if __name__ == "__main__":
    main()
