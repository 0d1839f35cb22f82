"""The stages of a `dvc.yaml`: what each runs, reads and makes.

`${…}` is filled in from `params.yaml` and `vars`, as DVC does: names, parts of them, and places in lists. So are
`foreach` and `matrix`. A stage that wants more says so when it is asked for; the others are not affected.
"""

from __future__ import annotations

import difflib
import itertools
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.data.dvc.files import Parse, place
from gittrack.data.dvc.values import merged, picked, read
from gittrack.errors import GittrackError, InvalidValue, NotFound

PARAMS = "params.yaml"

_FILLED = re.compile(r"(?<!\\)\$\{([^{}]*)\}")
_WORD = re.compile(r"\s*[\w-]+(\.[\w-]+|\[[\w-]+\])*\s*", re.ASCII)


@dataclass(frozen=True)
class Stage:
    """One stage. Paths are from the repository's top; those of data beside it are absolute.

    Attributes:
        name: As `dvc repro` takes it.
        said_by: The `dvc.yaml`.
        commands: Lines for a shell, one after the other until one fails.
        folder: Where they run; empty for the top.
        deps: Files and folders that it reads.
        params: Files with values that it reads, and which values; all of a file for None.
        outs: Files and folders that it makes; plots are among them.
        metrics: Files with numbers that it makes.
    """

    name: str
    said_by: str
    commands: tuple[str, ...]
    folder: str
    deps: tuple[str, ...]
    params: Mapping[str, tuple[str, ...] | None]
    outs: tuple[str, ...]
    metrics: tuple[str, ...]

    @property
    def address(self) -> str:
        """The name that means this stage anywhere in the repository."""
        return f"{self.said_by}:{self.name}"


@dataclass(frozen=True)
class _Definition:
    fields: Mapping[str, Any]
    more: Mapping[str, Any]  # `item` and `key`, for one of many


class Pipeline:
    """The stages of one `dvc.yaml`."""

    def __init__(self, top: Path, said_by: str, parse: Parse) -> None:
        """Read the file.

        Args:
            top: Top of the working tree.
            said_by: The file, from there.
            parse: Reads YAML.

        Raises:
            NotFound: There is no such file.
            Damaged: It is not YAML, or no mapping.
        """
        self._top, self._said_by, self._parse = top, said_by, parse
        self._folder = posixpath.dirname(said_by)
        document = read(top / said_by, parse)
        self._context = self._vars(self._params(), document.get("vars"), self._folder)
        stages = document.get("stages")
        self._definitions = dict(self._defined(stages if isinstance(stages, dict) else {}))

    @property
    def names(self) -> list[str]:
        """The names of all stages."""
        return list(self._definitions)

    def stage(self, name: str) -> Stage:
        """Return a stage.

        Raises:
            NotFound: There is none of that name.
            InvalidValue: Something in it cannot be filled in.
        """
        definition = self._definitions.get(name)
        if definition is None:
            near = difflib.get_close_matches(name, self._definitions, n=3, cutoff=0.4) or self.names[:5]
            raise NotFound(
                f"{self._said_by} has no stage '{name}'",
                hint=f"one of {', '.join(near)}" if near else "dvc stage add",
            )
        return self._stage(name, definition)

    def before(self, names: Iterable[str]) -> list[Stage]:
        """Return the stages of these names and those that make what they read, first ones first.

        Raises:
            NotFound: There is none of a name.
            InvalidValue: Something in one of them cannot be filled in.
        """
        makers: dict[str, Stage] = {}
        for stage in self._known():
            makers.update((path, stage) for path in (*stage.outs, *stage.metrics))
        found: dict[str, Stage] = {}
        waiting = [self.stage(name) for name in names]
        while waiting:
            stage = waiting.pop()
            if stage.name not in found:
                found[stage.name] = stage
                waiting += [maker for dep in stage.deps for maker in _makers(dep, makers)]
        return list(reversed(found.values()))

    def _known(self) -> Iterator[Stage]:
        for name, definition in self._definitions.items():
            try:
                yield self._stage(name, definition)
            except GittrackError:
                continue

    def _params(self) -> dict[str, Any]:
        path = self._top / self._folder / PARAMS
        return read(path, self._parse) if path.is_file() else {}

    def _vars(self, context: Mapping[str, Any], entries: object, folder: str) -> dict[str, Any]:
        """Return a context with the variables that a list of `vars` adds."""
        found = dict(context)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                found = merged(found, entry)
            elif isinstance(entry, str):
                name, _, keys = entry.partition(":")
                path = place(folder, name)
                if path is None:
                    raise InvalidValue(f"{self._said_by} takes vars from '{name}', outside of the repository")
                values = read(self._top / path, self._parse)
                for key in keys.split(",") if keys else ():
                    found = merged(found, {key: picked(values, key)})
                found = found if keys else merged(found, values)
        return found

    def _defined(self, stages: Mapping[str, Any]) -> Iterator[tuple[str, _Definition]]:
        for name, fields in stages.items():
            if not isinstance(fields, dict):
                continue
            try:
                if "foreach" in fields:
                    yield from self._for_each(name, fields)
                elif "matrix" in fields:
                    yield from self._matrix(name, fields)
                else:
                    yield name, _Definition(fields, {})
            except GittrackError:
                yield name, _Definition(fields, {})  # told when somebody asks for it

    def _for_each(self, name: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, _Definition]]:
        items = self._filled(fields["foreach"], self._context)
        done = fields.get("do")
        if not isinstance(done, dict) or not isinstance(items, dict | list):
            raise InvalidValue(f"the stage '{name}' in {self._said_by} has nothing to repeat")
        if isinstance(items, dict):
            for key, item in items.items():
                yield f"{name}@{key}", _Definition(done, {"key": key, "item": item})
            return
        plain = not any(isinstance(item, dict | list) for item in items)
        for number, item in enumerate(items):
            yield f"{name}@{_text(item) if plain else number}", _Definition(done, {"item": item})

    def _matrix(self, name: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, _Definition]]:
        axes = self._filled(fields["matrix"], self._context)
        if not isinstance(axes, dict) or not all(isinstance(values, list) for values in axes.values()):
            raise InvalidValue(f"the stage '{name}' in {self._said_by} has no lists to combine")
        for chosen in itertools.product(*(enumerate(values) for values in axes.values())):
            words = [
                f"{axis}{number}" if isinstance(value, dict | list) else _text(value)
                for axis, (number, value) in zip(axes, chosen, strict=True)
            ]
            item = {axis: value for axis, (_, value) in zip(axes, chosen, strict=True)}
            key = "-".join(words)
            yield f"{name}@{key}", _Definition(fields, {"key": key, "item": item})

    def _stage(self, name: str, definition: _Definition) -> Stage:
        fields = definition.fields
        context = {**self._context, **definition.more}
        wdir = self._filled(fields.get("wdir", "."), context)
        folder = self._folder if wdir == "." else place(self._folder, wdir)
        if folder is None:
            raise InvalidValue(
                f"the stage '{name}' in {self._said_by} runs outside of the repository: {wdir!r:.80}"
            )
        context = self._vars(context, fields.get("vars"), folder)
        plots, outs, metrics, deps = (
            [self._path(entry, folder) for entry in _paths(self._filled(fields.get(part), context))]
            for part in ("plots", "outs", "metrics", "deps")
        )
        return Stage(
            name=name,
            said_by=self._said_by,
            commands=self._commands(name, self._filled(fields.get("cmd"), context)),
            folder=folder,
            deps=tuple(filter(None, deps)),
            params=self._wanted(self._filled(fields.get("params"), context), folder),
            outs=tuple(dict.fromkeys(filter(None, [*outs, *plots]))),
            metrics=tuple(filter(None, metrics)),
        )

    def _path(self, path: str, folder: str) -> str | None:
        if "://" in path:
            return None
        return place(folder, path) or os.path.normpath(self._top / folder / path)

    def _commands(self, name: str, cmd: object) -> tuple[str, ...]:
        lines = cmd.splitlines() if isinstance(cmd, str) else cmd
        found = (
            [line for line in lines if isinstance(line, str) and line.strip()]
            if isinstance(lines, list)
            else []
        )
        if not found:
            raise InvalidValue(f"the stage '{name}' in {self._said_by} has no command")
        return tuple(found)

    def _wanted(self, entries: object, folder: str) -> dict[str, tuple[str, ...] | None]:
        found: dict[str, tuple[str, ...] | None] = {}
        for entry in entries if isinstance(entries, list) else ():
            files = entry if isinstance(entry, dict) else {PARAMS: [entry]}
            for name, keys in files.items():
                path = place(folder, name)
                if path is not None:
                    more = tuple(map(str, keys)) if isinstance(keys, list) else None
                    known = found.get(path, ())
                    found[path] = None if more is None or known is None else (*known, *more)
        return found

    def _filled(self, value: Any, context: Mapping[str, Any]) -> Any:
        """Return a value with every `${…}` in it filled in."""
        if isinstance(value, dict):
            return {self._filled(key, context): self._filled(entry, context) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._filled(entry, context) for entry in value]
        if not isinstance(value, str):
            return value
        whole = _FILLED.fullmatch(value)
        if whole:
            return self._value(whole[1], context)
        return _FILLED.sub(lambda found: self._word(found[1], context), value).replace("\\${", "${")

    def _word(self, expression: str, context: Mapping[str, Any]) -> str:
        value = self._value(expression, context)
        if isinstance(value, dict | list):
            raise InvalidValue(
                f"{self._said_by} puts '${{{expression}}}', which is a {type(value).__name__}, into a text",
                hint="gittrack run -- dvc repro STAGE",
            )
        return _text(value)

    def _value(self, expression: str, context: Mapping[str, Any]) -> Any:
        if not _WORD.fullmatch(expression):
            raise InvalidValue(
                f"{self._said_by} has '${{{expression}}}', which gittrack cannot fill in",
                hint="gittrack run -- dvc repro STAGE",
            )
        try:
            return picked(context, expression.strip())
        except NotFound:
            raise InvalidValue(
                f"{self._said_by} has '${{{expression}}}', and neither {PARAMS} nor vars has it"
            ) from None


def _makers(dep: str, makers: Mapping[str, Stage]) -> Iterator[Stage]:
    """Yield the stages that make what lies at a path, above it or below it."""
    for path, stage in makers.items():
        if path == dep or dep.startswith(f"{path}/") or path.startswith(f"{dep}/"):
            yield stage


def _paths(entries: object) -> list[str]:
    """Return the paths of a list of outs: each a text, or a mapping of one path to its options."""
    found: list[str] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        found += [key for key in entry if isinstance(key, str)] if isinstance(entry, dict) else []
        found += [entry] if isinstance(entry, str) else []
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
