"""Whether installed packages are as their wheels brought them, by the record of hashes that each wheel holds."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from importlib import metadata


def changed_packages(names: Iterable[str]) -> dict[str, str]:
    """The first file of each package that is not as it was installed, by name of the package; empty where all are.

    A wheel's own record is no proof against somebody who writes it anew: the lock file's hashes of whole wheels, which the
    installer holds them against, are.
    """
    wanted, found = set(names), {}
    for distribution in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name in wanted and (file := _changed(distribution)):
            found[name] = file
    return dict(sorted(found.items()))


def _changed(distribution: metadata.Distribution) -> str:
    for file in distribution.files or ():
        if file.hash is None or file.hash.mode != "sha256" or file.parts[0] == ".." or ".dist-info" in file.parts[0]:
            continue  # scripts carry the interpreter's path; what pip adds has no hash
        try:
            with open(str(distribution.locate_file(file)), "rb") as stream:
                now = hashlib.file_digest(stream, "sha256").digest()
        except OSError:
            return f"{file}"
        if base64.urlsafe_b64encode(now).decode().rstrip("=") != file.hash.value:
            return f"{file}"
    return ""
