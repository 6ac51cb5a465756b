#!/bin/sh
# `make run` for machines without make: sets up what is missing, then runs the demo evaluation.
# Arguments go to the command: `sh run.sh --help`.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")"
sh bootstrap.sh
exec .venv/bin/speceval demo "$@"
