"""Reports from notebooks: run, checked, published whole or not at all.

The names below are imported when first used: kernels import `toolkit.running.guard`, and must not pay for the rest.
"""

from typing import TYPE_CHECKING

from toolkit.lazy import lazily

if TYPE_CHECKING:
    from toolkit.running.limits import Limits, Reason, ReportFailed
    from toolkit.running.manifest import is_current, verify
    from toolkit.running.notebook import execute
    from toolkit.running.pool import exit_code, run_reports
    from toolkit.running.report import Outcome, OutcomeState, ReportJob, report_folder, run_report

_HOME = {
    "Limits": "limits",
    "Reason": "limits",
    "ReportFailed": "limits",
    "is_current": "manifest",
    "verify": "manifest",
    "execute": "notebook",
    "exit_code": "pool",
    "run_reports": "pool",
    "Outcome": "report",
    "OutcomeState": "report",
    "ReportJob": "report",
    "report_folder": "report",
    "run_report": "report",
}

__all__ = [
    "Limits",
    "Outcome",
    "OutcomeState",
    "Reason",
    "ReportFailed",
    "ReportJob",
    "execute",
    "exit_code",
    "is_current",
    "report_folder",
    "run_report",
    "run_reports",
    "verify",
]

__getattr__ = lazily(__name__, _HOME)
