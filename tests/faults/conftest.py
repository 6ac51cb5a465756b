import sys
from pathlib import Path

# the jobs of these tests are also made in child programs, which import the same module
sys.path.insert(0, str(Path(__file__).parent))

import pytest
from small_reports import write_template


@pytest.fixture
def template(tmp_path):
    """Make a template with the given code cells after its parameters cell."""
    return lambda *cells, **more: write_template(tmp_path / "templates", *cells, **more)


@pytest.fixture
def run(tmp_path):
    """A run directory for reports."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"
