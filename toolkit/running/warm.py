"""What the server of processes imports once, so that each report need not."""

import contextlib
import gc
import logging
import os
from importlib import import_module

from toolkit.running.processes import WARM

_ALWAYS = ("toolkit.running.driver", "toolkit.running.report", "ipykernel.kernelapp", "ipykernel.ipkernel")
for _name in (*_ALWAYS, *filter(None, os.environ.get(WARM, "").split(","))):
    # any exception: a plug-in that fails here fails again, by name, in the process that uses it
    with contextlib.suppress(Exception):
        import_module(_name)
logging.getLogger("papermill").setLevel(logging.CRITICAL)
gc.freeze()  # what all reports share is no rubbish of any, and stays in shared memory as long as nobody looks through it
