"""T12, T20 and T21: many reports at once."""

import multiprocessing
import os
import time

import pytest
from small_reports import job

from toolkit.errors import ParameterError
from toolkit.running import Limits, exit_code, run_reports, verify


def crash(_):
    os._exit(3)


def hang(_):
    time.sleep(120)


def raises(_):
    raise ValueError("张三")


def test_reports_do_not_mix(template, run):
    path = template("import os", "print(year, os.getcwd())")
    jobs = [job(run, path, f"r{n}", year=n) for n in range(4)]
    steps = []
    outcomes = run_reports(jobs, workers=3, progress=steps.append)
    assert [(o.id, o.state) for o in outcomes] == [(f"r{n}", "DONE") for n in range(4)]
    for n in range(4):
        year, folder = (run / f"r{n}" / "report.html").read_text()[3:-5].split()
        assert year == str(n)
        assert f"/.work-r{n}." in folder
    assert [step.done for step in steps] == list(range(5))
    assert steps[0].seconds_left is None
    assert steps[-1].seconds_left == 0


def test_a_broken_report_stops_no_other(template, run):
    good, bad = template("print(year)"), template("1 / 0")
    jobs = [
        job(run, good, "first"),
        job(run, bad, "bad"),
        job(run, good, "crash", renderers={"a.html": crash}),
        job(run, good, "raises", renderers={"a.html": raises}),
        job(run, good, "wrong", parameters={"yeer": 1}),
        job(run, good, "absent", renderers={"a.html": "no_such_module:page"}),
        job(run, good, "last"),
    ]
    outcomes = {outcome.id: outcome for outcome in run_reports(jobs, workers=2)}
    told = {name: (str(o.state), o.reason) for name, o in outcomes.items()}
    assert told == {
        "first": ("DONE", ""),
        "bad": ("FAILED", "单元出错"),
        "crash": ("FAILED", "报告进程中断"),
        "raises": ("FAILED", "渲染出错"),
        "wrong": ("REFUSED", "请求有误"),
        "absent": ("FAILED", "渲染出错"),
        "last": ("DONE", ""),
    }
    assert exit_code(list(outcomes.values())) != 0
    assert "张三" not in outcomes["raises"].message
    assert verify(run / "last") == []
    assert verify(run / "crash") != []


@pytest.mark.slow
def test_a_hanging_renderer_is_killed(template, run):
    hanging = job(run, template("1"), renderers={"a.html": hang}, limits=Limits(wall_seconds=6, render_seconds=1))
    [outcome] = run_reports([hanging], workers=1)
    assert outcome.reason == "超时"


def test_one_worker_or_many_give_the_same_bytes_and_only_the_unfinished_is_redone(template, run):
    path = template("print(year)\nobject()")
    one, two = run / "one", run / "two"
    run_reports([job(one, path, f"r{n}", year=n) for n in range(2)], workers=1)
    jobs = [job(two, path, f"r{n}", year=n) for n in range(2)]
    run_reports(jobs[::-1], workers=2)
    for n in range(2):
        for name in ("report.html", "notebook.ipynb", "manifest.json"):
            assert (one / f"r{n}" / name).read_bytes() == (two / f"r{n}" / name).read_bytes()
    (two / "r1" / "report.html").unlink()
    outcomes = run_reports(jobs, workers=2)
    assert [o.state for o in outcomes] == ["CACHED", "DONE"]
    assert exit_code(outcomes) == 0


def test_an_interrupt_ends_what_runs_starts_nothing_more_and_blames_no_report(template, run):
    quick, slow = template("print(year)"), template("import time", "time.sleep(100)")
    jobs = [job(run, quick, "quick"), job(run, slow, "slow"), job(run, slow, "waiting")]

    def interrupted(state):
        if state.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_reports(jobs, workers=2, progress=interrupted)
    assert multiprocessing.active_children() == []
    assert verify(run / "quick") == []
    for unfinished in ("slow", "waiting"):
        state = run / unfinished / "state.json"
        assert not state.exists() or '"FAILED"' not in state.read_text()


@pytest.mark.parametrize("hospitals", [4, pytest.param(2000, marks=pytest.mark.slow)])
def test_one_broken_hospital_among_many(hospitals, template, run, tmp_path):
    path = template("import pathlib", "print(int(pathlib.Path(source).read_text()))", parameters="source: str = ''")
    jobs = []
    for n in range(hospitals):
        data = tmp_path / f"h{n}.csv"
        data.write_text("hostile" if n == hospitals // 2 else str(n))
        jobs.append(job(run, path, f"h{n}", parameters={"source": str(data)}, inputs=[data]))
    outcomes = run_reports(jobs, workers=2)
    assert [o.id for o in outcomes if not o.exists] == [f"h{hospitals // 2}"]
    assert exit_code(outcomes) != 0


def test_two_jobs_for_one_folder_are_refused(template, run):
    with pytest.raises(ParameterError, match="重复"):
        run_reports([job(run, template("1"))] * 2, workers=1)
