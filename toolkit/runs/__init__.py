"""A whole run: what it is made from, its tables, its reports, and questions to a finished one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.lazy import lazily

if TYPE_CHECKING:
    from toolkit.runs.demo import golden, golden_programme

__all__ = ["golden", "golden_programme"]

# a report's kernel opens a run, and must not load the query engine for that
__getattr__ = lazily(__name__, {"golden": "demo", "golden_programme": "demo"})
