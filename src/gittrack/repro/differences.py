"""What of environment and machine is not as it was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.record import container, environment

IMAGE = "image"
CONDA = "conda packages"
_BY_CONDA = " (conda)"
_NOT_COMPARED = {"packages"}  # where packages lie is not what they are


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it was recorded.

    Attributes:
        kind: `environment`, `hardware`, `code` or `data`.
        name: What differs: `numpy`, `python.version`, `cpu`, a file.
        old: As recorded, None when the record has none.
        new: As it is here, None when there is none.
    """

    kind: str
    name: str
    old: str | None
    new: str | None


def compare_environment(
    recorded: Mapping[str, Any] | None,
    *,
    roots: Sequence[Path] = (),
    present: Mapping[str, Any] | None = None,
) -> list[Difference]:
    """Return every way in which the present environment, or another, is not the recorded one.

    Args:
        recorded: As `environment.capture` has it, or less: what the record lacks is not compared; None when the
            record is not there.
        roots: Working trees whose code is compared by itself.
        present: The other one; None for that of this process.
    """
    if recorded is None:
        return [Difference("environment", "environment", "not in this clone", None)]
    if present is None:
        present = environment.capture(roots)
    differences = []
    for group in ("python", "platform"):
        old, new = recorded.get(group, {}), present.get(group, {})
        differences += [
            Difference("environment", f"{group} {name}", old[name], new.get(name))
            for name in sorted(old)
            if old[name] != new.get(name) and name not in _NOT_COMPARED
        ]
    old, new = recorded.get("distributions", {}), present.get("distributions", {})
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            differences.append(Difference("environment", name, old.get(name), new.get(name)))
        else:
            differences += _compare_content(name, recorded, present)
    was, now = (container.in_words(found.get("image", {})) for found in (recorded, present))
    image = [Difference("environment", IMAGE, was, now)] if was and was != now else []
    return [*differences, *_compare_conda(recorded, present), *image]


def is_of_conda(name: str) -> bool:
    """Whether a difference of that name is one of conda's packages, which nothing here can bring back."""
    return name == CONDA or name.endswith(_BY_CONDA)


def _compare_conda(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[Difference]:
    """Return how conda's packages differ; a distribution of another version is named as that already."""
    old, new = recorded.get("conda", {}), present.get("conda", {})
    if not old:
        return []
    if not new:
        return [Difference("environment", CONDA, f"{len(old)} packages", None)]
    was, now = recorded.get("distributions", {}), present.get("distributions", {})
    return [
        Difference("environment", f"{name}{_BY_CONDA}", old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name) and was.get(name) == now.get(name)
    ]


def _compare_content(name: str, recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[Difference]:
    """Return how two installations of one version differ: by where they came from, or else by their files."""
    if name == environment.RECORDER or not {"origins", "digests"} & recorded.keys():
        return []
    old, new = (_origin_in_words(found.get("origins", {}).get(name, {})) for found in (recorded, present))
    if old != new:
        return [Difference("environment", f"{name} origin", old, new)]
    was, now = (found.get("digests", {}).get(name) for found in (recorded, present))
    if was is None or now is None or was == now:
        return []
    return [Difference("environment", f"{name} files", was[:12], now[:12])]


def _origin_in_words(origin: Mapping[str, str]) -> str:
    if not origin.get("commit") and not origin.get("sha256"):
        return "in the repository" if "inside" in origin else "an index, or a folder"
    words = f"commit {origin['commit'][:12]}" if "commit" in origin else f"SHA-256 {origin['sha256'][:12]}"
    return words + (f" with the changes {origin['patch'][:12]}" if "patch" in origin else "")


def compare_hardware(recorded: Mapping[str, Any]) -> list[Difference]:
    """Return how processor, number of cores and GPUs differ from those of the run's host."""
    present = environment.host()
    return [
        Difference("hardware", name, _words(recorded[name]), _words(present.get(name)))
        for name in ("cpu", "cores", "gpus")
        if name in recorded and _words(recorded[name]) != _words(present.get(name))
    ]


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
