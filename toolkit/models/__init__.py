"""Methods of change: each one file, same input (cells), same columns out (`Change`)."""

from __future__ import annotations

from toolkit.models import two_period as _two_period
from toolkit.models.two_period import inferential, two_period

METHODS = {_two_period.METHOD: two_period}
NAMES_ZH = {_two_period.METHOD: _two_period.NAME_ZH}

__all__ = ["METHODS", "NAMES_ZH", "inferential", "two_period"]
