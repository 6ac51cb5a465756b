"""The files that belong to the toolkit beside its code: notebooks, parameter files, verdict rules, the lock.

In a checkout they lie beside the package, where people edit them; in an installed package in `toolkit/shipped/`, where the
wheel has put them (`hatch_build.py`). Nothing else in the toolkit asks where it is installed.
"""

from __future__ import annotations

import os
from pathlib import Path

from toolkit.errors import EvaluationError

PACKAGE = Path(__file__).resolve().parent
SHIPPED = PACKAGE / "shipped"
LOCK = "requirements.lock"


def home() -> Path:
    """The folder that holds `notebooks/`, `params/` and the lock: the checkout, or what the wheel brought."""
    return SHIPPED if SHIPPED.is_dir() else PACKAGE.parent


def resource(name: str) -> Path:
    """A file or folder that is shipped with the toolkit, by its path in the checkout, e.g. `params/demo.yaml`.

    Raises
    ------
    EvaluationError
        It is not there: the package was copied or built without its data.
    """
    path = home() / name
    if not path.exists():
        raise EvaluationError(
            f"程序包不完整，缺少 {name}",
            f"the package lacks {name}, which belongs to it",
            where=str(home()),
            remedy="重新安装完整的 speceval 安装包；源码目录中用 git checkout 恢复",
            remedy_english="install the whole wheel again; in a checkout restore it with git checkout",
        )
    return path


def kept() -> Path:
    """Where the toolkit may keep what it can make again: `reports/` of the checkout, else the user's cache folder."""
    if not SHIPPED.is_dir():
        return PACKAGE.parent / "reports"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speceval"
