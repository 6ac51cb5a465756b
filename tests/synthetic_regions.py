"""A run of a synthetic region (合成数据) that lies in a folder as `toolkit.synthetic.write_front_pages` leaves it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from toolkit.synthetic import Settings


def parameters_of_region(base: Path, region: Path, run: str = "canaries") -> Path:
    """The parameter file `run.yaml` in `base`: all specialties and projects of the region, minimum counts for a small one."""
    departments = pd.read_csv(region / "departments.csv", dtype=str)
    projects = pd.read_csv(region / "projects.csv", dtype=str)
    first, last = Settings().years[0], Settings().years[-1]
    content = {
        "run": run,
        "title": "合成数据：哨兵",
        "data": {
            "format": "front-page",
            "files": [str(region / "front_pages")],
            "hospitals": str(region / "hospitals.csv"),
            "drg_file": {"file": str(region / "drg.csv"), "discharge": "B15"},
        },
        "cycles": {"before": {"first": first, "last": first + 2}, "after": {"first": last - 2, "last": last}},
        "specialties": [
            {"id": i, "name_zh": i, "departments": list(p["department"])} for i, p in departments.groupby("specialty")
        ],
        "projects": [
            {"hospital": r.hospital, "specialty": r.specialty, "level": r.level} for r in projects.itertuples()
        ],
        "minimum_unit_cases": 20,
        "change": {"minimum_cases": 20},
    }
    path = base / "run.yaml"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path
