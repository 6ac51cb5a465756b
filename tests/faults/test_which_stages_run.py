"""Which stages run when one thing changes; and what was kept gives, byte by byte, what making it anew would give."""

import json
import shutil
from dataclasses import replace
from operator import attrgetter

import pandas as pd
import pytest
from whole_runs import write_region

from toolkit.data.discharge.identity import key_place
from toolkit.data.reading import opening
from toolkit.params import RunParams, load_params
from toolkit.resources import resource
from toolkit.runs import explain, pipeline
from toolkit.runs import stage as stages
from toolkit.runs.walk import Walk

ALL = ["intake", "sums", "cube", "judged"]
REPORT = ["data_quality"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A whole run with one project, of whose reports one is made."""
    folder = tmp_path_factory.mktemp("stages")
    write_region(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        one_report(patch)
        done = pipeline.run(params_of(folder), folder / "reports", workers=1)
    assert [o.state for o in done.outcomes] == ["DONE"]
    assert redone(done.why) == (ALL, REPORT)
    return folder


@pytest.fixture
def run(first, tmp_path, monkeypatch):
    """The first run, to be gone on with."""
    one_report(monkeypatch)
    shutil.copytree(first, tmp_path / "run")
    return tmp_path / "run"


def one_report(patch):
    really = pipeline.jobs
    patch.setattr(pipeline, "jobs", lambda *given: [job for job in really(*given) if job.id in REPORT])


def params_of(folder):
    """Few of the many ways that verdicts are held against, so that a stage takes seconds."""
    return changed(load_params(folder / "data" / "trial.yaml"), "robustness", methods=["did"], shocks=["with"])


def redone(why):
    """Ids of the stages and of the reports that are not kept."""
    return tuple([one.what for one in why if not one.kept and one.report is kind] for kind in (False, True))


def changed(params, section, **choices):
    """`params` with other choices in a section, or at the top, read as a parameter file is."""
    given = json.loads(params.model_dump_json())
    (given[section] if section else given).update(choices)
    return RunParams.model_validate_json(json.dumps(given))


def table_of_rules(folder):
    """The verdict rules that come with the toolkit, in a file of one's own with one sentence said otherwise."""
    path = folder / "rules.yaml"
    text = resource("params/rules/verdict.yaml").read_text("utf-8")
    path.write_text(text.replace("zh: ", "zh: 按本办法，", 1), encoding="utf-8")
    assert path.read_text("utf-8") != text
    return path


CHANGES = {
    "nothing": (lambda p, _: p, [], []),
    "title": (lambda p, _: changed(p, "", title="另一标题"), [], REPORT),
    "note": (lambda p, _: changed(p, "", notes=["须说明"]), [], REPORT),
    "unit of money on the page": (lambda p, _: changed(p, "data", currency="美元"), [], REPORT),
    "shock": (
        lambda p, _: changed(p, "", shocks=[{"label": "某事件", "first": 2020, "last": 2020}]),
        ["judged"],
        REPORT,
    ),
    "reference of the whole region": (lambda p, _: changed(p, "reference", scope="region"), ["cube", "judged"], REPORT),
    "reference's least cases": (lambda p, _: changed(p, "reference", minimum_cases=9), ["judged"], REPORT),
    "yearly trimming by stored limits": (
        lambda p, _: changed(p, "trimming", method="none"),
        ["cube", "judged"],
        REPORT,
    ),
    "trimming's multiple": (lambda p, _: changed(p, "trimming", iqr_above=2.0), ["sums", "cube", "judged"], REPORT),
    "grade rule": (lambda p, _: changed(p, "risk_grades", rates="empirical_bayes"), ["judged"], REPORT),
    "method": (lambda p, _: changed(p, "change", methods=["did", "two_period_years"]), ["judged"], REPORT),
    "method that judges": (lambda p, _: changed(p, "change", verdict_from="twfe"), ["judged"], REPORT),
    "verdict rule": (lambda p, f: changed(p, "change", verdict_rules=str(table_of_rules(f))), ["judged"], REPORT),
    "quality rule": (lambda p, _: changed(p, "exclusions", los_over_days=50), ALL, REPORT),
    "project": (lambda p, _: changed(p, "", projects=[]), ["sums", "cube", "judged"], REPORT),
}


# what each redoes is planned in all tests; done in those of which the plan could best be wrong
DONE = ("nothing", "title", "note", "shock", "reference of the whole region", "verdict rule")


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_choice_plans_again_what_heeds_it_and_nothing_else(what, run):
    change, stages_redone, _ = CHANGES[what]
    assert redone(pipeline.planned(change(params_of(run), run), run / "reports"))[0] == stages_redone


@pytest.mark.parametrize("what", [w if w in DONE else pytest.param(w, marks=pytest.mark.slow) for w in CHANGES])
def test_a_changed_choice_makes_again_what_heeds_it_and_nothing_else(what, run):
    change, stages_redone, reports_redone = CHANGES[what]
    params = change(params_of(run), run)
    before = pipeline.planned(params, run / "reports")
    assert redone(before)[0] == stages_redone
    walk = Walk(params, run / "reports" / "trial")
    pipeline.evaluated(walk)
    assert redone(walk.why)[0] == stages_redone
    assert redone(pipeline.planned(params, run / "reports")) == ([], reports_redone)
    if stages_redone:
        assert any("参数" in line for one in walk.why for line in one.reasons)


def test_a_changed_file_is_the_only_one_read_and_all_stages_run(run, monkeypatch):
    (run / "reports" / "trial" / "stages" / "intake.json").unlink()
    # a copy of what was typed is not taken for it
    Walk(params_of(run), run / "reports" / "trial").through(pipeline.EVALUATED[0])
    path = run / "data" / "0015.csv"
    path.write_text(path.read_text("utf-8").replace("false", "true", 1), encoding="utf-8")
    opened, really = [], opening.open_tables
    monkeypatch.setattr(opening, "open_tables", lambda n, p, *more: opened.append(p.name) or really(n, p, *more))
    walk = Walk(params_of(run), run / "reports" / "trial")
    pipeline.evaluated(walk)
    assert redone(walk.why)[0] == ALL
    assert walk.why[0].reasons == ("数据文件 data file 0015.csv 改动 changed",)
    assert opened == ["0015.csv"]


CODE = {
    "reporting/content/templates/base.css": [],
    "evaluation/verdict.py": ["judged"],
    "reference/grades.py": ["judged"],
    "cube/trims.py": ["sums", "cube", "judged"],
    "data/reading/typed_rows.py": ALL,
}


@pytest.mark.parametrize("file", CODE)
def test_a_byte_of_code_makes_again_what_imports_it(file, run, monkeypatch):
    """A file that differs by a byte has another hash: the one hash is put in the place of the other."""
    really, files, software = stages.closure, explain.code_files(), explain.software()
    assert file in files

    def closure(modules):
        return {name: "0" * 64 if name == file else value for name, value in really(modules).items()}

    monkeypatch.setattr(stages, "closure", closure)
    monkeypatch.setattr(explain, "code_files", lambda: {**files, file: "0" * 64})
    monkeypatch.setattr(explain, "software", lambda: replace(software, code="0" * 64))
    why = pipeline.planned(params_of(run), run / "reports")
    assert redone(why)[0] == CODE[file]
    told = [line for one in why for line in one.reasons]
    assert any(line == f"程序 code {file} 改动 changed" for line in told), told
    if not CODE[file]:
        assert redone(why)[1] == REPORT


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm", ["key gone", "table gone", "column gone", "byte changed", "seal cut", "records gone", "older layout"]
)
def test_what_is_not_whole_is_made_again_and_nothing_half_kept(harm, run, request):
    folder = run / "reports" / "trial"
    kept = key_place(folder.name)
    key = kept.read_bytes()  # of all runs of this name
    request.addfinalizer(lambda: kept.write_bytes(key))
    cells = folder / "stages" / "judged" / "cells.parquet"
    if harm == "key gone":
        kept.unlink()
    elif harm == "table gone":
        cells.unlink()
    elif harm == "column gone":
        frame = pd.read_parquet(cells).drop(columns="value")
        cells.unlink()
        frame.to_parquet(cells)
    elif harm == "byte changed":  # of a number: the table can still be read
        frame = pd.read_parquet(cells)
        cells.unlink()
        frame.assign(value=frame["value"] * 1.5).to_parquet(cells)
    elif harm == "seal cut":
        seal = folder / "stages" / "judged.json"
        seal.write_bytes(seal.read_bytes()[:-9])
    elif harm == "records gone":
        next((folder / "data" / "discharges").iterdir()).unlink()
    else:  # tables and records as they lay before there were stages
        shutil.rmtree(folder / "stages")
    # made again from the same, records are the same: what rests on them stands
    wanted = ALL if harm in ("key gone", "older layout") else ["intake"] if harm == "records gone" else ["judged"]
    walk = Walk(params_of(run), folder)
    results = pipeline.evaluated(walk)
    assert [one.what for one in walk.why if not one.kept] == wanted
    assert "value" in results.cells
    again = Walk(params_of(run), folder)
    pipeline.evaluated(again)
    assert redone(again.why)[0] == []


@pytest.mark.slow
def test_changed_step_by_step_or_made_at_once_gives_the_same_bytes(run, tmp_path):
    """A new file among the old, then another reference, grade and verdict rule: the same tables and records as a new run."""
    folder, other = run / "reports" / "trial", tmp_path / "other"
    write_region(run / "more", order=("0016",), seed=8)
    shutil.move(run / "more" / "0016.csv", run / "data" / "0016.csv")
    params = params_of(run)
    files = [*params.data.files, str(run / "data" / "0016.csv")]
    steps = [changed(params, "data", files=files)]
    steps.append(changed(steps[-1], "reference", scope="region"))
    steps.append(changed(steps[-1], "risk_grades", rates="empirical_bayes"))
    steps.append(changed(steps[-1], "change", verdict_rules=str(table_of_rules(run))))
    for step in steps:
        pipeline.evaluate(step, folder)
    shutil.copy(key_place(folder.name), key_place(other.name))
    pipeline.evaluate(steps[-1], other)
    names = sorted(
        p.relative_to(other) for part in ("results", "data") for p in (other / part).rglob("*") if p.is_file()
    )
    assert len(names) > 35
    different = [str(name) for name in names if (folder / name).read_bytes() != (other / name).read_bytes()]
    assert different == []


def test_a_stage_cannot_read_what_it_does_not_declare(run):
    """Each stage is given parameters without the fields that its key does not hold."""
    params = params_of(run)
    for stage in pipeline.EVALUATED:
        seen = stage.seen(params)
        for name in ("title", "notes", "run", "edition", "disclosure"):
            assert not stage.may_read(name)
            with pytest.raises(AttributeError):
                getattr(seen, name)
    intake, sums, cube, judged = pipeline.EVALUATED
    for stage, name in (
        (intake, "change"),
        (intake, "projects"),
        (sums, "risk_grades"),
        (sums, "reference.scope"),
        (cube, "specialties"),
        (judged, "quality.ragged_share"),
        (judged, "data"),
    ):
        with pytest.raises(AttributeError):
            attrgetter(name)(stage.seen(params))
    with pytest.raises(AttributeError):
        _ = intake.seen(params).data.key_file
