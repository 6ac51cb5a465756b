"""nbval compares a figure's caption, numbers (alt text) and data, not its pixels: drawing libraries may change a curve's bytes."""

from __future__ import annotations

from typing import Any

PICTURE = "image/svg+xml"


def pytest_collectstart(collector: Any) -> None:
    """Leave pictures out of nbval's comparison."""
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, PICTURE)
