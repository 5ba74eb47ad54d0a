"""The Dockerfile and what it uses, as far as it can be told without building it."""

import ctypes
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import missing

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "var" / "tools" / "bin"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def tool(name: str) -> str:
    found = shutil.which(name, path=str(TOOLS)) or shutil.which(name)
    if found is None:
        missing(f"{name} is not here: make tools")
        raise AssertionError
    return found


def final_stage() -> str:
    return DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [tool("hadolint"), str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_shellcheck_has_nothing_to_say() -> None:
    scripts = [
        file
        for file in sorted((ROOT / "deploy").rglob("*"))
        if file.is_file() and re.match(rb"#!.*\b(ba)?sh\n", file.read_bytes()[:40])
    ]
    done = subprocess.run(
        [tool("shellcheck"), *map(str, scripts)], capture_output=True, text=True, check=False
    )

    assert len(scripts) >= 5
    assert (done.returncode, done.stdout) == (0, "")


def test_it_needs_no_builder_of_a_certain_kind() -> None:
    assert "<<" not in DOCKERFILE
    assert "--link" not in DOCKERFILE
    assert "--exclude" not in DOCKERFILE
    assert "--mount" not in DOCKERFILE


def test_the_base_image_can_be_chosen() -> None:
    assert "ARG BASE_IMAGE=python:3.13-slim\n" in DOCKERFILE
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, flags=re.MULTILINE) == [
        "${BASE_IMAGE}",
        "base",
        "base",
    ]


def test_dependencies_come_from_the_lock_with_their_hashes() -> None:
    joined = DOCKERFILE.replace("\\\n", " ")
    installs = re.findall(r"pip --python \S+ install .*", joined)

    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "--only-binary :all:" in installs[0]
    assert "--no-deps" in installs[1]
    assert "--no-index" in installs[1]


def test_it_runs_unprivileged_with_commands_in_exec_form() -> None:
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", final_stage(), flags=re.MULTILINE)
    assert 'ENTRYPOINT ["backtest-worker"]' in final_stage()
    assert 'CMD ["serve"]' in final_stage()


def test_build_and_run_time_name_the_same_processor() -> None:
    base = DOCKERFILE[: DOCKERFILE.index("AS build")]

    assert "NUMBA_CPU_NAME=x86-64-v3" in base
    assert 'NUMBA_CPU_FEATURES=""' in base
    assert DOCKERFILE.count("NUMBA_CPU_") == 2
    assert DOCKERFILE.count("NUMBA_CACHE_DIR") == 1


def test_only_what_the_build_copies_reaches_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
        for source in words.split()[:-1]
    }

    assert lines[0] == "*"
    assert copied == allowed


@pytest.mark.parametrize("name", ["Dockerfile", "cloudbuild.yaml", "service.yaml", "deploy"])
def test_no_host_or_secret_of_a_builder_is_written_down(name: str) -> None:
    place = ROOT / name
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    for file in files:
        if file.suffix == ".pyc" or file.name == "tools.lock":
            continue
        text = file.read_text()
        assert not re.search(r"index-url\s*=?\s*http|https?://[^/\s]*:[^/\s]*@", text), file
        assert not re.search(r"-----BEGIN|AKIA[0-9A-Z]{16}|ya29\.", text), file


def strip(directory: Path) -> set[str]:
    """The names of what deploy/image/strip.sh leaves in the directory."""
    subprocess.run([ROOT / "deploy" / "image" / "strip.sh", directory], check=True)
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


def make_library(file: Path) -> None:
    """A shared object of this machine: ``offered`` is for others, ``held`` is its own."""
    if shutil.which("as") is None or shutil.which("ld") is None:
        missing("binutils is not here: install it (Debian: binutils)")
    file.parent.mkdir(parents=True, exist_ok=True)
    content = ".globl offered\n.type offered,@function\noffered: ret\nheld: ret\n"
    compiled = file.with_suffix(".o")
    subprocess.run(["as", "-o", compiled, "-"], input=content, text=True, check=True)
    link = ["ld", "-shared", "-z", "noexecstack", "-soname", file.name, "-o", file, compiled]
    subprocess.run(link, check=True)
    compiled.unlink()


def test_the_strip_leaves_what_runs(tmp_path: Path) -> None:
    site = "lib/site-packages"
    keep = ["a/code.py", "a/testing/__init__.py", "a/_flight.py", "pyarrow/parquet/core.py"]
    keep += [f"{site}/google/events/cloud/{name}/x.py" for name in ("firestore", "firestore_v1")]
    keep += [f"{site}/google/cloud/{name}/x.py" for name in ("firestore_v1", "storage")]
    remove = ["a/tests/x.py", "a/sub/tests/y.py", "a/test/z.py", "a/types.pyi", "a/b.pxd", "a/l.a"]
    remove += ["a/b.h", "a/b.c", "a/b.cpp", "a/b.proto", "pyarrow/src/x.py", "pyarrow/array.pxi"]
    remove += [f"{site}/google/events/cloud/{name}/x.py" for name in ("pubsub", "pubsub_v1/types")]
    remove += [f"{site}/google/cloud/{name}/x.py" for name in ("_storage_v2", "firestore_admin_v1")]
    remove += [f"{site}/{name}/x.py" for name in ("sqlalchemy/testing", "numpy/f2py", "numba/cuda")]
    arrow = ["pyarrow/include/arrow/api.h", "pyarrow/libarrow_s3.so.2600", "pyarrow/_s3fs.so"]
    arrow += ["pyarrow/libarrow_flight.so.2600", "pyarrow/_flight.cpython-313-x86_64-linux-gnu.so"]
    for name in [*keep, *remove, *arrow]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    make_library(tmp_path / "pyarrow" / "libarrow.so.2600")

    assert strip(tmp_path) == {*keep, "pyarrow/libarrow.so.2600"}


def test_the_strip_takes_names_from_libraries_that_still_load(tmp_path: Path) -> None:
    library = tmp_path / "a" / "b.so"
    make_library(library)
    assert b"held" in library.read_bytes()
    strip(tmp_path)

    assert b"held" not in library.read_bytes()
    assert ctypes.CDLL(str(library)).offered is not None


def test_a_library_that_strip_would_break_stays_as_it_is(tmp_path: Path) -> None:
    """numba's wheel has one whose segments its builder has moved."""
    ufunc = importlib.util.find_spec("numba.np.ufunc")
    assert ufunc is not None
    assert ufunc.origin is not None
    patched = next(Path(ufunc.origin).parent.glob("tbbpool.*.so"))
    library = tmp_path / "a" / "b.so"
    library.parent.mkdir()
    shutil.copy(patched, library)
    slim = tmp_path / "slim"
    subprocess.run(["strip", "--strip-unneeded", "-o", slim, library], check=True)
    strip(tmp_path / "a")

    assert "page-aligned" in why_not_loaded(slim)
    assert "page-aligned" not in why_not_loaded(library)
    assert library.read_bytes() == patched.read_bytes()


def why_not_loaded(library: Path) -> str:
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return ""


def test_names_of_one_library_become_links(tmp_path: Path) -> None:
    library = tmp_path / "a" / "l.so"
    make_library(library)
    (tmp_path / "b").mkdir()
    for name in ("a/l.so.2", "a/l.so.2.1", "b/l.so"):
        shutil.copy(library, tmp_path / name)
    strip(tmp_path)

    assert not library.is_symlink()
    assert (tmp_path / "a" / "l.so.2").readlink() == Path("l.so")
    assert (tmp_path / "a" / "l.so.2.1").readlink() == Path("l.so")
    assert not (tmp_path / "b" / "l.so").is_symlink()


def test_the_library_that_nothing_calls_is_empty_and_loads(tmp_path: Path) -> None:
    library = tmp_path / "pyarrow" / "libarrow_substrait.so.2600"
    make_library(library)
    strip(tmp_path)

    loaded = ctypes.CDLL(str(library))
    with pytest.raises(AttributeError, match="offered"):
        _ = loaded.offered
