"""Commands on whether a run is what it says: verify, and the keys and signatures of those who vouch for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from toolkit.cli.shared import Json, Quiet, Workers, print_json

if TYPE_CHECKING:
    from toolkit.runs.verification import Checked


def verify(
    run: Annotated[
        Path,
        typer.Argument(
            help="运行或报告的文件夹，或一份签过名的文件 folder of a run or a report, or a signed file",
            show_default=False,
        ),
    ],
    rerun: Annotated[
        bool, typer.Option("--rerun", help="按 --params 从原始数据重算并逐格比对 make it anew by --params and compare")
    ] = False,
    params: Annotated[
        Path | None,
        typer.Option("--params", help="核对是否由此参数文件所得 was it made with this file", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="签名人的公钥 the signer's public key", show_default=False)
    ] = None,
    workers: Workers = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """核对一次运行：每个文件、参数、数据、程序与清单是否一致。Verify a run against its manifest.

    退出码 exit code：0 一致 the same，5 有不同 something differs，7 没有不同，但未能全部核对 not everything could be checked.
    """
    from toolkit.params import load_params
    from toolkit.running.signatures import read_verifier
    from toolkit.runs.reproduction import asked_for, made_again
    from toolkit.runs.verification import Checked, compare_runs, verify_file, verify_run

    signer = read_verifier(key) if key else None
    if run.is_file():
        _say_checked(run.name, verify_file(run, signer), as_json)
    own = asked_for(params) if rerun else params
    checked = verify_run(run, load_params(own) if own else None, key=signer, packages=True)
    if rerun and own and not checked.differences:
        with made_again(run, own, workers=workers, quiet=quiet or as_json) as again:
            unchecked = (*checked.unchecked, *(f"重算时 while rerunning: {one}" for one in again.open))
            found = tuple(compare_runs(run, again.folder))
            checked = Checked(differences=found, unchecked=unchecked, files=checked.files)
    elif rerun:
        typer.echo("有不同，不重算 something differs: not made anew", err=True)
    _say_checked(run.name, checked, as_json, rerun)


def _say_checked(name: str, checked: Checked, as_json: bool, rerun: bool = False) -> NoReturn:
    """Print what a verification found, and end with its exit code."""
    from toolkit.runs.comparison import TOLERANCE
    from toolkit.runs.verification import Verdict

    if as_json:
        print_json(
            {
                "run": name,
                "verdict": checked.verdict.name.lower(),
                "verified": checked.verdict is Verdict.VERIFIED,
                "rerun": rerun,
                "tolerance": TOLERANCE,
                "files": checked.files,
                "unchecked": checked.unchecked,
                "differences": [d.as_dict() for d in checked.differences],
            }
        )
        raise typer.Exit(checked.verdict.value)
    for what in checked.unchecked:
        typer.echo(f"未核对 unchecked: {what}")
    for one in checked.differences[:20]:
        typer.echo(f"不同 differs: {one}")
    if len(checked.differences) > 20:
        typer.echo(f"… 共 {len(checked.differences)} 处 in all")
    if not checked.differences:
        said = "未能全部核对 not everything was checked" if checked.unchecked else "一致 verified"
        typer.echo(
            f"{said}: {name}，{checked.files} 个文件 files"
            + (f"，重算相同 reproduced（小数容差 tolerance {TOLERANCE:g}）" if rerun else "")
        )
    raise typer.Exit(checked.verdict.value)


def keygen(
    path: Annotated[Path, typer.Argument(help="私钥文件，公钥在旁边 .pub private key; the public one beside it")],
) -> None:
    """生成一对签名密钥（Ed25519）。Make a pair of keys for signing."""
    from toolkit.running.signatures import new_keys

    verifier = new_keys(path)
    typer.echo(f"私钥 private key: {path}（只有您能读，不要外传 yours alone）")
    typer.echo(f"公钥 public key: {path}.pub，指纹 fingerprint {verifier.fingerprint}")


def sign(
    run: Annotated[
        Path, typer.Argument(help="已完成的运行，或任一文件 a finished run, or any file", show_default=False)
    ],
    key: Annotated[Path, typer.Option("--key", help="您的私钥 your private key", show_default=False)],
    as_json: Json = False,
) -> None:
    """签名：对运行的清单（其中有每个文件的哈希），或对一份文件，如台账的首部。Sign a run, or a file such as a ledger's head."""
    from toolkit.running.signatures import read_signer
    from toolkit.runs.verification import sign_run

    signer = read_signer(key)
    place = sign_run(run, signer)
    if as_json:
        print_json({"signature": str(place), "key": signer.verifier.fingerprint})
    else:
        typer.echo(f"已签名 signed: {place}，公钥指纹 key {signer.verifier.fingerprint}")
