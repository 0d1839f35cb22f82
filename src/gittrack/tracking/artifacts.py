"""A run's artifacts, read: listed, put into folders, and opened.

Source: what is listed, and where a download lies, is as MLflow's `list_artifacts` and `download_artifacts` have it.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gittrack.entities.record import Artifact, RunId
from gittrack.entities.tracking import FileInfo
from gittrack.errors import Conflict, InvalidValue, NotFound, RecordingNotice
from gittrack.record import media, tables
from gittrack.record.artifacts import path_of
from gittrack.record.values import as_list
from gittrack.store.digest import random_hex
from gittrack.store.layout import safe_path
from gittrack.store.objects import FileStore
from gittrack.tracking.connection import several
from gittrack.tracking.open_runs import id_of

if TYPE_CHECKING:
    import pandas as pd
    import PIL.Image

    from gittrack.entities.tracking import Run
    from gittrack.query.session import Session
    from gittrack.tracking.connection import Connection

_COLUMNS = ("run_id", "run_name", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
_URI = re.compile(r"runs:(?:/|///)([^/?#]+)(?:/([^?#]*))?")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.\-]+:")  # of two letters at least: one is a drive


def parse_uri(uri: str) -> tuple[RunId, str]:
    """Return the run and the path that `runs:/<run id>/<path>` names; the path is empty for all artifacts.

    Raises:
        InvalidValue: It is no such address, or the path could climb.
        NotFound: The run's id is none of ours.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise InvalidValue(
            f"{uri!r:.200} is not the address of an artifact", hint="runs:/<run id>/<path> is one"
        )
    path = found[2] or ""
    _plain(path)
    return id_of(found[1]), path


def of_this_machine(uri: str) -> Path | None:
    """Return the file or folder of this machine that an address names; None for one of a run.

    Raises:
        InvalidValue: It is somewhere else.
    """
    if uri.startswith("runs:"):
        return None
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if _SCHEME.match(uri) and not Path(uri).exists():
        raise InvalidValue(
            f"gittrack has no artifacts at {uri!r:.200}", hint="runs:/<run id>/<path>, or the path of a file"
        )
    return Path(uri)


def list_artifacts(artifacts: Iterable[Artifact], path: str | None = None) -> list[FileInfo]:
    """Return the files and folders directly in a folder, by path; nothing for a file, and where there is nothing.

    Args:
        artifacts: Those of the run.
        path: The folder; empty or None for the top.

    Raises:
        InvalidValue: The path could climb.
    """
    below = _prefix(_plain(path))
    found: dict[str, FileInfo] = {}
    for artifact in artifacts:
        if artifact.path.startswith(below):
            name, _, inside = artifact.path.removeprefix(below).partition("/")
            size = None if inside else artifact.size
            found[below + name] = FileInfo(below + name, is_dir=bool(inside), file_size=size)
    return [found[path] for path in sorted(found)]


def download(artifacts: Iterable[Artifact], files: FileStore, path: str | None, folder: Path | None) -> Path:
    """Put a file, or all that is in a folder, into `folder` under its own name; return where it is then.

    What is there under that name is replaced. Of a path that ends in `/`, and of the top, the content alone is put
    there. Each file appears whole, and with the digest of the record.

    Args:
        artifacts: Those of the run.
        files: Keeps content by digest.
        path: The file or folder; empty or None for everything.
        folder: Made if it is not there; None for a new temporary one.

    Raises:
        InvalidValue: The path could climb, or a link in `folder` leads out of it.
        NotFound: The run has no such artifact, or this clone lacks the content.
        Damaged: The content is not what was recorded.
        Conflict: A file is in the way of a folder, or a folder in that of a file.
    """
    wanted = _plain(path)
    name = "" if str(path or "").endswith("/") else wanted.rpartition("/")[2]
    found = {
        artifact.path: artifact
        for artifact in artifacts
        if artifact.path.startswith(_prefix(wanted)) or (artifact.path == wanted and name)
    }
    if wanted and not found:
        raise _absent(path)
    for artifact in found.values():
        _check_kept(artifact, files)
    folder = Path(tempfile.mkdtemp(prefix="gittrack-")) if folder is None else folder.absolute()
    top = place = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for artifact in found.values():
            inside = safe_path(artifact.path).removeprefix(wanted).lstrip("/")
            place = top / inside if inside else top
            _put(artifact, files, place, folder)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise Conflict(
            f"'{place}' cannot be written: a file is where a folder is needed, or the reverse"
        ) from error
    return top


def read(artifacts: Iterable[Artifact], files: FileStore, path: str) -> bytes:
    """Return the content of an artifact.

    Raises:
        InvalidValue: The path could climb.
        NotFound: The run has no such file, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    wanted = _plain(path)
    for artifact in artifacts:
        if artifact.path == wanted:
            _check_kept(artifact, files)
            return files.read(artifact.digest)
    raise _absent(path)


def as_text(content: bytes, name: str) -> str:
    """Return the content of a text file.

    Raises:
        InvalidValue: It is not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidValue(
            f"'{name}' is not text in UTF-8: {error}", hint="gittrack.artifacts.download_artifacts(...)"
        ) from error


def as_dict(content: bytes, name: str) -> Any:
    """Return what a file of JSON holds, or of YAML if it ends in `.yaml` or `.yml`.

    Raises:
        InvalidValue: It holds something else.
    """
    text = as_text(content, name)
    try:
        if name.lower().endswith((".yaml", ".yml")):
            import yaml

            try:
                return yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise ValueError(error) from error
        return json.loads(text)
    except ValueError as error:
        raise InvalidValue(f"'{name}' is not a dictionary: {error}") from error


def as_image(content: bytes, name: str) -> PIL.Image.Image:
    """Return the picture that a file holds.

    Raises:
        InvalidValue: It holds none, or Pillow is not installed.
    """
    return media.decoded(content, name)


def load_tables(
    client: Connection, run_ids: Iterable[str], artifact_file: str, extra_columns: Iterable[str] | None = None
) -> pd.DataFrame:
    """Return the rows of the tables that runs have under one name, those of the newest run first.

    Args:
        client: Where the runs are.
        run_ids: The runs; those without such a table are left out.
        artifact_file: The table, `.json` or `.parquet`.
        extra_columns: What is said of the run in further columns: `run_id`, `status`, `metrics.<key>`, ...; where the
            table has such a column, the further one gets an underscore.

    Raises:
        InvalidValue: It is not the name of a table, or holds none; or a run has no such column, or no such id.
        NotFound: No run has the table, or this clone lacks the content.
        Damaged: The content is not what was recorded.
    """
    import pandas as pd

    artifact_file = path_of(artifact_file)
    tables.check_name(artifact_file)
    run_ids = [id_of(one) for one in as_list(run_ids, "run_ids")]
    extra = several(extra_columns or (), "extra_columns")
    session, files = client._session(), FileStore(client._project().layout)
    kept = session.rows(
        """select run_id, artifacts.digest, artifacts.size from artifacts join runs using (run_id)
        where path = $path and list_contains($run_ids, run_id) order by start_time desc, run_id""",
        path=artifact_file,
        run_ids=run_ids,
    )
    if not kept:
        raise NotFound(f"no run has the table '{artifact_file}'", hint="gittrack.log_table keeps one")
    frames = []
    for run_id, digest, size in kept:
        content = read([Artifact(artifact_file, digest, size)], files, artifact_file)
        frame = tables.load(content, artifact_file)
        _add_columns(frame, session, run_id, extra)
        frames.append(frame)
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def _add_columns(frame: pd.DataFrame, session: Session, run_id: str, names: list[str]) -> None:
    from gittrack.query import search

    run = search.run(session, RunId(run_id)) if names else None
    for name in names:
        taken = name in frame.columns
        if taken:
            warnings.warn(
                f"the table has a column '{name}': the run's is '{name}_'", RecordingNotice, stacklevel=4
            )
        frame[f"{name}_" if taken else name] = _said_of(run, name)


def _said_of(run: Run | None, column: str) -> Any:
    """Return what the column of this name has for a run in the answer to `search_runs`."""
    import pandas as pd

    if run is None:
        return None
    kind, _, key = column.partition(".")
    if kind in ("metrics", "params", "tags") and key:
        return getattr(run.data, kind).get(key, float("nan") if kind == "metrics" else None)
    if column not in _COLUMNS:
        raise InvalidValue(f"a run has no column '{column}'", hint=f"{', '.join(_COLUMNS)}, metrics.<key>")
    value = getattr(run.info, column)
    return pd.to_datetime(value, unit="ms", utc=True) if column.endswith("_time") else value


def _plain(path: str | None) -> str:
    """Return a path as artifacts have it, empty for the top."""
    if not isinstance(path, str | None):
        return path_of(path)
    trimmed = (path or "").removesuffix("/")
    return "" if trimmed in ("", ".") and path != "/" else path_of(trimmed or path)


def _prefix(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _absent(path: str | None) -> NotFound:
    return NotFound(f"the run has no artifact '{path}'", hint="gittrack show <run> lists its artifacts")


def _check_kept(artifact: Artifact, files: FileStore) -> None:
    if not files.has(artifact.digest):
        raise NotFound(
            f"the content of the artifact '{artifact.path}' ({artifact.digest[:12]}…) is not in this clone",
            hint="it is where the run was recorded; 'gittrack repro <run>' makes it again",
        )


def _put(artifact: Artifact, files: FileStore, target: Path, folder: Path) -> None:
    """Let the artifact appear at `target`, whole."""
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise InvalidValue(f"a link leads from '{target.parent}' out of '{folder}'")
    draft = target.parent / f".{random_hex()}"
    try:
        files.restore(artifact.digest, draft)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def list_local(path: Path) -> list[FileInfo]:
    """Return the files and folders directly in a folder of this machine, by path from the folder above it."""
    if not path.is_dir():
        return []
    return [
        FileInfo(
            (Path(path.name) / child.name).as_posix(),
            is_dir=child.is_dir(),
            file_size=None if child.is_dir() else child.stat().st_size,
        )
        for child in sorted(path.iterdir())
    ]


def copy_local(path: Path, folder: Path) -> Path:
    """Copy a file or folder of this machine into `folder`; return where it is then.

    Raises:
        NotFound: There is nothing at `path`.
    """
    check_local(path)
    target = folder.absolute() / path.absolute().name
    folder.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.samefile(path):
        return target
    if path.is_dir():
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy2(path, target)
    return target


def read_local(path: Path) -> bytes:
    """Return the content of a file of this machine.

    Raises:
        NotFound: There is none at `path`, or it cannot be read.
    """
    check_local(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"'{path}' cannot be read: {error.strerror}") from error


def check_local(path: Path) -> None:
    """Check that there is something at `path`.

    Raises:
        NotFound: There is nothing.
    """
    if not path.exists():
        raise NotFound(f"there is no file or folder '{path}'")
