"""deploy/image/sizes.py: the size of an image by package."""

import os
from dataclasses import replace
from pathlib import Path

from deploy.image.sizes import LINES, MIB, File, files, on_top, owners_of, table, whole

A_FILE = File(path="/a", size=10, changed=1, inode="1:1", owner="one")


def install(site: Path, name: str, *contents: str) -> None:
    """A package of these files, as an installer leaves it."""
    about = site / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for content in contents:
        (site / content).parent.mkdir(parents=True, exist_ok=True)
        (site / content).write_bytes(b"x" * 100)
    (about / "RECORD").write_text("".join(f"{content},,\n" for content in contents))


def test_a_file_belongs_to_the_package_that_brought_it(tmp_path: Path) -> None:
    site = tmp_path / "python3.13" / "site-packages"
    install(site, "first", "shared/first.py", "first.libs/lib.so")
    install(site, "second", "shared/second.py")
    others = {
        "shared/__pycache__/second.cpython-313.pyc": "second",
        "../os.py": "(bytecode of the standard library)",
        "../../opt/kernels/kernels.so": "(compiled kernels)",
        "../../bin/sh": "(other files)",
    }
    for name in others:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(b"x" * 7)
    (site / "link.so").symlink_to("first.libs/lib.so")

    found = {
        os.path.relpath(file.path, site): (file.owner, file.size)
        for file in files(tmp_path, owners_of([str(site)]))
        if ".dist-info" not in file.path
    }
    assert found == {
        "shared/first.py": ("first", 100),
        "first.libs/lib.so": ("first", 100),
        "shared/second.py": ("second", 100),
        **{name: (owner, 7) for name, owner in others.items()},
    }


def test_what_is_mounted_is_not_counted(tmp_path: Path) -> None:
    for name in ("proc/1", "tmp/x", "opt/y", "opt/tmp/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    found = {os.path.relpath(file.path, tmp_path) for file in files(tmp_path, {})}
    assert found == {"opt/y", "opt/tmp/z"}


def test_a_hard_link_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 50)
    os.link(tmp_path / "a", tmp_path / "b")
    found = list(files(tmp_path, {}))

    assert len(found) == 2
    assert whole(found) == 50
    assert sum(on_top(found, []).values()) == 50


def test_only_what_the_base_lacks_or_has_otherwise_is_on_top() -> None:
    rewritten = replace(A_FILE, path="/b", inode="1:2", changed=2)
    new = replace(A_FILE, path="/c", inode="1:3", owner="two", size=30)
    image = [replace(A_FILE, inode="9:9"), rewritten, new]

    assert on_top(image, [A_FILE, replace(rewritten, changed=1)]) == {"two": 30, "one": 10}
    assert whole(image) == 50


def test_the_table_sums_the_small_ones() -> None:
    added = {f"package-{n}": (100 - n) * MIB for n in range(LINES + 3)}
    lines = [line.rsplit(maxsplit=2) for line in table(added, 5_000 * MIB).splitlines()]

    assert [line[0] for line in lines[:2]] == ["package-0", "package-1"]
    assert [line[1:] for line in lines[:2]] == [["100.0", "MiB"], ["99.0", "MiB"]]
    small = sum(100 - n for n in range(LINES, LINES + 3))
    assert lines[LINES] == ["(3 smaller ones)", f"{small:.1f}", "MiB"]
    assert lines[-2] == ["on top of Python", f"{sum(added.values()) / MIB:.1f}", "MiB"]
    assert lines[-1] == ["in all", "5000.0", "MiB"]
