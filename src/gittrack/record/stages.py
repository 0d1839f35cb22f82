"""A stage of a DVC pipeline as a run: what it reads, and what it has made, is recorded without being told."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from gittrack import config as configs
from gittrack.data.dvc.files import PIPELINE
from gittrack.data.dvc.pipeline import Pipeline, Stage
from gittrack.data.dvc.values import flat, picked, read
from gittrack.errors import GittrackError, InvalidValue, NotFound
from gittrack.record import dvc, values
from gittrack.record.project import Project
from gittrack.record.run import ActiveRun
from gittrack.record.warning import warn
from gittrack.store.layout import safe_path

_QUIET_SHELLS: Mapping[str, tuple[str, ...]] = {"bash": ("--noprofile", "--norc"), "zsh": ("--no-rcs",)}
_EVERYTHING = ("-R", "--recursive", "-P", "--all-pipelines", "-p", "--pipeline", "--glob", "--downstream")
_ALONE = ("-s", "--single-item")


@dataclass(frozen=True)
class Work:
    """What one or more stages take and give.

    Attributes:
        address: The stage that the run is of, None when DVC decides which stages run.
        argv: The command.
        folder: Where it runs.
        data: Files and folders that it reads.
        params: Values that it reads.
        outs: Files and folders that it makes, from the top of the working tree.
        metrics: Files with numbers that it makes, from there.
        before: State of the outs and metrics before it ran.
    """

    address: str | None
    argv: tuple[str, ...]
    folder: Path
    data: tuple[Path, ...]
    params: Mapping[str, Any]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]
    before: Mapping[str, object]


def of_stage(project: Project, text: str, argv: Sequence[str] = (), *, folder: Path) -> Work:
    """Return what a stage takes and gives.

    Args:
        project: What the run is recorded into.
        text: The stage's name, or `path/to/dvc.yaml:NAME`, as seen from `folder`.
        argv: The command to run instead of the stage's own, in `folder`.
        folder: The current folder.

    Raises:
        NotFound: There is no such stage, or something that it reads is not here.
        InvalidValue: Something in it cannot be filled in.
        Damaged: Its file, or one with its params, cannot be read.
    """
    file, _, name = text.rpartition(":")
    stage = Pipeline(project.root, _from_top(project, folder, file or PIPELINE), dvc.parse).stage(name)
    data = tuple(project.root / path for path in stage.deps)
    for path, dep in zip(data, stage.deps, strict=True):
        if not path.exists():
            raise NotFound(f"the stage '{name}' reads '{dep}', which is not here", hint=f"dvc pull '{dep}'")
    return Work(
        address=stage.address,
        argv=tuple(argv) or _shell_argv(stage.commands),
        folder=folder if argv else project.root / stage.folder,
        data=data,
        params=_params(project.root, [stage]),
        outs=stage.outs,
        metrics=stage.metrics,
        before=_states(project.root, [*stage.outs, *stage.metrics]),
    )


def of_command(project: Project, argv: Sequence[str], *, folder: Path) -> Work | None:
    """Return what the stages take and give that `dvc repro` runs; None for any other command.

    What cannot be found out is warned of: the command is DVC's, and may well run.
    """
    words = _words_of_repro(argv)
    if words is None:
        return None
    try:
        stages = _asked_for(project, words, folder)
        params = _params(project.root, stages)
    except GittrackError as error:
        warn(f"gittrack records the command alone: {error}")
        return None
    made = [path for stage in stages for path in (*stage.outs, *stage.metrics)]
    data = [
        project.root / dep
        for dep in dict.fromkeys(dep for stage in stages for dep in stage.deps)
        if not any(dep == path or dep.startswith(f"{path}/") for path in made)
    ]
    return Work(
        address=None,
        argv=tuple(argv),
        folder=folder,
        data=tuple(path for path in data if path.exists()),
        params=params,
        outs=tuple(dict.fromkeys(path for stage in stages for path in stage.outs)),
        metrics=tuple(dict.fromkeys(path for stage in stages for path in stage.metrics)),
        before={},
    )


def record_results(run: ActiveRun, project: Project, work: Work) -> None:
    """Record what the stages have made: numbers as metrics at step 0, files as artifacts. Never raises."""
    for path in (*work.outs, *work.metrics):
        if path in work.before and work.before[path] == _state(project.root / path):
            warn(f"'{path}' was there before the stage ran, and has not been written since")
    try:
        _record_metrics(run, _documents(project.root, work.metrics))
    except GittrackError as error:
        warn(f"gittrack could not record the metrics of the stage: {error}")
    for path in work.outs:
        try:
            run.log_artifact(project.root / safe_path(path), posixpath.dirname(path) or None)
        except (GittrackError, OSError) as error:
            warn(f"gittrack could not record '{path}', which the stage makes: {error}")


def address_of(tag: str | None, target: Path, folder: Path) -> str | None:
    """Return how a recorded stage is called from `folder`, None when the tag names none.

    Args:
        tag: What the run's record says: anything.
        target: Top of the working tree.
        folder: A folder in it.
    """
    file, _, name = (tag or "").rpartition(":")
    try:
        return f"{os.path.relpath(target / safe_path(file), folder)}:{safe_path(name)}"
    except InvalidValue:
        return None


def _from_top(project: Project, folder: Path, file: str) -> str:
    path = Path(os.path.normpath(folder.resolve() / file))
    if not path.is_relative_to(project.root.resolve()):
        raise InvalidValue(f"'{file}' is outside of the repository")
    return path.relative_to(project.root.resolve()).as_posix()


def _shell_argv(commands: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs lines as DVC does: in the user's shell, without its settings, until one fails."""
    shell = PurePath(configs.shell()).name
    begin, end = ("begin", "end") if shell == "fish" else ("(", ")")
    text = commands[0]
    if len(commands) > 1:
        text = " && ".join(f"{begin}\n{command}\n{end}" for command in commands)
    return (shell, *_QUIET_SHELLS.get(shell, ()), "-c", text)


def _words_of_repro(argv: Sequence[str]) -> list[str] | None:
    """Return what stands after `dvc repro`."""
    for begin in (["dvc", "repro"], ["python", "-m", "dvc", "repro"]):
        plain = [PurePath(argv[0]).name, *argv[1:]] if argv else []
        if plain[: len(begin)] == begin:
            return plain[len(begin) :]
    return None


def _asked_for(project: Project, words: Sequence[str], folder: Path) -> list[Stage]:
    targets: dict[str, list[str]] = {}
    for word in words:
        if not word.startswith("-") and not word.endswith(".dvc"):
            file, _, name = word.rpartition(":") if not word.endswith(".yaml") else (word, "", "")
            targets.setdefault(file or PIPELINE, []).append(name)
    found: list[Stage] = []
    for file, names in (targets or {PIPELINE: []}).items():
        pipeline = Pipeline(project.root, _from_top(project, folder, file), dvc.parse)
        if not all(names) or not names or set(words) & set(_EVERYTHING):
            names = pipeline.names
        several = [each for name in names for each in _called(pipeline, name)]
        if set(words) & set(_ALONE):
            found += [pipeline.stage(name) for name in several]
        else:
            found += pipeline.before(several)
    return found


def _called(pipeline: Pipeline, name: str) -> list[str]:
    """Return the stages of a name: one, or all that `foreach` or `matrix` makes of it."""
    many = [known for known in pipeline.names if known.startswith(f"{name}@")]
    return [name] if name in pipeline.names or not many else many


def _params(top: Path, stages: Iterable[Stage]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    for stage in stages:
        for path, keys in stage.params.items():
            document = read(top / path, dvc.parse)
            for key in keys or ():
                try:
                    value = picked(document, key)
                except NotFound:
                    raise NotFound(
                        f"the stage '{stage.name}' reads the param '{key}', which {path} has not"
                    ) from None
                found.setdefault(path, {}).update(flat({key: value}))
            if keys is None:
                found.setdefault(path, {}).update(flat(document))
    return _checked({key: _scalar(value) for key, value in _distinct(found).items()}, "param")


def _documents(top: Path, paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    found = {}
    for path in paths:
        try:
            found[path] = dict(flat(read(top / path, dvc.parse)))
        except GittrackError as error:
            warn(f"gittrack could not read the metrics in '{path}': {error}")
    return found


def _record_metrics(run: ActiveRun, documents: Mapping[str, Mapping[str, Any]]) -> None:
    numbers = {key: value for key, value in _distinct(documents).items() if isinstance(value, int | float)}
    for key, value in _checked(numbers, "metric").items():
        run.log_metric(key, value, 0)


def _distinct(documents: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the values of several files; a name that two of them have gets its file before it."""
    counted: dict[str, int] = {}
    for entries in documents.values():
        for key in entries:
            counted[key] = counted.get(key, 0) + 1
    return {
        key if counted[key] == 1 else f"{path}:{key}": value
        for path, entries in documents.items()
        for key, value in entries.items()
    }


def _checked(entries: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Leave out what has a name that cannot be recorded, with a warning."""
    found = {}
    for key, value in entries.items():
        try:
            found[values.check_key(key, kind)] = value
        except InvalidValue as error:
            warn(f"gittrack leaves out a {kind} of the stage: {error}")
    return found


def _scalar(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _states(top: Path, paths: Iterable[str]) -> dict[str, object]:
    return {path: state for path in paths if (state := _state(top / path)) is not None}


def _state(path: Path) -> object:
    """Return what changes when a file is written; None for a folder, or where nothing is."""
    if not path.is_file():
        return None
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
