"""What makes a process start quickly: each cold start is somebody's wait."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_start() -> Iterator[None]:
    """Import inside this what a server lives with until it ends.

    Nothing that is imported becomes garbage, so it is not searched for any, then or later. And no
    kernel multiplies matrices: numpy need not start threads for that, one a processor.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
