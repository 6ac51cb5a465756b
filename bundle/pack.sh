#!/bin/sh
# One archive for a closed network: this project, the wheels of its locks for this platform and Python, fonts, examples and
# documents among them. Called by `make bundle`; the archive and its sum lie in dist/ (or in the folder given).
# It holds files under version control only: no report, no record, no key.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")/.."
into=${1-dist}

if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    echo "打包须在 git 工作区内进行（只收录受版本管理的文件）。 Packing needs a git checkout: only files under version control go in." >&2
    exit 1
fi
mkdir -p "$into"
into=$(cd -- "$into" && pwd -P)
python=.venv/bin/python
pip() { "$python" -m pip "$@"; }
"$python" -m pip --version >/dev/null 2>&1 || pip() { python3 -m pip --python "$python" "$@"; }

platform=$("$python" -c "import platform, sys; print('python={}.{}'.format(*sys.version_info)); print('machine=' + platform.machine())")
name=speceval-$("$python" -c "
import platform, sys
from importlib.metadata import version
print(version('speceval') + '-cp{}{}-linux_'.format(*sys.version_info) + platform.machine())")
work=$(mktemp -d "$into/.packing-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
mkdir -p "$work/$name/wheels"

git ls-files -z | tar --null --files-from=- -cf - | tar -xf - -C "$work/$name"
cp bundle/install.sh "$work/$name/install.sh"
printf '%s\n' "$platform" >"$work/$name/wheels/PLATFORM"
# by hash, and wheels only: nothing is built where the bundle is opened
pip download -q --no-deps --require-hashes --only-binary=:all: -d "$work/$name/wheels" \
    -r requirements.lock -r requirements-dev.lock
"$python" -m hatchling build -t wheel -d "$work/$name/wheels" >/dev/null 2>&1

# wheels are compressed already
tar --sort=name --owner=0 --group=0 --numeric-owner -C "$work" -cf "$work/archive" "$name"
mv "$work/archive" "$into/$name.tar"
(cd "$into" && sha256sum "$name.tar" >"$name.tar.sha256")
echo "$into/$name.tar"
