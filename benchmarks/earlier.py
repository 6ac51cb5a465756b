"""The recommended method as it was at an earlier commit, on the same regions: what a change of the method did to its level.

The earlier toolkit is taken out of the repository's history and runs in a process of its own; cells and units go there and
changes come back.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import HERE

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.models.change.base import Findings, Study

WORK = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
from toolkit.indicators import CATALOGUE
from toolkit.models import METHODS
from toolkit.models.base import Study
from toolkit.params import Years
out, sys.stdout = sys.stdout.buffer, sys.stderr
while True:
    try:
        cells, units, indicators, before, after = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    study = Study(
        indicators={i: CATALOGUE[i] for i in indicators},
        units=units,
        before=Years(first=before[0], last=before[1]),
        after=Years(first=after[0], last=after[1]),
    )
    pickle.dump(METHODS["did"].estimate(cells, study).changes, out)
    out.flush()
"""


class Earlier:
    """`did` of a commit whose methods stood in `toolkit.models`."""

    def __init__(self, commit: str) -> None:
        self.commit = commit

    @cached_property
    def _process(self) -> subprocess.Popen[bytes]:
        folder = Path(tempfile.mkdtemp(prefix=f"toolkit-{self.commit}-"))
        archive = subprocess.run(
            ["git", "archive", self.commit, "toolkit"], cwd=HERE.parent, check=True, capture_output=True
        )
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
            packed.extractall(folder, filter="data")
        environment = os.environ | {"PYTHONPATH": str(folder)}
        return subprocess.Popen(
            [sys.executable, "-P", "-c", WORK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=folder,
        )

    def __call__(self, cells: pd.DataFrame, study: Study) -> Findings:
        from toolkit.models.change.base import Findings

        process: Any = self._process
        years = [(one.first, one.last) for one in (study.before, study.after)]
        pickle.dump((cells, study.units, list(study.indicators), *years), process.stdin)
        process.stdin.flush()
        return Findings(changes=pickle.load(process.stdout))
