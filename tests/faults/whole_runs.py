"""A small region in CSV files (合成数据), and a program that makes a whole run of it, asked for in JSON."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

HEADER = "hospital,year,month,los_days,cost_fen,died,drg,department"
YAML = """\
run: trial
title: 检验用小区域（合成数据）
data: {{format: canonical, files: [{files}]}}
cycles: {{before: {{first: 2019, last: 2021}}, after: {{first: 2022, last: 2024}}}}
minimum_unit_cases: 20
specialties:
  - {{id: cardiology, name_zh: 心血管内科, departments: ["03.04"]}}
  - {{id: urology, name_zh: 泌尿外科, departments: ["04.04"], surgical: true}}
projects: [{{hospital: "0012", specialty: cardiology, level: 市}}]
"""

QUICK = {"only": ["data_quality"], "projects": 0}


def write_region(folder, order=("0012", "0015", "0018"), seed=3, shuffled=False):
    """One CSV file a hospital and the parameter file, which lists them in `order`; rows shuffled where asked."""
    folder.mkdir(parents=True, exist_ok=True)
    for hospital in sorted(order):
        random = np.random.default_rng([seed, int(hospital)])
        rows = [
            f"{hospital},{2019 + i % 6},{1 + i % 12},{1 + random.integers(20)},{random.lognormal(13, 0.7):.0f},"
            f"{'true' if random.random() < 0.02 else 'false'},F{random.integers(9)}A1,{'03.04' if i % 3 else '04.04'}"
            for i in range(900)
        ]
        if shuffled:
            np.random.default_rng(9).shuffle(rows)
        (folder / f"{hospital}.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    path = folder / "trial.yaml"
    path.write_text(YAML.format(files=", ".join(f"{hospital}.csv" for hospital in order)), encoding="utf-8")
    return path


def program(**asked):
    """This file as a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(asked)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def made(**asked):
    done = program(**asked)
    out, err = done.communicate()
    assert done.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


def told(folder, params=None):
    """What verification says of a run."""
    from toolkit.runs.verification import verify_run

    return [str(d) for d in verify_run(folder, params).differences]


def main(asked):
    """Make the run; `only`: these reports of the region, `die_at`: a step at which the power goes, `bytes`: of the disk."""
    from toolkit.errors import EvaluationError
    from toolkit.params import load_params
    from toolkit.running import publish
    from toolkit.runs import pipeline, plan

    def die(step):
        if step == asked.get("die_at"):
            os._exit(9)

    publish.fault_point = die
    if "only" in asked:
        plan.OF_RUN = {id_: title for id_, title in plan.OF_RUN.items() if id_ in asked["only"]}
    params = load_params(Path(asked["params"]))
    params = params.model_copy(
        update={"edition": asked.get("edition", "internal"), "projects": params.projects[: asked.get("projects", 9)]}
    )
    if "bytes" in asked:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["bytes"], asked["bytes"]))
    try:
        done = pipeline.run(params, Path(asked["reports"]), workers=asked.get("workers", 2))
    except EvaluationError as error:
        print(json.dumps({"error": str(error), "reason": str(getattr(error, "reason", "")), "code": error.exit_code}))  # noqa: T201
        raise SystemExit(error.exit_code) from None
    print(json.dumps({o.id: [o.state, o.reason, o.message] for o in done.outcomes}))  # noqa: T201


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
