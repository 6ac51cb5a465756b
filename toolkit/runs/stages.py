"""The stages of a run, in their order: what each heeds and makes. A new kind of evaluation is one more entry.

Reports are made from the tables of all of them, and each report keeps a manifest of its own (`toolkit.running.report`).
"""

from __future__ import annotations

from toolkit.declared import STAGES
from toolkit.documents import Document
from toolkit.evaluation.robustness import trimmings
from toolkit.evaluation.verdict import RULES
from toolkit.params import RunParams
from toolkit.runs.judging import judge
from toolkit.runs.releasing import control
from toolkit.runs.stage import Stage
from toolkit.runs.summing import choose_cube, sum_records
from toolkit.runs.taking_in import beside, take_in_records

PERIODS = ("cycles", "years")


def of_choices(params: RunParams) -> Document:
    """What the sums depend on of policy choices: which ways of trimming are summed, and which measures.

    Frozen sums are trimmed in every way that the specifications try, for them or where the run itself trims them; yearly ones
    by the run's method, with the limits of every declared scope.
    """
    tried = bool(params.cycles and params.projects)
    scopes = sorted({params.reference.scope, *params.robustness.scopes})
    own = params.trimming.on("frozen")
    return {
        "scopes": scopes,
        "contemporaneous": sorted({params.trimming.method, *(trimmings(params) if tried else ())} - {"none"}),
        "frozen": sorted({own, *(trimmings(params) if tried else ())} - {"none"}),
        # charts by month hold the run's own choice only
        "months": [params.reference.scope, own] if own != "none" else ["", "none"],
        "weights": "five_class" if params.weights.source == "five_class" else "reference",
    }


def starts(params: RunParams) -> Document:
    """What the intake depends on of projects: the years that their cycles start in, which say what years are needed."""
    return {"starts": sorted({p.start for p in params.projects if p.start is not None})}


INTAKE = Stage(
    id="intake",
    zh=STAGES["intake"],
    make=take_in_records,
    beside=beside,
    heeds=(
        *PERIODS,
        "data",
        "engine",
        "specialties",
        "exclusions",
        "quality",
        "indicators.surgery_levels",
        "indicators.techniques",
        "indicators.day_surgery_days",
        "indicators.procedure_categories",
        "indicators.operation_codes",
        "indicators.minimally_invasive",
        "indicators.complications",
        "indicators.elective_routes",
        "indicators.mergers",
        "indicators.readmission_days",
        "grouping.versions",
        "grouping.ungrouped",
        "weights.file",
        "weights.source",
        "risk_grades.file",
        "reference.means",
        "grouping.ungrouped",
        "grouping.bridge",
        "grouping.bridge_share",
    ),
    unless=("data.key_file", "data.currency"),
    derived=starts,
    records=True,
)
SUMS = Stage(
    id="sums",
    zh=STAGES["sums"],
    make=sum_records,
    after=("intake",),
    heeds=(
        *PERIODS,
        "engine",
        "projects",
        "price_index",
        "monitoring.age_bands",
        "reference.means",
        "trimming.iqr_below",
        "trimming.iqr_above",
        "trimming.percentile_low",
        "trimming.percentile_high",
        "trimming.deviations",
    ),
    derived=of_choices,
)
CUBE = Stage(
    id="cube",
    zh=STAGES["cube"],
    make=choose_cube,
    after=("intake", "sums"),
    heeds=("reference.scope", "trimming.method", "trimming.frozen"),
)
JUDGED = Stage(
    id="judged",
    zh=STAGES["judged"],
    make=judge,
    after=("intake", "sums", "cube"),
    heeds=(
        *PERIODS,
        "specialties",
        "projects",
        "minimum_unit_cases",
        "minimum_value_cases",
        "reference",
        "trimming",
        "weights",
        "risk_grades",
        "grouping",
        "indicators",
        "price_index",
        "change",
        "quality.month_low",
        "breaks",
        "robustness",
        "monitoring",
        "shocks",
    ),
    resources=(RULES,),
)
EVALUATED: tuple[Stage, ...] = (INTAKE, SUMS, CUBE, JUDGED)

# of the release edition: the tables of all of them, controlled
RELEASED = Stage(
    id="released",
    zh="披露控制",
    make=control,
    after=tuple(one.id for one in EVALUATED),
    heeds=(*PERIODS, "projects", "change.confidence", "disclosure"),
    every_table=True,
)
