"""Refuse arguments that would open the server to others: `lab.sh` asks before JupyterLab starts (security finding S10)."""

from __future__ import annotations

import ipaddress
import re
import sys

OPEN = "服务器只能在本机（127.0.0.1）监听，且须有令牌 the server listens on this machine only, and with a token"


def refused(arguments: list[str], environment: dict[str, str]) -> str:
    """The first argument that opens the server, or an empty string."""
    for position, given in enumerate(arguments):
        name, has_value, value = given.partition("=")
        value = value if has_value else next(iter(arguments[position + 1 :]), "")
        value = value.strip("'\"")
        if re.search(r"(^--ip$|\.ip$)", name) and not _is_loopback(value):
            return given
        if re.search(r"\.(token|password|hashed_password)$", name) and not value:
            return given
        if (
            re.search(r"\.(allow_unauthenticated_access|allow_remote_access|disable_check_xsrf)$", name)
            and value.lower() != "false"
        ):
            return given
        if re.search(r"\.(allow_origin|allow_origin_pat|custom_display_url|sock_mode)$", name):
            return given
        if re.search(r"^--(config|JupyterApp\.config_file)$", name):
            return given  # it could say any of these
    if environment.get("JUPYTER_TOKEN") == "":
        return "JUPYTER_TOKEN="
    return ""


def _is_loopback(value: str) -> bool:
    try:
        return ipaddress.ip_address(value).is_loopback
    except ValueError:
        return value == "localhost"


if __name__ == "__main__":
    import os

    if found := refused(sys.argv[1:], dict(os.environ)):
        sys.exit(f"拒绝启动 refused: {found}\n{OPEN}")
