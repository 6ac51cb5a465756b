#!/bin/sh
# Sets up from the wheels that lie beside it, without any network, then runs the demo evaluation and the tests.
# `sh install.sh setup` ends after setting up, `sh install.sh demo` after the demo.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")"
until=${1-tests}

say() { printf '%s\n' "$@" >&2; }
case "$until" in
    setup | demo | tests) ;;
    *) say "用法 usage: sh install.sh [setup | demo | tests]" && exit 2 ;;
esac
if [ ! -f wheels/PLATFORM ]; then
    say "缺少 wheels/：请完整解开安装包（tar -xf）。 wheels/ is missing: unpack the whole archive (tar -xf)."
    exit 1
fi
wanted=$(sed -n 's/^python=//p' wheels/PLATFORM)
machine=$(sed -n 's/^machine=//p' wheels/PLATFORM)

# The wheels fit one version of Python on one kind of machine; bootstrap.sh takes what PYTHON names.
fits() { "$1" -c "import platform, sys; sys.exit(('{}.{}'.format(*sys.version_info), platform.machine()) != ('$wanted', '$machine'))" >/dev/null 2>&1; }
found=
for candidate in ${PYTHON:+"$PYTHON"} "python$wanted" python3 python; do
    if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
        found=$candidate
        break
    fi
done
if [ -z "$found" ]; then
    say "此安装包用于 Python $wanted、$machine；本机没有这样的 Python（PYTHON=/path/to/python$wanted sh install.sh 可指定）。" \
        "This bundle is for Python $wanted on $machine; none was found (name one: PYTHON=/path/to/python$wanted sh install.sh)."
    exit 1
fi
PYTHON=$found
# an address and not a path: pip would take a space in it for the end
PIP_FIND_LINKS=$("$found" -c "import pathlib; print(pathlib.Path('wheels').resolve().as_uri())")
PIP_NO_INDEX=1 PIP_CONFIG_FILE=/dev/null
export PYTHON PIP_FIND_LINKS PIP_NO_INDEX PIP_CONFIG_FILE

sh bootstrap.sh dev
[ "$until" != setup ] || exit 0
sh run.sh
[ "$until" != demo ] || exit 0
exec sh test.sh
