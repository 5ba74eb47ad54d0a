"""How many processors there are to work on."""

import os


def processors() -> int:
    """Those that this process may use; where no system tells that (macOS), all there are."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1
