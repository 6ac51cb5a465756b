"""A process that has closed the door behind itself: no network, and nothing written outside named folders.

For work on what somebody else has asked for. It uses what Linux gives every user, a network of its own without a way out
(user and network namespaces) and rules over files that cannot be taken back (Landlock), and says what a system does not have.
Children inherit both. It has to come first in a process: a namespace is refused to one that has threads already.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # of Landlock, the same on every processor
NO_NEW_PRIVILEGES = 38
PATH_BENEATH = 1
VERSION = 1
# rights over files that change something: write_file, remove_dir, remove_file, make_* (7 kinds), refer, truncate
WRITE_FILE, TRUNCATE = 1 << 1, 1 << 14
CHANGES = WRITE_FILE | 0b11 << 4 | 0b1111111 << 6 | 1 << 13 | TRUNCATE
SINCE = {1 << 13: 2, TRUNCATE: 3}  # version of Landlock that a right came with
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm")


def close_off(writable: Iterable[Path]) -> list[str]:
    """Close this process and all that it starts; what is left open, in words.

    Parameters
    ----------
    writable
        The folders that may still be written to.

    Returns
    -------
    list[str]
        What this system could not close; empty where all is closed.
    """
    left = []
    if not _without_network():
        left.append("网络未关闭 the network is open")
    if not _without_outside(writable):
        left.append("文件夹以外可写 folders outside can be written to")
    return left


def _library() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _without_network() -> bool:
    libc = _library()
    if libc is None:
        return False
    user, group = os.getuid(), os.getgid()
    if libc.unshare(NEW_USER | NEW_NETWORK) != 0:
        return False
    with contextlib.suppress(OSError):  # else files keep their owner's number, and the name is nobody's
        for name, content in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as stream:
                stream.write(content)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        # its own loopback: kernels of notebooks talk to the process beside them
        fcntl.ioctl(plug, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))  # SIOCSIFFLAGS: up, running
    return True


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64),)


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _without_outside(writable: Iterable[Path]) -> bool:
    libc = _library()
    if libc is None:
        return False
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    if version < 1:
        return False
    handled = CHANGES
    for right, since in SINCE.items():
        handled &= ~right if version < since else ~0
    ruleset = _Ruleset(handled)
    rules = libc.syscall(CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    if rules < 0:
        return False
    try:
        for path in (*map(os.fspath, writable), *DEVICES):
            _allow(libc, rules, path, handled)
        return libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT_SELF, rules, 0) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, handled: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.EACCES, errno.ENXIO}:
            return
        raise
    try:
        rights = handled if os.path.isdir(path) else handled & (WRITE_FILE | TRUNCATE)
        libc.syscall(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(_Beneath(rights, handle)), 0)
    finally:
        os.close(handle)
