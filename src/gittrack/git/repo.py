"""Finding a repository and naming its commits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from gittrack.errors import GitFailed, GittrackError, NotFound
from gittrack.git import command

_FACTS = (
    "--show-object-format",
    "--is-shallow-repository",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-toplevel",  # last: without a working tree git stops here, and the lines before it are out
)
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)


class NotARepository(GittrackError):
    """The folder is not inside a git repository."""


class ForeignRepository(GittrackError):
    """The repository belongs to another user, and git refuses to read its settings."""


@dataclass(frozen=True)
class Repository:
    """A git repository, seen from one working tree.

    Attributes:
        root: Top of this working tree; None in a bare repository.
        git_dir: git's folder for this worktree.
        common_dir: git's folder that all worktrees share.
        object_format: `sha1` or `sha256`.
        shallow: Whether the history was cut off when it was cloned.
    """

    root: Path | None
    git_dir: Path
    common_dir: Path
    object_format: str
    shallow: bool

    @classmethod
    def find(cls, path: Path) -> Repository:
        """Return the repository that `path` is in; costs one git process.

        Raises:
            NotARepository: There is none.
            ForeignRepository: It belongs to somebody else.
            GitFailed: git cannot read it.
        """
        lines, error = _facts(path, _FACTS)
        if len(lines) < 4:
            raise _refusal(path, error)
        if len(lines) > len(_FACTS):  # a path with a line feed: ask for one fact at a time
            lines = [answer for fact in _FACTS if (answer := "\n".join(_facts(path, (fact,))[0]))]
        root = lines[4] if len(lines) == 5 and (error is None) else None
        return cls(
            root=Path(root) if root else None,
            git_dir=Path(lines[2]),
            common_dir=Path(os.path.realpath(Path(path, lines[3]))),
            object_format=lines[0],
            shallow=lines[1] == "true",
        )

    @property
    def bare(self) -> bool:
        """Whether there is no working tree here."""
        return self.root is None

    @property
    def private(self) -> Path:
        """The folder of gittrack in the common directory."""
        return self.common_dir / "gittrack"

    @property
    def top(self) -> Path:
        """Where git is started: the working tree's top, or git's folder when bare."""
        return self.root or self.git_dir

    @property
    def empty_tree(self) -> str:
        """The id of the tree without entries."""
        return EMPTY_TREES[self.object_format]

    def head(self) -> str | None:
        """Return the id of HEAD's commit; None before the first commit."""
        try:
            return self.resolve("HEAD")
        except NotFound:
            return None

    def resolve(self, rev: str) -> str:
        """Return the full id of the commit that `rev` names: a branch, a git tag, an id, `HEAD~2`.

        Raises:
            NotFound: There is no such commit here.
        """
        unknown = NotFound(f"no commit is called '{rev}' here", hint="git log --oneline --all")
        if not rev or rev.startswith("^") or "\0" in rev or "\n" in rev:
            raise unknown
        try:
            answer = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        except command.CommandFailed as error:
            if error.status == 1 or "needed a single revision" in error.stderr.lower():
                raise unknown from error
            raise
        return answer.decode().strip()

    def git(
        self,
        *args: command.Arg,
        input: bytes | None = None,  # noqa: A002
        env: command.Environment | None = None,
        magic: bool = False,
    ) -> bytes:
        """Run git here by way of `subprocess`; see `command.run`."""
        return command.run(self.at(*args), cwd=self.top, input=input, env=env, magic=magic)

    def ask(
        self,
        *args: command.Arg,
        input: bytes | None = None,  # noqa: A002
        env: command.Environment | None = None,
        magic: bool = False,
    ) -> bytes:
        """Run git here by way of GitPython; see `command.porcelain`."""
        return command.porcelain(self.at(*args), cwd=self.top, input=input, env=env, magic=magic)

    def at(self, *args: command.Arg) -> list[command.Arg]:
        """Return `args` so that git finds this repository from `top`, also where bare ones must be named.

        The folder of a submodule that is not checked out names a working tree that is gone; it gets another.
        """
        places = (f"--git-dir={self.git_dir}", f"--work-tree={self.git_dir}") if self.bare else ()
        return [*places, *args]


EMPTY_TREES = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


def is_oid(text: object) -> bool:
    """Whether `text` is the full id of a git object: 40 or 64 lower-case hex digits."""
    return isinstance(text, str) and _HEX.fullmatch(text) is not None


def _facts(path: Path, facts: tuple[str, ...]) -> tuple[list[str], str | None]:
    """Return the answers that git gave, and what it said when it stopped before the end."""
    if not path.is_dir():
        path = path.parent if path.exists() else path
    process = command.start(["rev-parse", *facts], cwd=path)
    out, err = process.communicate()
    lines = os.fsdecode(out).removesuffix("\n").split("\n") if out else []
    return lines, err.decode("utf-8", "replace") if process.returncode else None


def _refusal(path: Path, error: str | None) -> GittrackError:
    text = error or ""
    if "dubious ownership" in text or "unsafe repository" in text:
        owned = re.search(r"repository at '(.+?)'", text) or re.search(r"\('(.+?)' is owned", text)
        where = owned[1] if owned else str(path)
        return ForeignRepository(
            f"the repository '{where}' belongs to another user, and git does not read it",
            hint=f"git config --global --add safe.directory '{where}'",
        )
    if "not a git repository" in text.lower():
        return NotARepository(f"not a git repository: '{path}'", hint="git init && gittrack init")
    first = text.strip().splitlines()[0] if text.strip() else "no answer"
    return GitFailed(f"git rev-parse: {first.removeprefix('fatal: ')}")
