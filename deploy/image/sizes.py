"""Which packages the image's size is made of.

``python sizes.py`` prints every file below ``/`` with its owner as JSON: deploy/image/test_image.py
runs it in the image and in its base, and prints what ``table`` makes of the two. Standard library
only.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path

#: Mounted when a container runs; nothing of these is in an image.
MOUNTED = frozenset({"dev", "proc", "run", "sys", "tmp"})
#: How many packages have a line of their own.
LINES = 20
MIB = 2**20


@dataclass(frozen=True, slots=True)
class File:
    """One regular file: its bytes, when it changed (ns) and the package that it belongs to.

    Names with the same ``inode`` (device and number) are hard links to one file.
    """

    path: str
    size: int
    changed: int
    inode: str
    owner: str


def files(root: Path, owners: dict[str, str]) -> Iterator[File]:
    """Every regular file below a directory; ``owners`` by path, as ``owners_of`` finds them."""
    for place, directories, names in os.walk(root):
        if Path(place) == root:
            directories[:] = sorted(set(directories) - MOUNTED)
        for name in names:
            path = Path(place, name)
            if path.is_symlink() or not path.is_file():
                continue
            about = path.stat()
            inode = f"{about.st_dev}:{about.st_ino}"
            owner = owners.get(_source(path)) or _by_place(path)
            yield File(str(path), about.st_size, about.st_mtime_ns, inode, owner)


def owners_of(places: list[str]) -> dict[str, str]:
    """The installed package of every file that a package's RECORD names."""
    return {
        str(Path(str(file.locate())).resolve()): package.metadata["Name"]
        for package in distributions(path=places)
        for file in package.files or ()
    }


def _source(path: Path) -> str:
    """The file itself, or the source that bytecode was made of: RECORD names only that."""
    if path.parent.name == "__pycache__":
        return str(path.parent.parent / f"{path.name.partition('.')[0]}.py")
    return str(path)


def _by_place(path: Path) -> str:
    if "kernels" in path.parts:
        return "(compiled kernels)"
    if any(part.startswith("python3") for part in path.parts):
        return "(bytecode of the standard library)"
    return "(other files)"


def on_top(image: Iterable[File], base: Iterable[File]) -> dict[str, int]:
    """Bytes by owner of what the base image lacks or has in another form, largest first."""
    known = {(file.path, file.size, file.changed) for file in base}
    added = {
        file.inode: file for file in image if (file.path, file.size, file.changed) not in known
    }
    totals: dict[str, int] = {}
    for file in added.values():
        totals[file.owner] = totals.get(file.owner, 0) + file.size
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def whole(image: Iterable[File]) -> int:
    """Bytes of all files, each hard link counted once."""
    return sum({file.inode: file.size for file in image}.values())


def table(added: dict[str, int], total: int) -> str:
    """Packages and their MiB, the smaller ones as one line, and the two sums."""
    lines = list(added.items())[:LINES]
    rest = list(added.values())[LINES:]
    if rest:
        lines.append((f"({len(rest)} smaller ones)", sum(rest)))
    lines += [("on top of Python", sum(added.values())), ("in all", total)]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:{width}}{size / MIB:9.1f} MiB" for name, size in lines)


def read(text: str) -> list[File]:
    """What ``main`` printed."""
    return [File(**line) for line in json.loads(text)]


def main() -> None:
    found = files(Path("/"), owners_of(sys.path))
    json.dump([asdict(file) for file in found], sys.stdout)


if __name__ == "__main__":
    main()
