"""How far a run is, as people and logs read it."""

from __future__ import annotations

from time import monotonic
from typing import Protocol, TextIO

EVERY = 10.0  # seconds between two lines of the same step


class Reported(Protocol):
    """How many reports are made, and what is left of the time."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def seconds_left(self) -> float | None: ...


class Lines:
    """Progress as lines of a log: one at the beginning of each step, then one every few seconds with the time left."""

    def __init__(self, out: TextIO) -> None:
        self.out, self.name, self.began, self.said = out, "", 0.0, 0.0

    def step(self, name: str, share: float) -> None:
        """A step is this far."""
        now = monotonic()
        if name != self.name:
            self.name, self.began = name, now
            self._say(f"{name}", now)
        elif now - self.said >= EVERY and 0 < share < 1:
            left = (now - self.began) * (1 - share) / share
            self._say(f"{name} {share:.0%}，约剩 {clock(left)}", now)

    def report(self, state: Reported) -> None:
        """So many reports are made."""
        left = (
            f"，约剩 {clock(state.seconds_left)}" if state.seconds_left is not None and state.done < state.total else ""
        )
        failed = f"，未完成 {state.failed}" if state.failed else ""
        self._say(f"报告 {state.done}/{state.total}{failed}{left}", monotonic())

    def _say(self, text: str, now: float) -> None:
        self.said = now
        print(text, file=self.out, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds, as on a watch."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
