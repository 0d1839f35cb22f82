"""The job's container: exactly the recorded image, and what a job in it may see of this machine.

The image is named by its digest or its id, so what runs is what was recorded or nothing is. A run of
`gittrack run --image` is started again from outside by the same command; one that a process inside of a container
recorded is started in there, with the interpreter that it had, and the gittrack that the image has records it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gittrack import config as configs
from gittrack.errors import GittrackError, InvalidValue, NotFound
from gittrack.record import container
from gittrack.record import engine as engines
from gittrack.record import format as formats
from gittrack.record.engine import Engine, EngineFailed, Image, Inside, Mount
from gittrack.repro.differences import Difference, compare_environment
from gittrack.repro.pins import EnvironmentLost
from gittrack.repro.restore import IN_IMAGE, DataLost, Returned, names_of
from gittrack.store.objects import FileStore

if TYPE_CHECKING:
    from gittrack.repro.plan import Plan, Progress

_LOOK = """\
import json, pathlib, sys
from gittrack.record import environment
from gittrack.data import hashing
from gittrack.store import digest as digests
def digest(path, names):
    try:
        if names is None:
            return hashing.measure(pathlib.Path(path)).digest
        found = [(name, digests.of_file(pathlib.Path(path, name))) for name in names]
        return digests.of_bytes(hashing.manifest_of(found))
    except Exception:
        return None
root, asked = json.loads(sys.argv[1])
found = [digest(path, names) for path, names in asked]
print(json.dumps({"environment": environment.capture((pathlib.Path(root),)), "digests": found}))
"""


@dataclass(frozen=True)
class Container:
    """What a reproduction's commands run in.

    Attributes:
        engine: What runs it.
        image: The recorded image, which is on this machine.
        recorded: What the record says of it.
        label: What its containers are found by.
    """

    engine: Engine
    image: Image
    recorded: Mapping[str, str]
    label: str

    @property
    def reference(self) -> str:
        """What names the image exactly."""
        return container.reference(self.recorded) or self.image.id

    @property
    def holds_all(self) -> bool:
        """Whether the recorder runs in it too, and not the command alone."""
        return _holds_all(self.recorded)

    @property
    def in_words(self) -> str:
        """What to call it before people."""
        return f"{self.reference} by {self.engine.kind}"

    @property
    def python(self) -> str:
        """The interpreter in it that recorded the run."""
        path = self.recorded.get("python", "")
        return path if PurePosixPath(path).is_absolute() and "\0" not in path else "python3"

    def put(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        mounts: tuple[Mount, ...],
        *,
        gpus: bool = False,
    ) -> tuple[list[str], dict[str, str]]:
        """Return the words that run a command in it, and the environment to say them in.

        Raises:
            EnvironmentLost: The engine has no words for one of the paths.
        """
        own = {"GITTRACK_IMAGE": self.reference, "PATH": self._path()}
        inside = Inside(
            folder=folder,
            mounts=mounts,
            variables=tuple(sorted(env.keys() - own.keys())),
            given=own,
            entrypoint=argv[0],
            label=self.label,
            gpus=gpus,
        )
        try:
            words = self.engine.argv(self.image, argv[1:], inside)
        except InvalidValue as error:
            raise EnvironmentLost(str(error), hint=error.hint) from error
        return words, configs.beside_engine({name: env[name] for name in inside.variables})

    def _path(self) -> str:
        """Return the PATH of the image, the interpreter's folder first."""
        usual = self.image.path or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        own = str(PurePosixPath(self.python).parent)
        return usual if own in (".", *usual.split(":")) else f"{own}:{usual}"

    def around(
        self, env: Mapping[str, str], outside: Sequence[Mount], passed: Iterable[str]
    ) -> dict[str, str]:
        """Return the environment for a `gittrack run --image`, which starts the container.

        Args:
            env: What the command would have without one.
            outside: Data that the container sees.
            passed: Names of variables that the user hands down.
        """
        options = [f"--label={engines.LABEL}={self.label}", *map(engines.mount_option, outside)]
        options += [f"--env={name}" for name in passed]
        mine = {
            "GITTRACK_CONTAINER_ENGINE": self.engine.program,
            "GITTRACK_CONTAINER_OPTIONS": shlex.join([*options, *configs.container_options()]),
        }
        return {**env, **configs.of_engines(), **mine}

    def end(self) -> None:
        """End what still runs in it."""
        self.engine.remove(self.label)


def recorded_image(plan: Plan) -> Mapping[str, str]:
    """Return what the record says of the run's image.

    Raises:
        EnvironmentLost: It says nothing, or nothing that names an image exactly.
    """
    image: Mapping[str, str] = (plan.environment or {}).get("image", {})
    run = plan.run.run_id[:8]
    if plan.environment is None:
        raise EnvironmentLost(
            "the environment of the run is not in this clone, so nobody knows its image",
            hint=f"gittrack repro {run} --env current",
        )
    if not image:
        raise EnvironmentLost(
            "the record names no container image: the run was made in none, or nobody told it which",
            hint="podman run -e GITTRACK_IMAGE=NAME@sha256:… IMAGE python train.py, "
            "or gittrack run --image IMAGE -- python train.py",
        )
    if container.reference(image) is None:
        raise EnvironmentLost(
            f"the record names the image {image.get('name', '')!r:.200} without its digest, so another may have "
            "that name by now",
            hint=f"gittrack repro {run} --env rebuild",
        )
    return image


def holds_all(plan: Plan) -> bool:
    """Whether the recorder of a run was in its image too; see `Container.holds_all`."""
    return _holds_all((plan.environment or {}).get("image", {}))


def _holds_all(recorded: Mapping[str, str]) -> bool:
    return recorded.get("holds") != container.COMMAND


def see(plan: Plan) -> None:
    """Ask that the image is on record, and an engine here; nothing is pulled or run.

    Raises:
        EnvironmentLost: One is missing.
    """
    recorded_image(plan)
    try:
        engines.engines()
    except NotFound as error:
        raise EnvironmentLost(f"{error}, so nothing runs in an image", hint=error.hint) from error


@contextmanager
def held(plan: Plan, progress: Progress | None) -> Iterator[Container]:
    """Have the image of a plan that was agreed to; what runs in a container of it has ended after the block.

    Raises:
        EnvironmentLost: It cannot be had exactly.
    """
    see(plan)
    recorded = recorded_image(plan)
    engine, image = _image(recorded, progress)
    container_ = Container(engine, image, recorded, uuid4().hex)
    try:
        yield container_
    except BaseException:
        container_.end()
        raise


def _image(recorded: Mapping[str, str], progress: Progress | None) -> tuple[Engine, Image]:
    """Return the image, looked for by its id and by its digest, or pulled by its digest."""
    exact = container.reference(recorded) or ""
    own_id = container.reference({"id": recorded.get("id", "")})
    try:
        found = engines.present(dict.fromkeys(filter(None, (exact, own_id))))
    except EngineFailed as error:
        raise EnvironmentLost(str(error), hint="podman info") from error
    if found is not None:
        return found
    if "@" not in exact or exact.startswith("localhost/"):
        raise EnvironmentLost(
            f"the image '{exact}' is not here, and it came from no registry",
            hint=f"podman save {own_id or exact} | ssh HERE podman load",
        )
    if progress is not None:
        progress(f"pulling the image {exact}", 0, 0)
    try:
        return engines.pulled(exact)
    except EngineFailed as error:
        raise EnvironmentLost(
            f"the image cannot be had: {error}", hint=f"podman pull {container.address(exact)}"
        ) from error


def installed_in_place(plan: Plan) -> list[str]:
    """Return the folders of the code, from its top, whose projects the image has installed in place."""
    origins = (plan.environment or {}).get("origins", {}).values()
    return sorted({origin["inside"] for origin in origins if "inside" in origin})


def outside(plan: Plan, data: Sequence[Returned]) -> list[Mount]:
    """Return the inputs outside of the repository that were found here as they were recorded."""
    here = {(entry.path, entry.digest) for entry in data if entry.how == "outside"}
    files = FileStore(plan.layout)
    entries = [entry for entry in plan.data if (entry.path, entry.digest) in here]
    return [Mount(path) for entry in entries for path in _read(Path(entry.path), names_of(entry, files))]


def _read(path: Path, names: Sequence[str] | None) -> list[Path]:
    """Return what a job may see of data: of a folder that has more than was read, as a home, those files alone."""
    if names is None:
        return [path]
    there = (Path(place, name) for place, _, files in os.walk(path) for name in files)
    read = {path / name for name in names}
    return [path] if all(file in read for file in there) else sorted(read)


def mounts(plan: Plan, target: Path, data: Sequence[Returned]) -> tuple[Mount, ...]:
    """Return what a job sees of this machine: git's folder, the store, its worktree, and the data outside of it."""
    sees = [Mount(target, writable=True), *outside(plan, data)]
    if configs.DETERMINISTIC in plan.command.env:
        sees.append(Mount(configs.site()))
    return engines.around_store(plan.repo, plan.layout, plan.repo.top, *sees)


def look(
    held: Container, plan: Plan, target: Path, data: Sequence[Returned], env: Mapping[str, str]
) -> tuple[Difference, ...]:
    """Start the image's Python once, and return what of the environment in there is not as it was recorded.

    Inputs that are nowhere but in the image are hashed there.

    Args:
        held: The image.
        plan: What will be executed.
        target: Top of the worktree.
        data: The inputs as they were restored.
        env: The variables that the job will have.

    Raises:
        EnvironmentLost: It does not start, or has no gittrack.
        DataLost: An input in the image is not as recorded.
    """
    in_image = {(entry.path, entry.digest) for entry in data if entry.how == IN_IMAGE}
    asked = [entry for entry in plan.data if (entry.path, entry.digest) in in_image]
    files = FileStore(plan.layout)
    said = json.dumps([str(target), [[entry.path, names_of(entry, files)] for entry in asked]])
    argv = [held.python, "-P", "-c", _LOOK, said]
    words, around = held.put(argv, env, target, mounts(plan, target, data))
    done = subprocess.run(
        words,
        env=around,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    answer = _answer(done.stdout, len(asked)) if done.returncode == 0 else None
    if answer is None:
        raise _does_not_start(held, done.stderr)
    environment, found = answer
    for entry, digest in zip(asked, found, strict=True):
        if digest != entry.digest:
            raise DataLost(
                f"the data '{entry.path}' is neither here nor in the image as it was recorded",
                hint=f"put back the content with SHA-256 {entry.digest}: sha256sum '{entry.path}'",
            )
    return tuple(compare_environment(plan.environment or {}, present=environment))


def _answer(out: str, asked: int) -> tuple[dict[str, Any], list[object]] | None:
    """Return environment and digests that the image's Python told; None where that is nothing that it could say."""
    try:
        found = json.loads(out.splitlines()[-1])
        environment = formats.load_environment(formats.dump_environment(found["environment"]))
        digests = list(found["digests"])
        return (environment, digests) if len(digests) == asked else None
    except (ValueError, LookupError, TypeError, GittrackError):
        return None


def _does_not_start(held: Container, said: str) -> EnvironmentLost:
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it says nothing")
    if "ModuleNotFoundError" in last and "gittrack" in last:
        return EnvironmentLost(
            f"{held.python} in the image '{held.reference}' has no gittrack, which would record the job",
            hint="gittrack run --image IMAGE -- CMD records from outside",
        )
    return EnvironmentLost(
        f"{held.engine.kind} does not start {held.python} in the image '{held.reference}': {last}",
        hint=f"{held.engine.kind} run --rm {held.image.id} {shlex.quote(held.python)} --version",
    )
