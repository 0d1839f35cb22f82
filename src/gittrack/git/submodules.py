"""Restoring submodules from what this clone has of them; no URL that the repository names is ever used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gittrack.entities.record import Code, Submodule
from gittrack.git import command, patches, recover
from gittrack.git.place import open_up, run_in, settings_of
from gittrack.git.recover import CodeLost, Found
from gittrack.git.repo import Repository


def put_submodules(
    repo: Repository,
    code: Code,
    patch: bytes | None,
    path: Path,
    *,
    fetch: bool,
    barred: tuple[str, ...] = (),
) -> list[str]:
    """Restore the submodules that a run had; returns in words how, for those that were not simply here.

    Args:
        repo: The repository that has them.
        code: What the run recorded.
        patch: The run's `code.patch`, with their sections.
        path: Top of the worktree, restored already.
        fetch: Ask remotes.
        barred: Settings of git that keep filters from starting.

    Raises:
        CodeLost: One cannot be restored exactly, or the record puts it where none can be.
        GitFailed: git could not write the files.
    """
    sections = {section.path: section for section in patches.split(patch or b"", code.base)}
    homes = {"": repo}
    words = []
    for entry in code.submodules:
        _check_path(entry.path)
        above = max((home for home in homes if not home or entry.path.startswith(f"{home}/")), key=len)
        inside = entry.path[len(above) + 1 :] if above else entry.path
        home = _module(homes[above], path / above if above else path, inside)
        if home is None:
            raise CodeLost(
                f"the submodule '{entry.path}' is not in this clone",
                hint=f"git submodule update --init --recursive -- '{entry.path}'",
            )
        homes[entry.path] = home
        section = sections.get(entry.path)
        found = _find_submodule(home, entry, section, fetch=fetch)
        _check_place(path, entry.path)
        _fill(home, found.commit, path / entry.path, (*settings_of(code), *barred))
        if found.how != "commit":
            words.append(f"{entry.path}: {found.how}")
    return words


def _check_path(path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or any(part.casefold() in ("", ".", "..", ".git") for part in parts):
        raise CodeLost(f"the record names a submodule at '{path}', where none can be")


def _check_place(top: Path, path: str) -> None:
    """Refuse a place behind a link, which could be anywhere."""
    folder = Path(path).parent
    if (top / folder).resolve() != top.resolve() / folder:
        raise CodeLost(f"the record names a submodule at '{path}', which is behind a link")


def _find_submodule(
    home: Repository, entry: Submodule, section: patches.Section | None, *, fetch: bool
) -> Found:
    code = Code(
        commit=entry.commit,
        branch=None,
        captured=entry.captured,
        code_tree=entry.code_tree,
        base=section.base if section else entry.commit,
    )
    try:
        strip = 2 + entry.path.count("/")
        return recover.find_code(home, code, section.patch if section else None, fetch=fetch, strip=strip)
    except CodeLost as lost:
        hint = f"git submodule update --init --recursive -- '{entry.path}'"
        raise CodeLost(f"submodule '{entry.path}': {lost}", hint=hint) from lost


def _module(above: Repository, path: Path, inside: str) -> Repository | None:
    """Return the repository of a submodule: where it is checked out, or where git keeps it."""
    if above.root is not None and os.path.lexists(above.root / inside / ".git"):
        return Repository.find(above.root / inside)
    declared = path / ".gitmodules"
    if not declared.is_file() or declared.is_symlink():
        return None
    listing = command.run(
        ["config", "-z", "-f", declared, "--get-regexp", r"^submodule\..*\.path$"], cwd=path
    )
    for line in os.fsdecode(listing).split("\0"):
        key, _, where = line.partition("\n")
        name = key.removeprefix("submodule.").removesuffix(".path")
        parts = name.split("/")
        if where == inside and not name.startswith("/") and not {"", ".", ".."} & set(parts):
            folder = above.common_dir / "modules" / name
            if (folder / "HEAD").is_file():
                shallow = (folder / "shallow").exists()
                return Repository(None, folder, folder, above.object_format, shallow)
    return None


def _fill(home: Repository, commit: str, path: Path, settings: tuple[str, ...]) -> None:
    """Put a submodule's commit at `path`, in a repository that borrows the objects of `home`."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        open_up(path)
        shutil.rmtree(path)
    path.mkdir(parents=True)
    init = ("init", "--quiet", "--template=", f"--object-format={home.object_format}")
    command.run(init, cwd=path)
    folder = path / ".git"
    borrowed = folder / "objects" / "info" / "alternates"
    borrowed.parent.mkdir(parents=True, exist_ok=True)
    borrowed.write_text(f"{home.common_dir / 'objects'}\n")
    run_in(path, folder, settings, "update-ref", "--no-deref", "HEAD", commit)
    run_in(path, folder, settings, "read-tree", "--reset", "-u", commit)
