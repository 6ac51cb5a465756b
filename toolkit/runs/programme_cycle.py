"""One whole cycle on a synthetic region (合成数据), from applications to 挂牌: every step by what its command calls.

Each step leaves the files that its command would leave, and the tables that notebooks read. With real applicants people stand
between the steps; then each is a command of its own (docs/a-cycle.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from toolkit.errors import ParameterError
from toolkit.evaluation.results import Results
from toolkit.frames import row_at, rows_of
from toolkit.indicators import CATALOGUE, Direction
from toolkit.params import RunParams, load_params
from toolkit.params.data import Project
from toolkit.programme import answers, evidence, panel, protocol, score_sheets, spot_check
from toolkit.programme.decided import Decisions, decide
from toolkit.programme.decision import Outcome, read_rule
from toolkit.programme.draws import drawn
from toolkit.programme.findings import of_run
from toolkit.programme.influence import drawn_anew
from toolkit.programme.ledger import STATEMENT, Ledger
from toolkit.programme.ledger_export import entries_table, projects_table
from toolkit.programme.opened_cycle import REGION, TABLES
from toolkit.programme.rehearsal import rehearse
from toolkit.programme.run_values import values_of
from toolkit.programme.scoring import score
from toolkit.programme.selection import read_selection, select, sheets_of
from toolkit.programme.systems import System, read_system
from toolkit.programme.tables import all_or_none, write_table, write_tables
from toolkit.resources import resource
from toolkit.runs.asked import Progress, quiet
from toolkit.runs.decision_entry import decision_about, enter_decision
from toolkit.runs.pipeline import evaluate
from toolkit.runs.record_correlation import record_correlation
from toolkit.runs.site_records import sampled, with_breaks
from toolkit.strict_yaml import Section, read_yaml, validate

Text = Annotated[str, Field(min_length=1)]
BEFORE, LEDGER = "region-before", "ledger.sqlite"
DEMO = "params/programme-demo.yaml"


class Programme(Section):
    """The example: files beside this one, and how much of everything.

    Attributes
    ----------
    evaluation
        Parameter file of a synthetic region with two cycles.
    draws
        Of scores, for the probability of being chosen, and of findings, for that of a flip.
    records
        Verified at each site.
    """

    id: Text
    title: Text
    notes: list[Text] = Field(default=[])
    evaluation: Text
    system: Text
    selection: Text
    panel: Text
    decision: Text
    experts: int = Field(ge=1)
    draws: int = Field(ge=0)
    records: int = Field(ge=1)
    seed: int = Field(ge=0)


def read_programme(path: Path | None = None) -> Programme:
    """The example in a YAML file; the shipped one if none is given."""
    file = path or resource(DEMO)
    values, lines = read_yaml(file)
    return validate(Programme, values, lines, file)


@dataclass(eq=False)
class Cycle:
    """A cycle under way: where it lies, its files, its ledger, the tables made so far."""

    programme: Programme
    folder: Path
    files: Mapping[str, Path]
    ledger: Ledger
    progress: Progress
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def system(self) -> System:
        """The system of indicators."""
        return read_system(self.files["system"])

    @property
    def params(self) -> RunParams:
        """The region's evaluation, under the cycle's own name."""
        own = {"run": self.programme.id, "title": self.programme.title, "notes": self.programme.notes}
        return load_params(self.files["evaluation"]).model_copy(update=own)

    def generator(self, step: int) -> np.random.Generator:
        """A stream of its own for each step."""
        return np.random.default_rng([self.programme.seed, step])


def run_cycle(path: Path | None, folder: Path, progress: Progress = quiet) -> Path:
    """The whole cycle in a new folder.

    Returns
    -------
    Path
        `folder / tables`, with what notebooks read.

    Raises
    ------
    ParameterError
        The folder holds something already, or the evaluation has no synthetic region.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ParameterError(
            "文件夹不空",
            "the folder is not empty",
            where=str(folder),
            remedy="换一个新文件夹；台账只增不改，不在旧台账上重演",
            remedy_english="choose a new folder: a ledger is not played again",
        )
    programme, home = read_programme(path), (path or resource(DEMO)).parent
    files = {
        name: home / getattr(programme, name) for name in ("evaluation", "system", "selection", "panel", "decision")
    }
    if load_params(files["evaluation"]).data.synthetic is None:
        raise ParameterError(
            "示例周期须用合成区域",
            "the example needs a synthetic region",
            where=str(files["evaluation"]),
            remedy="真实数据逐步用各命令，见 docs/a-cycle.md",
            remedy_english="with real data use the commands one by one",
        )
    (folder / TABLES).mkdir(parents=True)
    cycle = Cycle(programme=programme, folder=folder, files=files, ledger=Ledger(folder / LEDGER), progress=progress)
    try:
        _apply(cycle)
        _score_by_panel(cycle)
        chosen = _choose(cycle)
        results = _build(cycle, chosen)
        _evaluate_end(cycle, results)
        entries = cycle.ledger.entries()
        cycle.tables["ledger"] = entries_table(entries, cycle.ledger.states)
        cycle.tables["states"] = projects_table(cycle.ledger, entries)
    finally:
        cycle.ledger.close()
    for name, table in cycle.tables.items():
        write_table(table, folder / TABLES / f"{name}.csv")
    return folder / TABLES


# --- 申报 ------------------------------------------------------------------------------------------------------------------


def _apply(cycle: Cycle) -> None:
    """The region before the cycle, who applies, the evidence that is given."""
    cycle.progress("申报", 0.0)
    params = cycle.params
    spec = params.data.synthetic
    assert spec is not None  # noqa: S101  checked
    nobody = spec.model_copy(update={"projects": 0})
    before = params.model_copy(update={"data": params.data.model_copy(update={"synthetic": nobody})})
    results = evaluate(before, cycle.folder / BEFORE)
    system, generator = cycle.system, cycle.generator(1)
    values, errors = values_of(results, system, "before")
    shown = [c for c in values if c not in {item.of for item in system.items}]
    applicants = answers.applications(values[shown].copy(), results.hospitals, generator)
    diseases = answers.diseases(generator)
    strength = dict(zip(applicants["applicant"], _strength(applicants, generator), strict=True))
    lower = {i for i in CATALOGUE if CATALOGUE[i].direction == Direction.LOWER}
    by_unit = values.set_index("applicant").to_dict("index")
    (cycle.folder / "workbooks-filled").mkdir()
    books = []
    for path in evidence.write_templates(system, applicants.astype(str), cycle.folder / "workbooks"):
        own = cycle.folder / "workbooks-filled" / path.name
        answers.filled(path, own, evidence.ITEMS, answers.of_evidence(strength[path.stem], generator))
        plan = {str(k): v for k, v in by_unit[path.stem].items() if isinstance(v, float)}
        books.append(answers.filled(own, own, evidence.PLAN, answers.of_plan(plan, lower)))
    read = evidence.read_workbooks(system, list(applicants["applicant"]), books)
    evidence.take_in(cycle.folder / "evidence", read, who="合成")
    for project in applicants["applicant"]:
        cycle.ledger.move(project, "applied", role="hospital", who="合成申报人", why="按期申报")
    cycle.tables |= {"applicants": applicants, "diseases": diseases, "records": values, "errors": errors}
    cycle.tables["targets"] = evidence.targets_of(cycle.folder / "evidence")
    cycle.tables["strength"] = pd.DataFrame({"applicant": list(strength), "strength": list(strength.values())})


def _strength(applicants: pd.DataFrame, generator: np.random.Generator) -> np.ndarray:
    """What an applicant is worth apart from its records, 0–1: larger hospitals somewhat more."""
    base = np.where(applicants["hospital_level"] == "三甲", 0.75, np.where(applicants["tier"] == "市", 0.65, 0.55))
    return np.clip(base + generator.normal(0, 0.1, len(applicants)), 0.1, 0.98)


# --- 评审 ------------------------------------------------------------------------------------------------------------------


def _score_by_panel(cycle: Cycle) -> None:
    """Experts assigned, sheets filled in and read back, agreement."""
    cycle.progress("评审", 0.3)
    rule, system, generator = panel.read_panel_rule(cycle.files["panel"]), cycle.system, cycle.generator(2)
    applicants = cycle.tables["applicants"]
    hospitals = applicants[["hospital"]].drop_duplicates().rename(columns={"hospital": "code"})
    experts = answers.experts(hospitals, cycle.programme.experts)
    assigned = panel.assign(rule, experts, applicants, seed=cycle.programme.seed)
    worth = cycle.tables["strength"].set_index("applicant")["strength"]
    by_code = {one.code: float(worth[one.applicant]) for one in rows_of(assigned)}
    (cycle.folder / "sheets-filled").mkdir()
    files = []
    for path in score_sheets.write_sheets(system, assigned, cycle.folder / "sheets"):
        severity = generator.normal(0, 0.4) - (2.5 if path.stem.endswith("01") else 0.0)  # one expert stands apart
        rating = answers.of_ratings(by_code, severity, generator)
        files.append(answers.filled(path, cycle.folder / "sheets-filled" / path.name, score_sheets.SCORES, rating))
    scores = score_sheets.read_sheets(system, assigned, files)
    found = panel.agreement(system, scores, rule)
    cycle.tables |= {
        "experts": experts,
        "assigned": assigned,
        "panel_scores": panel.combined(rule, scores),
        "agreement": found["items"],
        "disagreement": found["questions"],
        "standing": found["experts"],
    }


# --- 遴选与立项 ---------------------------------------------------------------------------------------------------------------


def _choose(cycle: Cycle) -> list[str]:
    """Scores, eligibility, places, the probability of being chosen; the protocol sealed with the funding."""
    cycle.progress("遴选", 0.4)
    system, rules = cycle.system, read_selection(cycle.files["selection"])
    applicants, given = cycle.tables["applicants"], cycle.tables["panel_scores"]
    values = evidence.values_with(system, cycle.tables["records"], cycle.folder / "evidence")
    values = panel.with_panel(system, values, given)
    errors = panel.with_panel(system, cycle.tables["errors"], given, column="se")
    card = score(system, values)
    number = cycle.programme.draws
    draws = drawn(system, values, errors, draws=number, seed=cycle.programme.seed, band=0.25, anew=drawn_anew(number))
    scores = card.units.set_index("unit")["score"]
    text = applicants.astype(str)
    found = select(rules, text, scores, lists={"diseases": cycle.tables["diseases"]}, draws=draws)
    places = int(found.applicants["chosen"].sum())
    cycle.tables |= {
        "values": values,
        "scores": card.wide(),
        "ranks": draws.table(first=places),
        "selected": found.applicants,
        "eligibility": found.lines,
        "rules": found.rules,
        "influence": found.influence,
    }
    write_tables(sheets_of(found), cycle.folder / "selection.xlsx")
    write_table(cycle.tables["targets"], cycle.folder / "targets.csv")
    _enter_selection(cycle, found.applicants, found.lines)
    protocol.seal(
        _sealed_files(cycle),
        cycle.folder / "protocol.json",
        title=cycle.programme.title,
        ledger=cycle.ledger,
        role="commission",
        who="合成经办人",
        why="立项时封存评估方案",
    )
    return sorted(found.applicants.loc[found.applicants["chosen"], "applicant"])


def _sealed_files(cycle: Cycle) -> dict[str, Path]:
    names = {"rule": "decision", "system": "system", "selection": "selection", "parameters": "evaluation"}
    return {**{role: cycle.files[name] for role, name in names.items()}, "targets": cycle.folder / "targets.csv"}


def _enter_selection(cycle: Cycle, selected: pd.DataFrame, lines: pd.DataFrame) -> None:
    ledger, by = cycle.ledger, "合成经办人"
    holds = lines.groupby("applicant")["holds"].all()
    for one in rows_of(selected):
        if not bool(holds[one.applicant]):
            ledger.move(one.applicant, "refused", role="county", who=by, why=one.why)
            continue
        ledger.move(one.applicant, "screened", role="county", who=by)
        ledger.move(one.applicant, "reviewed", role="panel", who="合成专家组")
        if one.chosen:
            ledger.move(one.applicant, "funded", role="commission", who=by, why=f"{one.track}，得分 {one.score:.2f}")
        else:
            ledger.move(one.applicant, "refused", role="commission", who=by, why=one.why)


# --- 建设周期 ---------------------------------------------------------------------------------------------------------------


def _build(cycle: Cycle, chosen: list[str]) -> Results:
    """The region with the chosen projects at work, and three yearly looks."""
    cycle.progress("建设周期", 0.5)
    params = cycle.params
    spec = params.data.synthetic
    assert spec is not None  # noqa: S101  checked
    units = cycle.tables["applicants"].set_index("applicant")
    keys = {p: (str(row_at(units, p)["hospital"]), str(row_at(units, p)["specialty"])) for p in chosen}
    names = [f"{hospital} {specialty}" for hospital, specialty in keys.values()]
    projects = [
        Project(hospital=hospital, specialty=specialty, level="县" if row_at(units, p)["tier"] == "县" else "市")
        for p, (hospital, specialty) in keys.items()
    ]
    data = params.data.model_copy(update={"synthetic": spec.model_copy(update={"chosen": names})})
    results = evaluate(params.model_copy(update={"data": data, "projects": projects}), cycle.folder / REGION)
    for year in range(params.periods["after"].first, params.periods["after"].last + 1):
        for project in chosen:
            cycle.ledger.move(project, "monitored", role="commission", who="合成经办人", why=f"{year} 年度")
    return results


# --- 期末评估到挂牌 -----------------------------------------------------------------------------------------------------------


def _evaluate_end(cycle: Cycle, results: Results) -> None:
    """Rehearsal, decision with the proof, visits, review, 挂牌."""
    cycle.progress("期末评估", 0.8)
    rule, programme = read_rule(cycle.files["decision"]), cycle.programme
    rehearsed = rehearse(results, rule)
    changed = protocol.changes(
        protocol.opened(cycle.folder / "protocol.json"), _sealed_files(cycle), cycle.ledger.entries()
    )
    shared = record_correlation(cycle.folder / REGION, [one.id for one in rule.indicators], seed=programme.seed)
    findings = of_run(results, rule, cycle.tables["targets"], by_records=shared)
    decided = decide(findings, draws=programme.draws, seed=programme.seed)
    proof = pd.DataFrame([asdict(one) for one in changed], columns=["what", "where", "then", "now"])
    out = cycle.folder / "decisions.xlsx"
    with all_or_none(out), cycle.ledger.entering() as enter:
        sheets = {"结论": decided.projects, "指标": decided.indicators, "指标间相关": decided.pairs}
        write_tables({**sheets, "封存以来的改动": proof}, out)
        about = decision_about(decided, cycle.folder / REGION, cycle.folder / "protocol.json", changed, out)
        enter_decision(enter, decided, about, role="commission", who="合成经办人")
    sites, found, final = _visit(cycle, decided)
    cycle.tables |= {
        "rehearsal": rehearsed.rates,
        "decisions": decided.projects,
        "findings": decided.indicators,
        "correlations": decided.pairs,
        "proof": proof,
        "sites": sites,
        "visited": found.projects,
        "verified_fields": found.fields,
        "final": final,
    }
    whole = spot_check.over_all(found.projects, sites, sites.set_index("project")["cases"])
    cycle.tables["errors_over_all"] = pd.DataFrame([asdict(whole)])
    write_tables({"结论": final, "现场": found.projects, "分项": found.fields}, cycle.folder / "final.xlsx")
    _enter_end(cycle, final)


def _visit(cycle: Cycle, decided: Decisions) -> tuple[pd.DataFrame, spot_check.Visited, pd.DataFrame]:
    programme, generator = cycle.programme, cycle.generator(3)
    folder = cycle.folder / REGION
    sites = spot_check.draw_sites(decided.projects, breaks=with_breaks(folder), seed=programme.seed)
    records, sizes = sampled(folder, list(sites["project"]), programme.records, programme.seed)
    sites = sites.assign(cases=sites["project"].map(sizes))
    going = records[records["project"].isin(sites.loc[sites["visited"], "project"])]
    spot_check.write_form(sites, going, cycle.folder / "visit.xlsx", programme.title)
    form = cycle.folder / "visit-filled.xlsx"
    answers.filled(cycle.folder / "visit.xlsx", form, spot_check.PROJECTS, answers.of_site(generator))
    answers.filled(form, form, spot_check.RECORDS, answers.of_records(generator))
    found = spot_check.read_form(form, sites)
    final = spot_check.after_visit(read_rule(cycle.files["decision"]), decided.projects, found.projects)
    return sites, found, final


def _enter_end(cycle: Cycle, final: pd.DataFrame) -> None:
    ledger, by = cycle.ledger, "合成经办人"
    for one in rows_of(final):
        outcome = Outcome(one.final)
        ledger.move(one.project, "evaluated", role="panel", who="合成专家组", why=one.final_zh, decision=one.final)
        if outcome is Outcome.MEND:
            ledger.move(one.project, "mending", role="commission", who=by, why=one.mend or one.site or one.why)
            ledger.append(
                kind=STATEMENT,
                role="hospital",
                who="合成申报人",
                project=one.project,
                why="对结论无异议，按期整改",
                content={"class": "clinical"},
            )
            ledger.move(one.project, "rechecked", role="commission", who=by, why="整改期满复核")
            ledger.move(one.project, "ended", role="commission", who=by, why="示例中整改后仍未达到")
        elif outcome is Outcome.QUALIFIED:
            ledger.move(one.project, "rechecked", role="commission", who=by, why="合格，申请复核")
            ledger.move(one.project, "recognised", role="commission", who=by, why="复核通过，挂牌")
        # 边界 that was not settled and 不予评价 stay evaluated, for a commission to decide
