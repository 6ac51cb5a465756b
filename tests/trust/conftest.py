import shutil

import pytest
from regions import rows, speceval, write


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A whole run of a small region with one project."""
    folder = tmp_path_factory.mktemp("made")
    write(folder, rows())
    done = speceval("run", "p.yaml", "-q", cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """The internal edition, to be tampered with."""
    return shutil.copytree(made / "reports" / "r", tmp_path / "r")
