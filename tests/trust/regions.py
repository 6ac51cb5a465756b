"""Small regions in one CSV file (合成数据), and the command line as a user has it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

CASES = Path(__file__).parent / "cases"
HEADER = [
    "hospital",
    "record",
    "visit",
    "patient",
    "year",
    "month",
    "los_days",
    "cost_fen",
    "died",
    "exit_mode",
    "admission_route",
    "sex",
    "age_years",
    "department",
    "principal_diagnosis",
    "principal_procedure",
    "surgery_level",
    "surgical",
    "drg",
]  # noqa: SIM905
PARAMETERS = {
    "title": "合成数据：检验",
    "cycles": {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}},
    "specialties": [{"id": f"s{i}", "name_zh": f"专科{i}", "departments": [f"D{i}"]} for i in (1, 2)],
    "projects": [{"hospital": "0001", "specialty": "s1", "level": "市"}],
    "minimum_unit_cases": 20,
    "change": {"minimum_cases": 20},
}


def rows(n=1200, hospitals=5, seed=5):
    """Records of a region: text by column."""
    random = np.random.default_rng(seed)
    made = []
    for i in range(n):
        died = random.random() < 0.04
        made.append(
            {
                "hospital": f"{1 + random.integers(hospitals):04}",
                "record": f"R{i:07}",
                "visit": "1",
                "patient": "",
                "year": str(2019 + i % 6),
                "month": str(1 + random.integers(12)),
                "los_days": str(1 + random.poisson(6)),
                "cost_fen": f"{random.lognormal(13.3, 0.5):.0f}",
                "died": "true" if died else "false",
                "exit_mode": "5" if died else "1",
                "admission_route": "2",
                "sex": str(1 + random.integers(2)),
                "age_years": str(18 + random.integers(70)),
                "department": f"D{1 + random.integers(2)}",
                "principal_diagnosis": str(random.choice(["J18.9", "I21.0", "K35.8", "C34.1"])),
                "principal_procedure": "",
                "surgery_level": "",
                "surgical": "false",
                "drg": f"FA0{random.integers(8)}",
            }
        )
    return made


def write(folder, records, name="a.csv", **changed):
    """A file of records and `p.yaml`; parameters of the top level as given."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [",".join(HEADER), *(",".join(row[c] for c in HEADER) for row in records)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = {"run": "r", "data": {"format": "canonical", "files": [name]}, **PARAMETERS, **changed}
    content = {key: value for key, value in content.items() if value is not None}
    path = folder / "p.yaml"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path


def speceval(*words, cwd, environment=None, **options):
    """The command line: exit code, what it printed, what it said of errors."""
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        **options,
    )


def tree(folder, without=("run.json", "state.json")):
    """Every file below a folder with its bytes, but those that say when and where, and the cache of the machine."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without and ".private" not in path.parts
    }
