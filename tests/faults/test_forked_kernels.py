"""Kernels that are copies of a warm process: the same as those that are started, each as fresh, and as surely ended."""

import json
import os

import pytest
from small_reports import QUICK, gone, job, leftovers
from whole_runs import made, write_region

from toolkit.running import Limits, execute, run_report, run_reports
from toolkit.running.report import notebook_bytes

TORTURE = [
    "import os, sys, threading, random, warnings\nimport numpy as np, pandas as pd, matplotlib.pyplot as plt",
    "print('合成'); print('stderr', file=sys.stderr); os.system('echo below'); None",
    "pd.DataFrame(np.arange(120).reshape(3, 40))",
    "fig, ax = plt.subplots(); ax.plot([1, 2, 4]); ax.set_title('x')",
    "!echo from the shell",
    "from IPython.display import HTML, Markdown, display, clear_output\ndisplay(HTML('<b>b</b>'), Markdown('*m*'))",
    "h = display('one', display_id='d'); h.update('two')",
    "for i in range(3):\n    print(i, end=' ', flush=True)\n    clear_output(wait=True)",
    "warnings.warn('once'); 1 + 1",
    "async def later():\n    import asyncio\n    await asyncio.sleep(0)\n    return 'awaited'\nawait later()",
    "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(abs, [-1, -2]))",
    "t = threading.Thread(target=print, args=('in a thread',)); t.start(); t.join()",
    "sorted(name for name in globals() if not name.startswith('_')), __name__, sys.argv[0]",
    "pd.get_option('display.max_columns'), plt.get_backend(), sys.flags.hash_randomization, hash('a'), sys.stdin.closed",
    "%matplotlib inline\nplt.bar([1, 2], [3, 4]); plt.show()",
]


@pytest.fixture(scope="module")
def modes():
    """A way to choose how kernels begin; the one before comes back in the end."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda how: patch.setenv("REPORT_KERNELS", how)


def test_a_forked_kernel_gives_the_bytes_of_a_started_one(modes, template, tmp_path):
    limits, found = Limits(cell_seconds=60, wall_seconds=120), {}
    for how in ("started", "forked"):
        modes(how)
        found[how] = notebook_bytes(execute(template(*TORTURE), {"year": 2023}, tmp_path / how, limits))
    assert found["forked"] == found["started"]
    assert found["forked"].count(b"image/png") == 2


@pytest.mark.slow
def test_a_whole_run_gives_the_bytes_of_started_kernels(modes, tmp_path):
    pages = {}
    for how in ("started", "forked"):
        modes(how)
        path = write_region(tmp_path / "region")
        made(params=str(path), reports=str(tmp_path / how))
        pages[how] = {p.relative_to(tmp_path / how): p.read_bytes() for p in (tmp_path / how).rglob("notebook.ipynb")}
    assert len(pages["forked"]) > 3
    assert pages["forked"] == pages["started"]


def test_nothing_of_one_kernel_is_seen_by_the_next(template, run):
    cell = (
        "import json, os, random, sys\nimport numpy as np\nimport matplotlib\n"
        "seen = {'name': 'left' in globals(), 'environment': 'LEFT' in os.environ, 'module': 'left_module' in sys.modules,"
        " 'style': matplotlib.rcParams['lines.linewidth'] == 99.0, 'error': np.geterr()['over'] == 'raise',"
        " 'attribute': hasattr(json, 'left')}\n"
        "drawn = [random.random(), float(np.random.random())]\n"
        "left = 1; os.environ['LEFT'] = '1'; sys.modules['left_module'] = sys; np.seterr(all='raise'); json.left = 1\n"
        "matplotlib.rcParams['lines.linewidth'] = 99.0\n"
        "print(json.dumps([seen, drawn]))"
    )
    path = template(cell)
    jobs = [job(run, path, report=f"r{k}", limits=Limits(cell_seconds=60, wall_seconds=120)) for k in range(3)]
    assert {outcome.state for outcome in run_reports(jobs, workers=1)} == {"DONE"}
    told = [json.loads((one.folder / "report.html").read_text()[3:-4].strip()) for one in jobs]
    assert not any(value for seen, _ in told for value in seen.values())
    drawn = [number for _, numbers in told for number in numbers]
    assert len(set(drawn)) == len(drawn)  # random numbers are new for each


@pytest.mark.parametrize(
    "leave",
    ["os.setsid()", "os.setsid(); os.environ.clear()\n    if os.fork(): os._exit(0)"],
    ids=["own session", "own session, without environment, orphaned"],
)
def test_a_copy_that_a_notebook_leaves_behind_is_ended(leave, template, run):
    pids = run / "pids"
    cell = (
        "import os, pathlib, time\n"
        "if os.fork() == 0:\n"
        f"    {leave}\n"
        f"    pathlib.Path({str(pids)!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(300)\n    os._exit(0)\n"
        f"while not pathlib.Path({str(pids)!r}).exists(): time.sleep(0.05)\n"
        "time.sleep(0.2)"
    )
    outcome = run_report(job(run, template(cell)))
    assert outcome.state == "DONE"
    assert gone(int(pids.read_text()))
    assert leftovers(run) == [] or leftovers(run) == ["pids"]


def test_a_kernel_that_ends_itself_or_is_killed_fails_its_report(template, run):
    for k, cell in enumerate(("import os; os._exit(0)", "import os; os.kill(os.getpid(), 9)", "import os; os.abort()")):
        outcome = run_report(job(run, template(cell), report=f"r{k}", limits=QUICK))
        assert (outcome.state, outcome.reason) == ("FAILED", "内核中断")


def test_the_driver_is_not_in_the_kernel(template, run):
    """What the copy brings along is modules: no name, no thread and no environment of the process that it came from."""
    os.environ["ONLY_OF_THE_ASKER"] = "1"
    try:
        cell = (
            "import os, threading\n"
            "print(sorted(t.name for t in threading.enumerate() if 'die-with' in t.name), 'REPORT_RUN' in os.environ,"
            " os.environ['ONLY_OF_THE_ASKER'], os.getcwd() == os.environ['PWD'] or 'work' in os.getcwd())"
        )
        made_now = job(run, template(cell))
        assert run_report(made_now).state == "DONE"
        assert (made_now.folder / "report.html").read_text() == "<p>[] True 1 True\n</p>"
    finally:
        del os.environ["ONLY_OF_THE_ASKER"]
