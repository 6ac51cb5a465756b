"""The engine that tests run on, and the way from small text tables to cells."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# what tests share is imported by its name from every folder of tests
sys.path.insert(0, str(Path(__file__).parent))

import gc
import os
import shutil
import tempfile
import time

import pandas as pd
import pytest
import rows
from hypothesis import HealthCheck, Phase, settings

from toolkit import cube as cubes
from toolkit.cli import COLLECT
from toolkit.engine import connect
from toolkit.indicators import Declared
from toolkit.indicators.table import collect
from toolkit.params import RunParams
from toolkit.reference import Referenced, attach

UNTIL = "SPECEVAL_TESTS_UNTIL"  # the second, since 1970, after which no slow test may still run

# the same examples on every run: a failure here is a failure there
settings.register_profile(
    # each example is a query: shrinking one that fails would take longer than all the tests
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    # keys of runs lie in the user's state folder: not in that of who runs the tests
    # each worker has its own: runs of one name, as two tests make them at a time, have one key
    os.environ["XDG_STATE_HOME"] = folder = tempfile.mkdtemp(prefix="speceval-tests-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    gc.set_threshold(*COLLECT)  # as the command does
    # ibis 12 asks pandas 3 for an option that is on its way out, on every query; not ours to mend
    config.addinivalue_line("filterwarnings", "ignore:The 'future.infer_string' option:pandas.errors.Pandas4Warning")


def seconds_of(item: pytest.Item) -> int:
    """How long a slow test may take on two quiet cores; 0 of one that is not marked slow."""
    mark = item.get_closest_marker("slow")
    return mark.kwargs.get("seconds", 20) if mark else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if UNTIL in os.environ:
        items.sort(key=seconds_of)  # as many of them as there is time for


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Where time is limited, a slow test that may not end in time is not begun, and the closing lines say so."""
    if UNTIL in os.environ and (needed := seconds_of(item)) and time.time() + needed > float(os.environ[UNTIL]):
        pytest.skip(f"no time left for a test of up to {needed} s: `make test-all` runs it")


@dataclass
class Engine:
    """A connection, and tables made on it."""

    connection: Any

    def cube(self, frame: pd.DataFrame, params: RunParams) -> pd.DataFrame:
        """The cube of `rows.received` discharges."""
        groups = rows.registry_of(frame).rename(columns={"code": "hospital"})[["hospital", "level_group"]]
        table = self.connection.create_table("given", rows.stored(frame), overwrite=True)
        return cubes.build(table, params, groups, connection=self.connection)

    def attached(self, frame: pd.DataFrame, params: RunParams, basis: cubes.Basis = "contemporaneous") -> Referenced:
        return attach(self.cube(frame, params), params, rows.registry_of(frame), basis)

    def cells(
        self,
        frame: pd.DataFrame,
        params: RunParams,
        indicators: Iterable[Declared],
        by: list[str],
        basis: cubes.Basis = "contemporaneous",
    ) -> pd.DataFrame:
        return collect(self.attached(frame, params, basis), indicators, by)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(connect(tmp_path_factory.mktemp("engine"), threads=2))
