"""What a stage is given, and what it gives; nothing here knows a stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from toolkit.documents import Entries
from toolkit.params import RunParams

if TYPE_CHECKING:
    from toolkit.runs.stage import Product

Progress = Callable[[str, float], None]


def quiet(step: str, share: float) -> None:
    """No progress wanted."""


# frames that the intake of sums and values leaves for later stages
CELLS, GIVEN = "summed_cells", "given"


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """What a stage is given.

    Attributes
    ----------
    params
        With the declared fields and no others (`toolkit.runs.heeds.narrowed`).
    derived
        What it depends on of others, as `Stage.derived` works it out.
    before
        Products of the stages before, by id.
    folder, work
        Of the run, and a private one for what is in the making; what the stage leaves in `work/data` becomes the run's.
    contents
        SHA-256 of raw files by path, as far as they are known.
    identity
        As the key of the stage holds it.
    secret
        The run's key for pseudonyms, of a stage that leaves records.
    fresh
        Nothing of earlier runs is to be used.
    """

    params: RunParams
    derived: Entries
    before: Mapping[str, Product]
    folder: Path
    work: Path
    contents: Mapping[Path, str] = field(default_factory=dict)
    identity: Entries = field(default_factory=dict)
    secret: Any = None
    progress: Progress = quiet
    fresh: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What a stage gives: its declared tables, frames for later stages only, facts, and what to do once all is in place."""

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    facts: Entries = field(default_factory=dict)
    afterwards: Sequence[Callable[[], None]] = ()
    also: Any = None  # for who asked for this stage alone
