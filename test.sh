#!/bin/sh
# `make test` for machines without make: sets up what is missing, then runs the fast tests and compares the notebooks.
# With arguments it is pytest in the project's environment: `sh test.sh -k cube`.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")"
sh bootstrap.sh dev

# Two workers on two cores: a BLAS that starts threads of its own in each makes both slower.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
# The user's own IPython start-up files and Jupyter settings must not decide what a notebook prints.
export IPYTHONDIR="$PWD/.jupyter/ipython" JUPYTER_CONFIG_DIR="$PWD/.jupyter"
mkdir -p "$IPYTHONDIR"  # without it every kernel makes a temporary one, and leaves it behind

if [ "$#" -gt 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi

# worksteal: a worker that is through takes over half of what the other has before it.
status=0
.venv/bin/python -m pytest -n 2 --dist worksteal tests || status=$?

# Apart, because nbval would also take the tests' folders for notebooks' and its options would reach them.
# loadfile: a worker must get all cells of a notebook, or none.
set -- notebooks/*.ipynb
if [ -e "$1" ]; then
    .venv/bin/python -m pytest -n 2 --dist loadfile \
        --nbval-lax --nbval-current-env --nbval-cell-timeout=120 "$@" || status=$?
else
    echo "notebooks/ 中没有笔记本，跳过比对。 No notebooks to compare: skipped."
fi
exit "$status"
