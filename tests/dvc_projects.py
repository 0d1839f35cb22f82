"""DVC projects as DVC 2 and 3 leave them, written by the rules: the tests need no DVC."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.conftest import write


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def dvc_init(root: Path, config: str = "") -> None:
    write(root, {".dvc/config": config, ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})


def put_object(store: Path, content: bytes, *, old: bool = False, name: str | None = None) -> str:
    """Put content into a cache or remote under its name, or another; return the name."""
    md5 = name or md5_of(content.replace(b"\r\n", b"\n") if old else content)
    path = store / ("" if old else "files/md5") / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(content)
        path.chmod(0o444)
    return md5


def object_path(store: Path, md5: str, *, old: bool = False) -> Path:
    return store / ("" if old else "files/md5") / md5[:2] / md5[2:]


def dvc_add(
    root: Path, path: str, content: bytes | dict[str, bytes], *, old: bool = False, store: Path | None = None
) -> str:
    """Do what `dvc add` does with a file or a folder; return its MD5."""
    store = store or root / ".dvc/cache"
    if isinstance(content, bytes):
        write(root, {path: content})
        md5, size, files = put_object(store, content, old=old), len(content), None
    else:
        write(root, {f"{path}/{name}": data for name, data in content.items()})
        names = {name: put_object(store, data, old=old) for name, data in content.items()}
        listing = json.dumps([{"md5": names[name], "relpath": name} for name in sorted(names)]).encode()
        md5 = put_object(store, listing, old=old, name=md5_of(listing) + ".dir")
        size, files = sum(map(len, content.values())), len(content)
    lines = [f"- md5: {md5}", f"  size: {size}"]
    lines += [] if files is None else [f"  nfiles: {files}"]
    lines += [] if old else ["  hash: md5"]
    name = os.path.basename(path)
    folder = os.path.dirname(path)
    write(root, {f"{path}.dvc": "\n".join(["outs:", *lines, f"  path: {name}", ""])})
    ignored = root / folder / ".gitignore"
    ignored.parent.mkdir(parents=True, exist_ok=True)
    with ignored.open("a") as file:
        file.write(f"/{name}\n")
    return md5


def aged(root: Path, seconds: int = 10) -> None:
    """Make everything look as if it had been there for a while."""
    for parent, folders, files in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in [*folders, *files, "."]:
            path = Path(parent, name)
            found = path.lstat()
            then = found.st_mtime_ns - seconds * 10**9
            os.utime(path, ns=(then, then), follow_symlinks=False)
