"""The index of faults is complete and names tests that exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_fault_has_tests_that_exist():
    rows = re.findall(r"^\| (T\d\d) [^|]*\| ([^|]*) \|$", (HERE / "README.md").read_text("utf-8"), re.MULTILINE)
    assert [fault for fault, _ in rows] == [f"T{n:02}" for n in range(1, 25)]
    existing = set(
        re.findall(r"^def (test_\w+)", "\n".join(p.read_text("utf-8") for p in HERE.glob("test_*.py")), re.MULTILINE)
    )
    named = {name for _, tests in rows for name in re.findall(r"`(test_\w+)`", tests)}
    assert named <= existing
    assert all("`test_" in tests for _, tests in rows)
