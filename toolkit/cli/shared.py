"""What several groups of commands use: options of one meaning, JSON as it is printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="结果以 JSON 输出 print JSON")]
Ledger = Annotated[
    str, typer.Argument(help="台账：文件，或数据库地址 ledger: a file, or a database's address", show_default=False)
]
IntoLedger = Annotated[str, typer.Option("--ledger", help="同时记入此台账 enter it in this ledger", show_default=False)]
Who = Annotated[str, typer.Option("--who", help="经办人，默认为登录名 who; the login name by default")]
Role = Annotated[str, typer.Option("--role", help="以何身份：hospital、county、commission、panel in what office")]
Seed = Annotated[int, typer.Option("--seed", help="随机种子 seed")]
Out = Annotated[Path, typer.Option("--out", help="写到 write to", show_default=False)]


def print_json(content: object) -> None:
    """Print plain values as JSON."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n")
