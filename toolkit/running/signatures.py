"""Who stands behind a run: Ed25519 signatures over a manifest, as any tool that knows them can check.

The private key is a PEM file (PKCS 8) of the signer's own, readable by nobody else; the public key beside it ends in `.pub`. A
signature is the 64 bytes over the file's bytes, detached: `openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in
manifest.json -sigfile manifest.json.sig` says the same as this module.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from toolkit.errors import ParameterError
from toolkit.running.publish import explained, write_atomically

LARGEST_KEY = 1 << 16
LENGTH = 64  # bytes of a signature


@dataclass(frozen=True)
class Verifier:
    """A public key."""

    key: Ed25519PublicKey

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of SHA-256 over the 32 bytes of the key, to be read out on the telephone."""
        return hashlib.sha256(self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


@dataclass(frozen=True, repr=False)
class Signer:
    """A private key; it does not show itself."""

    key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return "Signer(…)"

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.key.public_key())


def new_keys(path: Path) -> Verifier:
    """Make a pair of keys: `path` for signing, mode 600, and `path`.pub to be handed on.

    Raises
    ------
    ParameterError
        One of them is there already: a key is never overwritten.
    """
    public = path.with_name(f"{path.name}.pub")
    for one in (path, public):
        if one.exists() or one.is_symlink():
            raise ParameterError(
                f"文件已存在: {one}",
                "the file exists",
                where="keygen",
                remedy="换一个名字；旧密钥不会被覆盖",
                remedy_english="choose another name: a key is never overwritten",
            )
    signer = Signer(Ed25519PrivateKey.generate())
    with explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_atomically(public, signer.verifier.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return signer.verifier


def read_signer(path: Path) -> Signer:
    """The private key in a file.

    Raises
    ------
    ParameterError
        It is no such key, or others can read it.
    """
    raw = _read(path)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ParameterError(
            "别人也能读这个私钥文件",
            "others can read this private key",
            where=str(path),
            remedy=f"chmod 600 {path.name}；若曾被他人读过，另生成一对",
            remedy_english="chmod 600; make a new pair if others may have read it",
        )
    try:
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "私钥", "private key")
    return Signer(key)


def read_verifier(path: Path) -> Verifier:
    """The public key in a file.

    Raises
    ------
    ParameterError
        It is no such key.
    """
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key(path, "公钥", "public key")
    return Verifier(key)


def sign(path: Path, signer: Signer) -> Path:
    """Write the signature over a file's bytes beside it, as `path`.sig; the same file and key give the same bytes."""
    place = path.with_name(f"{path.name}.sig")
    write_atomically(place, signer.key.sign(path.read_bytes()))
    return place


def signed(path: Path, key: Verifier) -> bool:
    """Whether the signature beside a file is this key's, over these bytes."""
    try:
        with path.with_name(f"{path.name}.sig").open("rb") as stream:
            signature = stream.read(LENGTH + 1)
        key.key.verify(signature, path.read_bytes())
    except (OSError, InvalidSignature):
        return False
    return len(signature) == LENGTH


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_KEY)
    except OSError:
        raise ParameterError(
            f"不能读取密钥文件 {path.name}",
            "the key file cannot be read",
            where=str(path),
            remedy="speceval keygen 生成一对密钥",
            remedy_english="speceval keygen makes a pair",
        ) from None


def _no_key(path: Path, what: str, english: str) -> ParameterError:
    return ParameterError(
        f"{path.name} 不是 Ed25519 {what}（PEM）",
        f"not an Ed25519 {english} in PEM",
        where=str(path),
        remedy="speceval keygen 生成一对密钥；公钥文件以 .pub 结尾",
        remedy_english="speceval keygen makes a pair; the public key ends in .pub",
    )
