#!/bin/sh
# Opens JupyterLab on notebooks/, in Chinese, for this machine's user only. Called by `make lab`; arguments go to JupyterLab.
# Everything it writes (settings, history, signatures) goes to .jupyter/ in this project, nothing to the user's home.
set -eu
unset CDPATH PYTHONPATH PYTHONHOME
cd -- "$(dirname -- "$0")/.."
sh bootstrap.sh

root=$(pwd -P)
own="$root/.jupyter"
mkdir -p "$own"
export JUPYTER_CONFIG_PATH="$root/jupyter" # what the project ships: read, never written
export JUPYTER_CONFIG_DIR="$own" JUPYTER_DATA_DIR="$own/data" JUPYTER_RUNTIME_DIR="$own/runtime"
export JUPYTERLAB_SETTINGS_DIR="$own/settings" JUPYTERLAB_WORKSPACES_DIR="$own/workspaces"
export IPYTHONDIR="$own/ipython" MPLCONFIGDIR="$own/matplotlib"

# Jupyter refuses root unless told; in a container root is often the only user there is.
if [ "$(id -u)" = 0 ]; then
    set -- --allow-root "$@"
fi
.venv/bin/python jupyter/refuse_open_server.py "$@"
exec .venv/bin/python -m jupyterlab --ServerApp.root_dir="$root" --ServerApp.preferred_dir="$root/notebooks" "$@"
