"""Artifacts by their address: `runs:/<run id>/<path>`, or a path of this machine.

The functions are those of MLflow's `mlflow.artifacts`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.entities.tracking import FileInfo
from gittrack.errors import InvalidValue
from gittrack.store.layout import path_on_disk
from gittrack.store.objects import FileStore
from gittrack.tracking import artifacts, projects
from gittrack.tracking.open_runs import id_of

if TYPE_CHECKING:
    import PIL.Image

    from gittrack.entities.record import Artifact, RunId

__all__ = ["download_artifacts", "list_artifacts", "load_dict", "load_image", "load_text"]


def download_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> str:
    """Put a file or folder of artifacts into a folder; return where it is then.

    Args:
        artifact_uri: Its address; either this or `run_id` is given.
        run_id: The run.
        artifact_path: The file or folder among the run's artifacts; all of them without it.
        dst_path: The folder, made if it is not there; without it a new temporary one, and what is on this machine
            stays where it is.
        tracking_uri: The repository, when it is not the current one.
        registry_uri: MLflow's; nothing of it is needed.

    Raises:
        InvalidValue: The address is none, or the path could climb.
        NotFound: There is no such run or artifact, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    del registry_uri
    path = _checked(artifact_uri, run_id, artifact_path)
    if path is not None and dst_path is None:
        artifacts.check_local(path)
        return str(path.absolute())
    if path is not None:
        return str(artifacts.copy_local(path, path_on_disk(dst_path)))
    wanted, inside = _of_run(artifact_uri, run_id, artifact_path)
    found, files = _artifacts(wanted, tracking_uri)
    return str(artifacts.download(found, files, inside, path_on_disk(dst_path) if dst_path else None))


def list_artifacts(
    artifact_uri: str | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
) -> list[FileInfo]:
    """Return the files and folders directly in a folder of artifacts, by path.

    The paths start at the run's artifacts when `run_id` is given, and at the folder above when an address is.

    Args:
        artifact_uri: The folder's address; either this or `run_id` is given.
        run_id: The run.
        artifact_path: The folder among the run's artifacts; the top without it.
        tracking_uri: The repository, when it is not the current one.

    Raises:
        InvalidValue: The address is none, or the path could climb.
        NotFound: There is no such run.
    """
    path = _checked(artifact_uri, run_id, artifact_path)
    if path is not None:
        return artifacts.list_local(path)
    wanted, inside = _of_run(artifact_uri, run_id, artifact_path)
    found = artifacts.list_artifacts(_artifacts(wanted, tracking_uri)[0], inside)
    above = "" if artifact_uri is None else inside.rpartition("/")[0]
    return [
        FileInfo(info.path.removeprefix(above).lstrip("/"), info.is_dir, info.file_size) for info in found
    ]


def load_text(artifact_uri: str) -> str:
    """Return the text that an artifact holds.

    Raises:
        InvalidValue: The address is none, or the content is not UTF-8.
        NotFound: There is no such run or artifact, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    return artifacts.as_text(_content(artifact_uri), artifact_uri)


def load_dict(artifact_uri: str) -> dict[str, Any]:
    """Return what an artifact in JSON, or in YAML by its ending, holds.

    Raises:
        InvalidValue: The address is none, or the content is something else.
        NotFound: There is no such run or artifact, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    found: dict[str, Any] = artifacts.as_dict(_content(artifact_uri), artifact_uri)
    return found


def load_image(artifact_uri: str) -> PIL.Image.Image:
    """Return the picture that an artifact holds.

    Raises:
        InvalidValue: The address is none, the content is no picture, or Pillow is not installed.
        NotFound: There is no such run or artifact, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    return artifacts.as_image(_content(artifact_uri), artifact_uri)


def _checked(artifact_uri: str | None, run_id: str | None, artifact_path: str | None) -> Path | None:
    """Return what an address names on this machine, None when a run is meant."""
    if (artifact_uri is None) == (run_id is None):
        raise InvalidValue(
            "either artifact_uri or run_id is needed", hint="artifact_uri='runs:/<run id>/<path>'"
        )
    if artifact_uri is not None and artifact_path is not None:
        raise InvalidValue(f"artifact_path is {artifact_path!r:.200}, which goes with run_id only")
    return None if artifact_uri is None else artifacts.of_this_machine(str(artifact_uri))


def _of_run(artifact_uri: str | None, run_id: str | None, artifact_path: str | None) -> tuple[RunId, str]:
    return (id_of(run_id), artifact_path or "") if artifact_uri is None else artifacts.parse_uri(artifact_uri)


def _artifacts(run_id: RunId, tracking_uri: str | None = None) -> tuple[tuple[Artifact, ...], FileStore]:
    """Return a run's artifacts and what keeps their content."""
    project = projects.current(uri=tracking_uri)
    return projects.session(project).run(run_id).artifacts, FileStore(project.layout)


def _content(artifact_uri: str) -> bytes:
    path = artifacts.of_this_machine(str(artifact_uri))
    if path is None:
        run_id, inside = artifacts.parse_uri(artifact_uri)
        return artifacts.read(*_artifacts(run_id), inside)
    return artifacts.read_local(path)
