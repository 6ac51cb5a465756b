#!/bin/sh
# CycloneDX bills of materials, one for each lock: what is installed, which version, which hashes. `make sbom`.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")/.."
python="${PYTHON:-.venv/bin/python}"
tools=.tools/supply
PYTHONPATH=$tools "$python" -c "import cyclonedx_py, pip_audit" 2>/dev/null \
    || "$python" -m pip install -q --target "$tools" cyclonedx-bom pip-audit
mkdir -p dist
for lock in requirements*.lock; do
    # no time and no random number: the same lock gives the same bytes
    PYTHONPATH=$tools "$python" -W ignore -m cyclonedx_py requirements "$lock" --pyproject pyproject.toml \
        --output-reproducible --output-format JSON --output-file "dist/${lock%.lock}.cdx.json"
    echo "dist/${lock%.lock}.cdx.json"
done
