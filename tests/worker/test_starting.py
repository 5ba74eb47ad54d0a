"""How a server starts: nothing is looked for among what it imports, or made before its time."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from worker.entrypoints.starting import (
    SWITCH_SECONDS,
    load_fastapi,
    quick_start,
    without_old_models,
)

COUNT = """
import os, sys
from worker.entrypoints.starting import quick_start
with quick_start():
    import numpy
print(len(os.listdir("/proc/self/task")), os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    interval = sys.getswitchinterval()
    yield
    sys.setswitchinterval(interval)
    gc.unfreeze()
    gc.enable()
    os.environ.pop("OPENBLAS_NUM_THREADS", None)


def test_garbage_is_not_looked_for_until_everything_is_there() -> None:
    with quick_start():
        assert not gc.isenabled()

    assert gc.isenabled()
    assert gc.get_freeze_count() > 1_000


def test_garbage_is_looked_for_again_after_an_import_that_failed() -> None:
    with pytest.raises(ImportError), quick_start():
        raise ImportError("no such module")

    assert gc.isenabled()


def test_who_had_switched_it_off_keeps_it_off() -> None:
    gc.disable()
    with quick_start():
        pass

    assert not gc.isenabled()


def test_threads_take_turns_often() -> None:
    with quick_start():
        pass

    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)


def test_numpy_starts_no_threads_unless_it_is_told_to() -> None:
    def said(**chosen: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", COUNT],
            env={**os.environ, **chosen},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert said() == ["1", "1"]
    assert said(OPENBLAS_NUM_THREADS="2")[1] == "2"


#: Prints whether FastAPI's models were built before they were needed, and what they describe.
DESCRIBE = """
import json
import sys
from pydantic import BaseModel
from worker.entrypoints.starting import load_fastapi
if sys.argv[1] == "light":
    load_fastapi()
from fastapi import FastAPI
from fastapi.openapi.models import OpenAPI, PathItem
from fastapi.security import HTTPBearer
built = [OpenAPI.__pydantic_complete__, PathItem.__pydantic_complete__]
from fastapi import Depends

class Ours(BaseModel):
    number: int = 0

app = FastAPI()

@app.post("/ours", dependencies=[Depends(HTTPBearer())], responses={404: {"model": Ours}})
def ours(wanted: Ours, page: int = 1) -> list[Ours]:
    return [wanted]

built_ours = Ours.__pydantic_complete__
print(json.dumps({"built": built, "ours": built_ours, "description": app.openapi()}))
"""


def described(how: str) -> dict[str, Any]:
    said = subprocess.run(
        [sys.executable, "-c", DESCRIBE, how],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(said.stdout))


def test_fastapis_models_are_built_for_a_description_and_ours_at_once() -> None:
    light, usual = described("light"), described("usual")

    assert light["built"] == [False, False]
    assert usual["built"] == [True, True]
    assert light["ours"] is usual["ours"] is True
    assert light["description"] == usual["description"]
    assert "bearer" in json.dumps(light["description"]["components"]["securitySchemes"])


def test_nothing_of_it_stays_behind_where_fastapi_is_there_already() -> None:
    before = dict(BaseModel.model_config)
    load_fastapi()
    assert dict(BaseModel.model_config) == before


OLD_MODELS = """
import sys
from pydantic import BaseModel
from fastapi import FastAPI
from worker.entrypoints.starting import without_old_models

class Ours(BaseModel):
    number: int = 0

app = FastAPI()
with without_old_models():
    @app.get("/ours", responses={404: {"model": Ours | None}})
    def ours() -> Ours:
        return Ours()

assert "404" in app.openapi()["paths"]["/ours"]["get"]["responses"]
assert not [name for name in sys.modules if name.startswith("pydantic.v1")]
from pydantic import v1
assert v1.BaseModel is not BaseModel
"""


def test_an_application_is_made_without_pydantics_former_version_which_can_be_loaded_later() -> (
    None
):
    subprocess.run([sys.executable, "-W", "ignore", "-c", OLD_MODELS], check=True)


@pytest.mark.parametrize("loaded", [True, False])
def test_what_was_loaded_stays_and_what_was_not_is_not_missing_afterwards(
    monkeypatch: pytest.MonkeyPatch, loaded: bool
) -> None:
    monkeypatch.delitem(sys.modules, "pydantic.v1", raising=False)
    if loaded:
        monkeypatch.setitem(sys.modules, "pydantic.v1", sys)

    with without_old_models():
        assert sys.modules["pydantic.v1"] is (sys if loaded else None)

    assert ("pydantic.v1" in sys.modules) is loaded
    with pytest.raises(RuntimeError), without_old_models():
        raise RuntimeError("no application")
    assert ("pydantic.v1" in sys.modules) is loaded
