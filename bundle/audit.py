"""Known vulnerabilities of locked packages, by pip-audit; skipped with the reason where no database can be reached.

`python bundle/audit.py LOCK…` ends with 0: none known, or skipped; 1: some are known. `bundle/sbom.sh` installs pip-audit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

TOOLS = Path(__file__).parents[1] / ".tools" / "supply"


def judged(found: Mapping[str, Iterable[Mapping[str, object]]]) -> tuple[int, list[str]]:
    """Exit code and lines, from what pip-audit wrote as JSON."""
    asked = list(found["dependencies"])
    bad = [
        f"{one['name']} {one.get('version', '')}: {', '.join(str(v['id']) for v in one['vulns'])}"  # type: ignore[attr-defined]
        for one in asked
        if one.get("vulns")
    ]
    unknown = [one for one in asked if "skip_reason" in one]
    if len(unknown) == len(asked):
        why = unknown[0]["skip_reason"] if unknown else "no package"
        return 0, [f"跳过：漏洞库无法访问 skipped, no database of vulnerabilities can be reached: {why}"]
    lines = [
        f"{len(asked) - len(unknown)} 个包已核对，{len(bad)} 个有已知漏洞 packages checked, with known vulnerabilities"
    ]
    lines += [f"未核对 not checked: {one['name']}: {one['skip_reason']}" for one in unknown]
    return (1 if bad else 0), [*lines, *bad]


def audit(lock: Path) -> tuple[int, list[str]]:
    """Ask for one lock file."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "-r", str(lock), "--disable-pip", "--require-hashes", "--format=json"],
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return 0, [f"跳过：漏洞库无法访问 skipped, no database of vulnerabilities can be reached: {last[:200]}"]
    return judged(found)


def main(locks: list[str]) -> int:
    """Every lock in turn; the worst exit code."""
    worst = 0
    for lock in locks:
        code, lines = audit(Path(lock))
        worst = max(worst, code)
        print(*(f"{lock}: {line}" for line in lines), sep="\n")  # noqa: T201
    return worst


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
