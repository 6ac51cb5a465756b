"""Time left, as people read it."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as on a watch."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
