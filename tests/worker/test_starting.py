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

from worker.entrypoints.starting import SWITCH_SECONDS, load_fastapi, quick_start

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
