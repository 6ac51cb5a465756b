"""A decision as entries of the ledger: what it rests on (run, rule, sealed protocol), and the outcome of every project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from toolkit.documents import Entries, Plain
from toolkit.frames import rows_of
from toolkit.programme.decided import Decisions
from toolkit.programme.ledger import DECISION, Enter
from toolkit.programme.protocol import Change, opened
from toolkit.running.manifest import digest
from toolkit.running.notebook import file_hash
from toolkit.running.publish import MANIFEST, canonical
from toolkit.runs.stage import EVALUATION


def decision_about(
    decisions: Decisions, run: Path, protocol: Path | None, changed: Sequence[Change] | None, out: Path
) -> Entries:
    """What the entry of a whole decision holds.

    Hashes of the run's tables and manifest, of the rule and of the file of results; the key of the sealed protocol and what
    was changed since; how many projects have which outcome.
    """
    counts = decisions.projects["outcome"].value_counts().sort_index()
    return {
        "run": {"name": run.resolve().name, "evaluation": _hash(run / EVALUATION), "manifest": _hash(run / MANIFEST)},
        "rule": {"id": decisions.rule.id, "sha256": digest(canonical(decisions.rule.model_dump(mode="json")))},
        "protocol": str(opened(protocol)["key"]) if protocol else "",
        "changed": [asdict(one) for one in changed or ()],
        "file": out.name,
        "sha256": file_hash(out),
        "outcomes": {str(k): int(n) for k, n in counts.items()},
    }


def enter_decision(enter: Enter, decisions: Decisions, about: Entries, *, role: str, who: str = "") -> None:
    """One entry for the whole, then one a project that names it; the state of a project is moved by who has the office to."""
    sealed = "按封存方案判定" if about["protocol"] else "未核对封存方案"
    changed = len(about["changed"])
    why = f"{sealed}，有 {changed} 处改动" if changed else sealed
    whole = enter(kind=DECISION, role=role, who=who, why=why, content=about)
    for one in rows_of(decisions.projects):
        content: dict[str, Plain] = {"outcome": one.outcome, "red_flag": bool(one.red_flag)}
        content |= {c: _number(getattr(one, c)) for c in ("flips", "p_qualified", "p_mend")}
        content |= {"of": whole.number} if whole is not None else {}
        said = [f"{word}：{text}" for word, text in (("未达到", one.mend), ("取决于", one.hangs_on)) if text]
        enter(kind=DECISION, role=role, who=who, project=one.project, why="；".join(said), content=content)


def _hash(path: Path) -> str:
    return file_hash(path) if path.is_file() else ""


def _number(value: float) -> float | None:
    return None if value != value else round(float(value), 6)
