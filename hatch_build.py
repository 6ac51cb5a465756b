"""What a wheel holds beside the code: notebooks, parameter files, rules and the lock, under `toolkit/shipped/`.

A hook and not `force-include`, which would also copy them into every editable installation, where they would grow old.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHIPPED = ("notebooks/*.ipynb", "params/**/*.yaml", "params/**/*.json", "params/given/*.csv", "requirements.lock")


class Shipped(BuildHookInterface):
    """Adds the files of `SHIPPED` to a wheel; an editable installation finds them in the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files; called by hatchling before it packs."""
        if version != "standard":
            return
        root = Path(self.root)
        found = {pattern: sorted(root.glob(pattern)) for pattern in SHIPPED}
        if missing := [pattern for pattern, paths in found.items() if not paths]:
            raise FileNotFoundError(f"the wheel would lack {', '.join(missing)} of {root}")
        for path in (path for paths in found.values() for path in paths):
            name = path.relative_to(root).as_posix()
            build_data["force_include"][name] = f"toolkit/shipped/{name}"
