"""Experiments: named groups of runs. An id comes from the name alone, so every clone gives a name the same one.

An experiment that was renamed or deleted keeps its id; whoever takes its old name then gets the name's next id.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from gittrack.entities.record import Digest, Event, ExperimentId
from gittrack.errors import Damaged, InvalidValue
from gittrack.record import events as folding
from gittrack.record import format as formats
from gittrack.record import values
from gittrack.record.warning import warn
from gittrack.store import digest as digests
from gittrack.store import durable
from gittrack.store.layout import Layout

DEFAULT = "Default"
DEFAULT_ID = ExperimentId("0")
MAX_NAME = 500
_ABOUT = b"\nexperiment_id: "  # the second line of an event that is about an experiment
_HEAD = 200


@dataclass(frozen=True)
class Group:
    """An experiment as events left it; times in milliseconds since 1970 UTC."""

    experiment_id: ExperimentId
    name: str
    deleted: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None


def id_of(name: str, generation: int = 0) -> ExperimentId:
    """Return the id that a name has; `generation` counts how often the name was free again."""
    if name == DEFAULT and not generation:
        return DEFAULT_ID
    content = f"gittrack/experiment\n{generation}\n{name}".encode()
    return ExperimentId(str(10**17 + int(digests.of_bytes(content)[:15], 16) % (9 * 10**17)))


def ids_of(name: str) -> Iterator[ExperimentId]:
    """Yield the ids that a name has, the first first."""
    return (id_of(name, generation) for generation in count())


def check_name(name: object) -> str:
    """Return `name` if it can name an experiment.

    Raises:
        InvalidValue: It is no text, blank, or longer than 500 characters.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidValue(f"{name!r:.80} is not the name of an experiment")
    if len(name) > MAX_NAME:
        raise InvalidValue(
            f"the name of an experiment '{name[:40]}…' has {len(name)} characters, at most {MAX_NAME} are taken"
        )
    return values.as_text(name, "the name of an experiment")


def named(groups: Iterable[Group], name: str) -> Group | None:
    """Return the experiment that has a name now; of several, which two clones can make, that with the least id.

    A deleted one is returned only when no other has the name.
    """
    found = [group for group in groups if group.name == name]
    return min(found, key=lambda group: (group.deleted, int(group.experiment_id)), default=None)


def free_id(groups: Iterable[Group], name: str) -> ExperimentId:
    """Return the first id of a name that no experiment has."""
    taken = {group.experiment_id for group in groups}
    return next(one for one in ids_of(name) if one not in taken)


class Experiments:
    """The experiments that the working tree's events, and their second copies, tell of.

    It needs no index, so a training can ask it. What only other branches tell of is the index's to know.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def groups(self) -> list[Group]:
        """Return all experiments, `Default` first."""
        states = folding.fold(self._events())
        found = {
            one: Group(
                ExperimentId(one),
                state.name,
                state.deleted,
                folding.apply({}, state),
                state.created,
                state.changed,
            )
            for one, state in states.items()
            if state.name is not None
        }
        made = made_at(self._layout)
        default = Group(DEFAULT_ID, DEFAULT, creation_time=made, last_update_time=made)
        return [found.pop(DEFAULT_ID, default), *found.values()]

    def ensure(self, name: str, *, user: str, reserve_deleted: bool = False) -> Group:
        """Return the experiment called `name`; create it where there is none, or only a deleted one.

        Raises:
            InvalidValue: It cannot be a name; or a deleted experiment has it, and keeps it (`reserve_deleted`).
        """
        name = check_name(name)
        groups = self.groups()
        found = named(groups, name)
        if found is not None and not found.deleted:
            return found
        if found is not None and reserve_deleted:
            raise InvalidValue(
                f"the experiment '{name}' is deleted",
                hint=f"gittrack.Client().restore_experiment('{found.experiment_id}')",
            )
        free = free_id(groups, name)
        try:
            return create(self._layout, free, name, user=user)
        except OSError as error:  # its runs tell of it all the same
            warn(f"gittrack cannot record yet that the experiment '{name}' was created: {error}")
            return Group(free, name)

    def of_id(self, experiment_id: str) -> Group | None:
        """Return the experiment with an id, or None."""
        return next((group for group in self.groups() if group.experiment_id == experiment_id), None)

    def _events(self) -> dict[Digest, Event]:
        """Return the events about experiments; a file that is none of these is opened once."""
        cache = self._layout.index / "experiments.json"
        try:
            known: dict[str, str | None] = json.loads(cache.read_bytes())
        except (OSError, ValueError):
            known = {}
        now: dict[str, str | None] = {}
        for layout in (self._layout, self._layout.unsaved):
            for shard in _folders(layout):
                for file in shard.glob("*.yaml"):
                    name = shard.name + file.stem
                    if name in now or not digests.is_digest(name):
                        continue
                    if name in known:
                        now[name] = known[name]
                    elif (content := _whole(file, name)) is not None:
                        now[name] = content.decode("utf-8", "replace") if _ABOUT in content[:_HEAD] else None
        if now != known:
            with suppress(OSError):
                durable.replace_file(cache, json.dumps(now).encode(), tmp=self._layout.tmp)
        return {
            Digest(name): event for name, text in now.items() if text is not None and (event := _event(text))
        }


def made_at(layout: Layout) -> int | None:
    """Return when this clone got its store, which is when `Default` was created; before that, its own age."""
    for place in (layout.config, layout.private.parent):
        with suppress(OSError):
            return place.stat().st_mtime_ns // 1_000_000
    return None


def create(layout: Layout, experiment_id: ExperimentId, name: str, *, user: str) -> Group:
    """Write the event that an experiment was created; return it.

    Raises:
        OSError: The disk does not take it.
    """
    now_ms = time.time_ns() // 1_000_000
    event = folding.new_event(experiment_id, "create", None, name, known={}, now_ms=now_ms, user=user)
    folding.write_event(layout, event)
    return Group(experiment_id, name, creation_time=now_ms, last_update_time=now_ms)


def _folders(layout: Layout) -> list[Path]:
    try:
        return sorted(
            folder for folder in layout.events.iterdir() if folder.is_dir() and not folder.is_symlink()
        )
    except OSError:
        return []


def _whole(file: Path, digest: str) -> bytes | None:
    """Return the content of an event if all of it is there: git writes a file bit by bit."""
    try:
        content = b"" if file.is_symlink() else file.read_bytes()
    except OSError:
        return None
    return content if digests.of_bytes(content) == digest else None


def _event(text: str) -> Event | None:
    """Return an event if it can be read."""
    try:
        return formats.load_event(text.encode())
    except Damaged:
        return None
