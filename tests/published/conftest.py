"""Published tables that stand beside the repository, never in it. Failure messages name counts only, no row."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FILES = (
    "ny_cardiac_pci_2008_2019.csv",
    "sparcs_facility_2009_2020.parquet",
    "spc/xmr_vectors.csv.gz",
    "scoring/cms_stars_2024_measures.csv.gz",
)
DEFAULT_FOLDER = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    folder = Path(os.environ.get("SPECEVAL_DATA") or DEFAULT_FOLDER)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        reason = f"published tables absent: {', '.join(missing)} not in {folder} (set SPECEVAL_DATA to their folder)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return folder
