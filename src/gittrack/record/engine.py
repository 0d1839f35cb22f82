"""podman or docker, as the user has them: which images are here, and the words that run a command in one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack import config as configs
from gittrack.errors import GittrackError, InvalidValue, NotFound
from gittrack.git.repo import Repository
from gittrack.record import container, environment
from gittrack.store import durable
from gittrack.store.layout import Layout

ENGINES = ("podman", "docker")
LABEL = "gittrack.container"

_STARTS_PROGRAMS = (
    "config",
    "config.worktree",
    "hooks",
    "worktrees",
)  # in git's folder, or say where settings are
_INIT = ("/usr/libexec/podman/catatonit", "/usr/lib/podman/catatonit", "/usr/local/libexec/podman/catatonit")
_ABSENT = ("no such image", "image not known", "no such object", "unable to find")
_REFUSED = ',"\n\r\0'  # an engine splits the words of a mount at these


class EngineFailed(GittrackError):
    """podman or docker did not do what was asked."""

    exit_code = 6


@dataclass(frozen=True)
class Image:
    """An image that is on this machine.

    Attributes:
        name: As it was asked for, without a digest; None when it was asked for by its id.
        digest: As registries name it; None for one that came from none, in engines that give such none.
        id: As this engine names it.
        path: The PATH that it gives to what runs in it.
    """

    name: str | None
    digest: str | None
    id: str
    path: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """What a record has of it."""
        known = {"name": self.name, "digest": self.digest, "id": self.id}
        return {name: text for name, text in known.items() if text is not None}

    @property
    def words(self) -> str:
        """What to call it before people."""
        if self.name is None or self.digest is None:
            return self.name or self.id
        return f"{self.name}@{self.digest}"


@dataclass(frozen=True)
class Mount:
    """A file or folder that a container sees.

    Attributes:
        path: Where it sees it.
        writable: Whether it can be changed in there.
        source: Where it is outside, if that is another path.
    """

    path: Path
    writable: bool = False
    source: Path | None = None


@dataclass(frozen=True)
class Inside:
    """How a command runs in a container.

    Attributes:
        folder: Where it runs.
        mounts: What it sees of this machine.
        variables: Names of variables that it gets from the environment in which the engine is started.
        given: Variables that it gets with another value.
        entrypoint: The program, instead of the image's own entry point; its arguments are the command then.
        label: What the container is found by.
        gpus: Whether it gets the GPUs of this machine.
    """

    folder: Path
    mounts: tuple[Mount, ...] = ()
    variables: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    entrypoint: str | None = None
    label: str | None = None
    gpus: bool = False


@dataclass(frozen=True)
class Engine:
    """A program that runs containers.

    Attributes:
        program: Its path.
        kind: `podman` or `docker`.
    """

    program: str
    kind: str

    def look(self, reference: str) -> Image | None:
        """Return the image of that name, digest or id if it is here.

        Raises:
            EngineFailed: The engine cannot be asked.
        """
        done = self._ask("image", "inspect", container.address(reference))
        if done.returncode:
            said = _last_line(done.stderr)
            if any(words in done.stderr.lower() for words in _ABSENT):
                return None
            raise EngineFailed(f"{self.kind} cannot say whether it has the image '{reference}': {said}")
        return _image(json.loads(done.stdout)[0], reference)

    def pull(self, reference: str) -> Image:
        """Bring an image from its registry.

        Raises:
            EngineFailed: It cannot be had.
        """
        done = self._ask("pull", "--quiet", container.address(reference))
        found = None if done.returncode else self.look(reference)
        if found is None:
            raise EngineFailed(f"{self.kind} cannot pull '{reference}': {_last_line(done.stderr)}")
        return found

    def remove(self, label: str) -> None:
        """End the containers with a label, and remove them."""
        listed = self._ask("ps", "--all", "--quiet", "--filter", f"label={LABEL}={label}")
        names = listed.stdout.split()
        if names:
            self._ask("kill", *names)  # `rm` alone would wait ten seconds for one that does not listen
            self._ask("rm", "--force", *names)

    def argv(self, image: Image, argv: Sequence[str], inside: Inside) -> list[str]:
        """Return the words that run a command in a container, which is removed when it has ended.

        The container runs as the user who asks for it, with no capability, and cannot gain any; its network is the
        engine's usual one. What the user says in `GITTRACK_CONTAINER_OPTIONS` comes last and so counts most.

        Raises:
            InvalidValue: A path cannot be mounted.
        """
        words = [
            *(self.program, "run", "--rm", "--interactive", "--pull=never", "--cap-drop=all"),
            *("--security-opt=no-new-privileges", "--security-opt=label=disable"),
            *self._init(),
            *self._user(),
            *self._proxies(),
            f"--workdir={inside.folder}",
            *map(mount_option, _each_once(inside.mounts)),
            *(f"--env={name}" for name in inside.variables),
            *(f"--env={name}={value}" for name, value in inside.given.items()),
        ]
        words += [f"--label={LABEL}={inside.label}"] if inside.label else []
        words += [f"--entrypoint={inside.entrypoint}"] if inside.entrypoint else []
        words += self._gpus() if inside.gpus else []
        return [*words, *configs.container_options(), image.id, *argv]

    def _init(self) -> list[str]:
        """Return what puts a program before the command that passes signals on; podman's comes in another package."""
        has = self.kind == "docker" or shutil.which("catatonit") or any(map(os.path.exists, _INIT))
        return ["--init"] if has else []

    def _user(self) -> list[str]:
        """Return what lets the command write files that are the user's outside."""
        if not hasattr(os, "getuid"):
            return []
        if os.getuid() == 0 or (self.kind == "docker" and self._is_rootless()):
            return ["--user=0:0"]
        own = ["--userns=keep-id"] if self.kind == "podman" else []
        return [
            f"--user={os.getuid()}:{os.getgid()}",
            *own,
            "--env=HOME=/tmp",
        ]  # the image's HOME is another's

    def _proxies(self) -> list[str]:
        """Return what keeps the user's proxies, which may have a password, out; podman hands them in unasked."""
        return ["--http-proxy=false"] if self.kind == "podman" else []

    def _is_rootless(self) -> bool:
        return "name=rootless" in self._ask("info", "--format", "{{json .SecurityOptions}}").stdout

    def _gpus(self) -> list[str]:
        """Return what hands the machine's GPUs in, where NVIDIA's toolkit for containers is there to do it."""
        if not environment.host()["gpus"] or shutil.which("nvidia-ctk") is None:
            return []
        return ["--device=nvidia.com/gpu=all"] if self.kind == "podman" else ["--gpus=all"]

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )


def engines() -> list[Engine]:
    """Return the engines that are here, the one to take first before the others.

    Raises:
        NotFound: There is none, or not the one that `GITTRACK_CONTAINER_ENGINE` names.
    """
    named = configs.container_engine()
    found = [(name, shutil.which(name)) for name in ([named] if named else ENGINES)]
    there = [Engine(program, _kind(name)) for name, program in found if program is not None]
    if not there:
        what = f"there is no program '{named}', which GITTRACK_CONTAINER_ENGINE names"
        raise NotFound(
            what if named else "there is neither podman nor docker here", hint="apt-get install podman"
        )
    return there


def _kind(name: str) -> str:
    return "docker" if "docker" in Path(name).name else "podman"


def present(references: Iterable[str]) -> tuple[Engine, Image] | None:
    """Return the image that one of `references` names and the engine that has it, None when none has it.

    Raises:
        NotFound: There is no engine.
        EngineFailed: No engine can be asked.
    """
    failed: list[EngineFailed] = []
    there = engines()
    for engine in there:
        try:
            found = next((image for name in references if (image := engine.look(name)) is not None), None)
        except EngineFailed as error:
            failed.append(error)
            continue
        if found is not None:
            return engine, found
    if len(failed) == len(there):
        raise failed[0]
    return None


def pulled(reference: str) -> tuple[Engine, Image]:
    """Bring an image from its registry, with the first engine that can.

    Raises:
        NotFound: There is no engine.
        EngineFailed: No engine can; the first one's reason.
    """
    failed: list[EngineFailed] = []
    for engine in engines():
        try:
            return engine, engine.pull(reference)
        except EngineFailed as error:
            failed.append(error)
    raise failed[0]


def taken(reference: str) -> tuple[Engine, Image]:
    """Return an image that the user names, brought from its registry if it is not here.

    Raises:
        InvalidValue: That is no image's name.
        NotFound: There is no engine.
        EngineFailed: It cannot be had.
    """
    if container.parse(reference) is None:
        raise InvalidValue(f"'{reference}' is no name of a container image", hint="podman images")
    return present([reference]) or pulled(reference)


def around_store(repository: Repository, layout: Layout, home: Path, *others: Mount) -> tuple[Mount, ...]:
    """Return what a container must see to record into the store of the working tree `home`.

    That is git's folder and the store's, at their own paths. What makes git run programs, settings and hooks,
    cannot be written, and nothing of linked worktrees, unless `others` has it. That keeps mistakes out, not malice:
    the rest of git's folder can be, and names where settings are. The user's own files are not there, unless `others`
    has them.
    """
    shared = repository.common_dir
    durable.make_folder(shared / "hooks")  # what is not there cannot be mounted, and could be made inside
    ways = [Mount(path) for path in (home / ".git", *_alternates(shared)) if path.exists()]
    if not any(home.is_relative_to(mount.path) for mount in others):
        ways.append(Mount(home, source=_stand_in(layout, home)))
    return (
        *(mount for mount in ways if mount.path.resolve() != shared),
        Mount(shared, writable=True),
        Mount(layout.committed, writable=True),
        *others,
        *(Mount(path) for path in (shared / name for name in _STARTS_PROGRAMS) if path.exists()),
    )


def _stand_in(layout: Layout, home: Path) -> Path:
    """Return a folder with places for git's folder and the store, and nothing else.

    An engine makes a place that is not there as another user, and git reads nothing in the folder of another user.
    """
    linked = (home / ".git").is_file()
    folder = layout.stand_ins / ("linked" if linked else "main")
    durable.make_folder(folder / layout.committed.name)
    if linked:
        (folder / ".git").touch()
    else:
        durable.make_folder(folder / ".git")
    return folder


def _alternates(shared: Path) -> list[Path]:
    """Return where git finds further objects, as a clone with --shared does."""
    try:
        lines = (shared / "objects" / "info" / "alternates").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(os.path.normpath(shared / "objects" / line)) for line in lines if line]


def _each_once(mounts: Iterable[Mount]) -> list[Mount]:
    """Return what is to be mounted: each path once, outer folders first, and nothing that an outer one shows alike."""
    wanted: dict[Path, Mount] = {}
    for mount in sorted(mounts, key=lambda mount: mount.writable):
        wanted[mount.path] = mount
    kept: dict[Path, Mount] = {}
    for path in sorted(wanted, key=lambda path: (len(path.parts), path)):
        outer = next((kept[folder] for folder in path.parents if folder in kept), None)
        if outer is None or outer.source is not None or outer.writable != wanted[path].writable:
            kept[path] = wanted[path]
    return list(kept.values())


def mount_option(mount: Mount) -> str:
    """Return the option that shows a file or folder to a container.

    Raises:
        InvalidValue: Its name has a sign that means something to engines.
    """
    path, source = str(mount.path), str(mount.source or mount.path)
    if any(char in path + source for char in _REFUSED):
        raise InvalidValue(
            f"{path!r} cannot be mounted into a container: its name has a sign of an engine's own"
        )
    return f"--mount=type=bind,source={source},target={path}" + ("" if mount.writable else ",readonly")


def _image(facts: Mapping[str, Any], reference: str) -> Image:
    asked = container.parse(reference) or {}
    name = asked.get("name")
    digests = [text.partition("@") for text in facts.get("RepoDigests") or ()]
    exact = [(where, digest) for where, _, digest in digests if digest == asked.get("digest")]
    same = [(where, digest) for where, _, digest in digests if name and _is_same(where, name)]
    found = next(iter([*exact, *same]), None)
    variables = dict(text.partition("=")[::2] for text in (facts.get("Config") or {}).get("Env") or ())
    return Image(
        name=name if name is None or found is None else _whole(found[0], name),
        digest=None if found is None else found[1],
        id=f"sha256:{facts['Id'].removeprefix('sha256:')}",
        path=variables.get("PATH", ""),
    )


def _is_same(where: str, name: str) -> bool:
    """Whether a repository is the one that a name, which may leave out its beginning and has a tag, means."""
    return f"/{where}".endswith(f"/{container.without_tag(name)}")


def _whole(where: str, name: str) -> str:
    """Return a name in full: registry and repository as the engine has them, the tag as it was asked for."""
    return where + name[len(container.without_tag(name)) :] if _is_same(where, name) else name


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it does not say why")
