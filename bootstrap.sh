#!/bin/sh
# Sets up .venv from requirements.lock, and returns at once when that has been done.
# It needs python3 >= 3.11 with either venv or pip: nothing else, and no rights beyond this folder.
# Called by run.sh, test.sh and the Makefile; `sh bootstrap.sh` alone is safe at any time. Further locks come by name:
# `sh bootstrap.sh dev` brings the tools of requirements-dev.lock as well (tests, checks), `extras` the optional packages of
# requirements-extras.lock.
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")"
root=$(pwd -P)

# Another environment's settings must reach neither the new one nor pip's choice of where to install.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV __PYVENV_LAUNCHER__
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# The stamp holds this folder and the sums of what decides the environment. Sums, not times: a copied or restored tree
# keeps them. The folder, because scripts in .venv name it: a moved tree is set up anew.
stamp=.venv/.ok
wanted() {
    printf '%s\n' "$root"
    cksum requirements.lock pyproject.toml bootstrap.sh
}
current() {
    [ -x .venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(wanted)" ]
}
# Each further lock has a stamp of its own: whoever does without it is never asked about it.
lacks() {
    [ ! -f ".venv/.$1" ] || [ "$(cat ".venv/.$1")" != "$(cksum "requirements-$1.lock")" ]
}
complete() {
    current || return 1
    for part in $want; do
        if lacks "$part"; then return 1; fi
    done
}
want=$*

say() { printf '%s\n' "$@" >&2; }
for part in $want; do
    case "$part" in
        dev | extras) ;;
        *) say "不认识 $part：sh bootstrap.sh [dev] [extras]。 Unknown: $part." && exit 2 ;;
    esac
done
complete && exit 0

# Two terminals may start at once: the second waits, then finds the work done. Debian always has flock; elsewhere one
# at a time.
if command -v flock >/dev/null 2>&1; then
    exec 9>.venv-setup.lock
    flock 9
    complete && exit 0
fi

# --- the Python to build with -----------------------------------------------------------------------------------------
# An active virtualenv's python3 serves as well: venv builds from the interpreter below it.
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
host= way= old=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    if ! recent "$candidate"; then
        old=${old:-$("$candidate" --version 2>&1 || :)}
        continue
    fi
    host=${host:-$candidate}
    if "$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        host=$candidate way=venv
        break
    elif "$candidate" -m pip --version >/dev/null 2>&1 && [ -z "$way" ]; then
        host=$candidate way=pip
    fi
done
if [ -z "$host" ]; then
    say "需要 Python 3.11 或更新版本；找到的是：${old:-无}。" \
        "  Debian 12 / Ubuntu 24.04：sudo apt install python3 python3-venv" \
        "  装在别处的 Python：PYTHON=/path/to/python3.11 sh run.sh" \
        "Python 3.11 or newer is needed; found: ${old:-none} (sudo apt install python3 python3-venv)."
    exit 1
fi
if [ -z "$way" ]; then
    say "需要 python3-venv 或 python3-pip 其中之一；$host 两者都没有。" \
        "  Debian / Ubuntu：sudo apt install python3-venv" \
        "Either python3-venv or python3-pip is needed; $host has neither (sudo apt install python3-venv)."
    exit 1
fi

# --- the environment --------------------------------------------------------------------------------------------------
# A finished environment (it has a stamp, for this folder) is brought up to date in place; anything else may be the half
# of an interrupted set-up, and is built anew. The stamp goes first and comes last.
base=yes
current && base=no # only a further lock is missing
in_place=no
if [ -f "$stamp" ] && [ "$(head -n 1 "$stamp")" = "$root" ] && recent .venv/bin/python; then
    in_place=yes
fi
[ "$base" = no ] || rm -f "$stamp"

failed() {
    say "" \
        "安装未完成（见上面的信息）。再次运行同一命令会重新开始；常见原因：" \
        "  · 连不上软件源：用 pip config set global.index-url <内网镜像地址> 或环境变量 PIP_INDEX_URL 指向可用的镜像" \
        "  · 磁盘空间不足：需要约 1.5 GB" \
        "Set-up did not finish (see above). Run the same command again. Usual causes: no package index within reach" \
        "(point pip at a mirror: pip config set global.index-url <address>, or PIP_INDEX_URL), or less than 1.5 GB of disk."
    exit 1
}
trap 'say "" "已中断；再次运行同一命令会重新开始。 Interrupted; run the same command again."; exit 130' INT TERM

if [ "$in_place" = no ]; then
    say "首次安装：建立 .venv，安装 requirements.lock 中的软件包（约 1–5 分钟，取决于网速）……" \
        "First set-up: building .venv and installing the packages of requirements.lock (1–5 minutes) ..."
    rm -rf .venv
    if [ "$way" = venv ]; then
        "$host" -m venv .venv || failed
    else
        # Without python3-venv, Debian's venv lacks only ensurepip: it still makes the environment, and the pip outside
        # installs into it (--python, pip >= 22.3, older than any Python 3.11).
        "$host" -m venv --without-pip .venv || failed
    fi
elif [ "$base" = yes ]; then
    say "软件包清单有变化，正在更新 .venv …… The list of packages has changed: updating .venv ..."
fi

if .venv/bin/python -m pip --version >/dev/null 2>&1; then
    pip() { .venv/bin/python -m pip "$@"; }
else
    pip() { "$host" -m pip --python .venv/bin/python "$@"; }
fi
quiet=-q
if [ -t 1 ]; then quiet=; fi # at a terminal, pip's progress shows that it is alive

# --no-deps: the lock is complete (a test checks it), so there is nothing to resolve.
# The project itself comes apart: with hashes required, pip refuses a local folder.
if [ "$base" = yes ]; then
    pip install $quiet --no-deps --require-hashes -r requirements.lock || failed
    pip install $quiet --no-deps --no-build-isolation -e . || failed
    wanted >"$stamp.new"
    mv "$stamp.new" "$stamp"
fi
for part in $want; do
    lacks "$part" || continue
    case "$part" in
        dev) say "安装测试与检查所用的工具…… Installing the tools for tests and checks ..." ;;
        extras) say "安装可选部分（Spark、MS-DRG 分组，约 0.5 GB）…… Installing the optional packages (about 0.5 GB) ..." ;;
    esac
    pip install $quiet --no-deps --require-hashes -r "requirements-$part.lock" || failed
    cksum "requirements-$part.lock" >".venv/.$part"
done
say "安装完成。 Set-up is complete."
