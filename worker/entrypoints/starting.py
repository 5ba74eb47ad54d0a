"""What makes a process start quickly: each cold start is somebody's wait."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: How long a thread that runs Python may keep others waiting. Kernels keep nobody waiting; what a
#: run does around them would hold up a beat or a probe for Python's usual 5 ms, again and again.
SWITCH_SECONDS = 0.001


@contextmanager
def quick_start() -> Iterator[None]:
    """Import inside this what a server lives with until it ends.

    Nothing that is imported becomes garbage, so it is not searched for any, then or later. And no
    kernel multiplies matrices: numpy need not start threads for that, one a processor. From here
    on threads take turns every ``SWITCH_SECONDS``.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(SWITCH_SECONDS)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def without_old_models() -> Iterator[None]:
    """Make a FastAPI application inside this, of pydantic's present models only.

    For each model FastAPI would load pydantic's former version, with all that belongs to it, to
    see that the model is none of that; it does not where there is no such version.
    """
    former = "pydantic.v1"
    if former in sys.modules:
        yield
        return
    sys.modules[former] = None  # type: ignore[assignment]  # how Python is told that it is missing
    try:
        yield
    finally:
        del sys.modules[former]


def load_fastapi() -> None:
    """Import FastAPI, and leave its models of an OpenAPI document to whoever asks for one.

    To build them takes a third of its import. Only what is defined in here is put off: models of
    our own are used by several threads, and two must not build the same one at once.
    """
    from pydantic import BaseModel

    BaseModel.model_config["defer_build"] = True
    try:
        import fastapi.openapi.models  # noqa: F401 - for what it loads
    finally:
        del BaseModel.model_config["defer_build"]
