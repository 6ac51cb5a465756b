"""nbval compares a figure's caption, numbers (alt text) and data, not its pixels: drawing libraries may change a curve's bytes."""

from __future__ import annotations

from typing import Any

UNSAVED = ("image/svg+xml", "text/html")  # as in tests/golden.py: the table stands in the block's JSON


def pytest_collectstart(collector: Any) -> None:
    """Leave pictures and HTML out of nbval's comparison."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, *UNSAVED)
