"""How git is started: no shell, no hooks, no prompts, no variables that move the repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from gittrack.errors import GitFailed

Arg: TypeAlias = "str | bytes | Path"
Environment: TypeAlias = "Mapping[str, str]"

_CONFIG = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.quotePath=false",
    "core.safecrlf=false",
    "core.splitIndex=false",
    "protocol.ext.allow=never",
    "core.fsync=committed",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "i18n.commitEncoding=UTF-8",
    "advice.detachedHead=false",
    "submodule.recurse=false",
)
_OPTIONS = tuple(part for setting in _CONFIG for part in ("-c", setting))
_FLAGS = ("--no-pager", "--no-optional-locks", "--no-replace-objects")
# What the user says about who they are, how to reach a server, and which files hold their settings. All else
# named GIT_* (GIT_DIR inside a hook, GIT_INDEX_FILE, GIT_EXTERNAL_DIFF ...) would move or change our calls.
_KEPT = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_COUNT",
        "GIT_ASKPASS",
        "GIT_ALLOW_PROTOCOL",
        "GIT_PROTOCOL_FROM_USER",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_TEST_ASSUME_DIFFERENT_OWNER",  # only ever makes git stricter
    }
)
_KEPT_PREFIXES = (
    "GIT_SSH",
    "GIT_SSL_",
    "GIT_HTTP_",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
)
_OURS = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "LANGUAGE": "C"}


class CommandFailed(GitFailed):
    """A git command ended with an error.

    Attributes:
        status: Its exit code.
        stderr: All that it said.
    """

    def __init__(self, message: str, *, status: int, stderr: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.stderr = stderr


def hardened(args: Sequence[Arg], *, magic: bool = False) -> list[Arg]:
    """Return the argument list for `git *args`, with all off that a repository could make it start.

    Args:
        args: Subcommand and its arguments; paths among them are taken literally.
        magic: Let paths have git's pathspec magic, as in `:(exclude)name`.
    """
    pathspecs = () if magic else ("--literal-pathspecs",)
    return ["git", *_FLAGS, *pathspecs, *_OPTIONS, *args]


def environment(extra: Environment | None = None) -> dict[str, str]:
    """Return the environment for git: this process's own without the GIT_* that would move it elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not _is_dropped(name)}
    kept.update(_OURS)
    kept.update(extra or {})
    return kept


def ours(date: str) -> dict[str, str]:
    """Return the identity of commits that gittrack makes for itself, which no user settings can change."""
    who = {"NAME": "gittrack", "EMAIL": "gittrack@localhost", "DATE": date}
    return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}


def start(
    args: Sequence[Arg],
    *,
    cwd: Path,
    env: Environment | None = None,
    magic: bool = False,
    stdin: bool = False,
) -> subprocess.Popen[bytes]:
    """Start git and return at once; hand the process to `finish`, or read its `stdout`.

    Raises:
        GitFailed: There is no git here.
    """
    try:
        return subprocess.Popen(
            hardened(args, magic=magic),
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=-1,
        )
    except FileNotFoundError as error:
        raise _not_started(cwd) from error


def finish(process: subprocess.Popen[bytes], input: bytes | None = None) -> bytes:  # noqa: A002
    """Give `input` to a started git, wait for it and return what it wrote.

    Raises:
        CommandFailed: It ended with an error.
    """
    out, err = process.communicate(input)
    return _answer(process.args, process.returncode, out, err)  # type: ignore[arg-type]


@contextmanager
def reaped(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """End processes that are still running when the block ends early."""
    try:
        yield
    except BaseException:
        for process in processes:
            if process.poll() is None:
                process.kill()
            if process.stdin is not None:
                with suppress(OSError):  # what was not written yet has no reader now
                    process.stdin.close()
                process.stdin = None
            process.communicate()
        raise


def run(
    args: Sequence[Arg],
    *,
    cwd: Path,
    input: bytes | None = None,  # noqa: A002
    env: Environment | None = None,
    magic: bool = False,
) -> bytes:
    """Run git by way of `subprocess` and return what it wrote: for the start of a run, and for streams.

    Raises:
        CommandFailed: git ended with an error; the message has its first line.
        GitFailed: There is no git here.
    """
    return finish(start(args, cwd=cwd, env=env, magic=magic, stdin=input is not None), input)


def porcelain(
    args: Sequence[Arg],
    *,
    cwd: Path,
    input: bytes | None = None,  # noqa: A002
    env: Environment | None = None,
    magic: bool = False,
) -> bytes:
    """Run git by way of GitPython's command façade and return what it wrote; otherwise as `run`."""
    import tempfile

    from git.cmd import Git
    from git.exc import GitCommandNotFound

    if not cwd.is_dir():  # the façade would run git wherever this process is
        raise _not_started(cwd)
    # The façade adds to this process's environment and cannot take from it: `env -u` does.
    dropped = [f"-u{name}" for name in os.environ if _is_dropped(name)]
    argv = [*(("env", *dropped) if dropped else ()), *map(os.fsdecode, hardened(args, magic=magic))]
    with tempfile.TemporaryFile() as stdin:
        stdin.write(input or b"")
        stdin.seek(0)
        try:
            status, out, err = Git(str(cwd)).execute(
                argv,
                istream=stdin,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                env={**_OURS, **(env or {})},
            )
        except GitCommandNotFound as error:
            raise _not_started(cwd) from error
    return _answer(argv, status, out, os.fsencode(err))


def _is_dropped(name: str) -> bool:
    return name.startswith("GIT_") and name not in _KEPT and not name.startswith(_KEPT_PREFIXES)


def _not_started(cwd: Path) -> GitFailed:
    if not cwd.is_dir():
        return GitFailed(f"the folder '{cwd}' is gone")
    return GitFailed("git is not installed, or not on the PATH", hint="git --version")


def _answer(argv: Sequence[Arg], status: int, out: bytes, err: bytes) -> bytes:
    if status == 0:
        return out
    text = err.decode("utf-8", "replace").strip()
    command = _subcommand(argv)
    raise CommandFailed(f"git {command}: {_first_line(text, status)}", status=status, stderr=text)


def _subcommand(argv: Sequence[Arg]) -> str:
    words = iter(argv[list(argv).index("git") + 1 :])
    for word in words:
        if word == "-c":
            next(words, None)
        elif not os.fspath(word).startswith(b"-" if isinstance(word, bytes) else "-"):  # type: ignore[arg-type]
            return os.fsdecode(word)
    return "?"


def _first_line(text: str, status: int) -> str:
    lines = text.splitlines() or [f"exit code {status}"]
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0])
    return first.removeprefix("fatal:").removeprefix("error:").strip()
