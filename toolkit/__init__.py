"""临床重点专科建设项目评估工具包: from discharge records to reports that an expert panel can sign.

The names below are what other people's code and notebooks use; they stay (docs/api.md). Everything else may move. Each is
imported when first used: the command line answers at once, and a report's kernel loads no query engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.lazy import lazily

if TYPE_CHECKING:
    from toolkit.data.quality import CATALOGUE as RULES
    from toolkit.errors import EvaluationError
    from toolkit.evaluation.overview import projects, units
    from toolkit.evaluation.results import Results
    from toolkit.evaluation.tables import TABLE as TABLES
    from toolkit.indicators import CATALOGUE as INDICATORS
    from toolkit.models.change import METHODS
    from toolkit.params import RunParams, load_params
    from toolkit.runs.opened import open_programme, open_run
    from toolkit.runs.pipeline import check, run

__all__ = [
    "INDICATORS",
    "METHODS",
    "RULES",
    "TABLES",
    "EvaluationError",
    "Results",
    "RunParams",
    "check",
    "load_params",
    "open_programme",
    "open_run",
    "projects",
    "run",
    "units",
]

__getattr__ = lazily(
    __name__,
    {
        "INDICATORS": "indicators:CATALOGUE",
        "METHODS": "models.change",
        "RULES": "data.quality:CATALOGUE",
        "TABLES": "evaluation.tables:TABLE",
        "EvaluationError": "errors",
        "Results": "evaluation.results",
        "RunParams": "params",
        "check": "runs.pipeline",
        "load_params": "params",
        "open_programme": "runs.opened",
        "open_run": "runs.opened",
        "projects": "evaluation.overview",
        "run": "runs.pipeline",
        "units": "evaluation.overview",
    },
)
