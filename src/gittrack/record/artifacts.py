"""Files that a run puts out: kept by digest, named in its journal."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import unquote

from gittrack.data import hashing
from gittrack.entities.record import Artifact, Digest, RunId
from gittrack.errors import Damaged, InvalidValue, NotFound
from gittrack.record import live, media, serialise, tables, values
from gittrack.record.frames import SUFFIX
from gittrack.record.journal import Journal
from gittrack.record.project import Project
from gittrack.record.warning import warn
from gittrack.store import digest as digests
from gittrack.store.layout import path_on_disk, safe_path
from gittrack.store.objects import FileStore, Readable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import PIL.Image

LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"  # the tag that lists the tables of a run, as JSON
LOGGED_IMAGES = "mlflow.loggedImages"

P = ParamSpec("P")
T = TypeVar("T")

_counting = threading.Lock()
_appending = threading.RLock()  # a table is read, made longer and kept again


def path_of(text: object) -> str:
    """Return the path of an artifact that `text` spells; parts that are `.` are left out, as MLflow does.

    Raises:
        InvalidValue: It is no plain relative path, has a `#`, or would climb if somebody took it for a part of a URI.
    """
    spelled = text.as_posix() if isinstance(text, PurePath) else text
    if not isinstance(spelled, str):
        return safe_path(spelled, what="artifact path")
    path = "/".join(part for part in spelled.split("/") if part != ".")
    safe_path(path or spelled, what="artifact path")
    decoded = _decoded(path)
    if "#" in decoded:
        raise InvalidValue(f"{text!r} is not an artifact path: '#' ends a path in a URI")
    if decoded != path:
        try:
            safe_path(decoded)
        except InvalidValue:
            raise InvalidValue(f"{text!r} is not an artifact path: in a URI it means {decoded!r}") from None
    return path


def _decoded(path: str) -> str:
    """Return `path` without percent signs that mean something, however often they were put in."""
    while (once := unquote(path)) != path:
        path = once
    return path


def _lasting(call: Callable[P, T]) -> Callable[P, T]:
    """Note while a call is at work, and when it was: what it stores may take long."""

    @functools.wraps(call)
    def noted(*args: P.args, **options: P.kwargs) -> T:
        log = args[0]
        assert isinstance(log, ArtifactLog)
        with _counting:
            log._storing += 1
        try:
            return call(*args, **options)
        finally:
            with _counting:
                log._storing -= 1
                log.stored_at = time.monotonic()

    return noted


class ArtifactLog:
    """The part of a run that keeps its artifacts.

    Attributes:
        _artifacts: The run's artifacts by path, as this process knows them.
        _tags: The run's tags, as this process knows them.
        stored_at: When something was stored last, on the clock `time.monotonic`.
    """

    stored_at = 0.0
    _storing = 0
    _project: Project
    _journal: Journal
    _files: FileStore
    _artifacts: dict[str, Artifact]
    _tags: dict[str, str]

    @property
    def run_id(self) -> RunId:
        """The id, 32 hex digits."""
        raise NotImplementedError

    @property
    def is_storing(self) -> bool:
        """Whether some call is at work that keeps an artifact."""
        return self._storing > 0

    def _must_run(self) -> None:
        raise NotImplementedError

    def set_tag(self, key: str, value: Any) -> None:
        """Put a tag on the run."""
        raise NotImplementedError

    def set_volatile(self, *patterns: str) -> None:
        """Say which artifacts differ from one execution to the next by nature."""
        raise NotImplementedError

    @_lasting
    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Keep a file, or a folder under its own name, as output of the run.

        Args:
            local_path: What to keep; its content is copied, or shared where the disk can.
            artifact_path: The folder among the run's artifacts.

        Raises:
            NotFound: There is nothing at `local_path`.
            InvalidValue: A name cannot be an artifact's.
        """
        source = path_on_disk(local_path)
        if source.is_dir():
            self.log_artifacts(source, _below(artifact_path, source.name))
            return
        if not source.exists():
            raise NotFound(f"there is no file or folder '{source}'")
        self._keep_file(source, self._place(_below(artifact_path, source.name)))

    @_lasting
    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Keep all files below a folder as outputs of the run.

        Raises:
            NotFound: There is no such folder.
            InvalidValue: A name cannot be an artifact's, or a link leads out of the folder; nothing is kept then.
        """
        folder = path_on_disk(local_dir)
        if not folder.is_dir():
            raise NotFound(f"there is no folder '{folder}'")
        found = list(hashing.walk(folder))
        places = self._places(_below(artifact_path, name) for name, _ in found)
        for place, (_, file) in zip(places, found, strict=True):
            self._keep_file(file, place)

    @_lasting
    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep text as an artifact.

        Raises:
            InvalidValue: It is no text.
        """
        place = self._place(artifact_file)
        if not isinstance(text, str):
            raise InvalidValue(f"a {type(text).__name__} is not text", hint="log_dict keeps dictionaries")
        self._keep_bytes(text.encode("utf-8", "replace"), place)

    @_lasting
    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Keep a dictionary as an artifact: YAML for `.yaml` and `.yml`, else JSON.

        Raises:
            InvalidValue: It holds itself, or has keys that JSON has not.
        """
        place = self._place(artifact_file)
        self._keep_bytes(serialise.dictionary(dictionary, place), place)

    @_lasting
    def log_stream(self, stream: Readable, artifact_file: str) -> None:
        """Keep what can be read from a binary stream as an artifact; it is never wholly in memory.

        Raises:
            InvalidValue: It is no stream of bytes.
        """
        place = self._place(artifact_file)
        if not hasattr(stream, "read"):
            raise InvalidValue(f"a {type(stream).__name__} is not a stream of bytes", hint="open(path, 'rb')")
        self._keep(place, lambda: self._files.put_stream(stream))

    @_lasting
    def log_figure(
        self, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a matplotlib or plotly figure as an artifact, in the format of the file's ending.

        Raises:
            InvalidValue: `figure` is neither.
        """
        place = self._place(artifact_file)
        self._keep_bytes(
            serialise.figure(figure, place, dict(values.check_mapping(save_kwargs or {}, "option"))), place
        )

    @_lasting
    def log_image(
        self,
        image: np.ndarray[Any, Any] | PIL.Image.Image | media.Image,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Keep a picture as an artifact: one file, or one of the series `key` with a small copy beside it.

        Args:
            image: What `Image` takes, paths and lists aside.
            artifact_file: The file; its ending says the format.
            key: The name of the series, instead of a file.
            step: The training step, 0 without one; with a key only.
            timestamp: Milliseconds since 1970 UTC, now without one; with a key only.
            synchronous: Taken for MLflow's sake; no call waits longer than the write takes.

        Raises:
            InvalidValue: It is no picture, or both or neither of file and key are given.
        """
        del synchronous
        if (artifact_file is None) == (key is None):
            raise InvalidValue(
                "log_image takes either artifact_file or key", hint="log_image(image, key='cat', step=1)"
            )
        if artifact_file is not None:
            if step is not None or timestamp is not None:
                raise InvalidValue("log_image takes a step and a timestamp with a key only")
            place = self._place(artifact_file)
            self._keep_bytes(media.encoded(media.picture(image), place), place)
            return
        self._must_run()
        path = media.keyed_path(
            key,
            values.as_integer(step or 0, "the step of an image"),
            values.as_integer(timestamp or time.time_ns() // 1_000_000, "the timestamp of an image"),
        )
        picture = media.picture(image)
        whole = media.encoded(picture, f"{path}.png")
        small = media.encoded(media.preview(picture), f"{path}+compressed.webp")
        self._keep_bytes(whole, self._place(f"{path}.png"))
        self._keep_bytes(small, self._place(f"{path}+compressed.webp"))
        if self._tags.get(LOGGED_IMAGES) != "True":
            self.set_volatile(media.KEYED)
            self.set_tag(LOGGED_IMAGES, "True")

    @_lasting
    def log_table(self, data: dict[str, Any] | pd.DataFrame, artifact_file: str) -> None:
        """Keep a table as an artifact, after the rows that the run has under that name already.

        Args:
            data: A frame, or columns by name; single values make one row. A column can hold pictures: they are kept
                beside the table, which says where.
            artifact_file: Ends in `.json` (columns and rows) or `.parquet`.

        Raises:
            InvalidValue: It is no table, or the file cannot hold it; nothing is kept then.
        """
        place = self._place(artifact_file)
        tables.check_name(place)
        frame = tables.as_frame(data)
        pictures: dict[str, bytes] = {}
        tables.replace_images(frame, lambda image: _set_aside(image, place, pictures))
        with _appending:
            self._catch_up()
            try:
                before = self._files.read(self._artifacts[place].digest) if place in self._artifacts else None
            except (NotFound, Damaged, OSError) as error:
                self._lose(f"{len(frame)} rows of the table {place}", error)
                return
            content = tables.dump(frame, place, before)
            for path, picture in pictures.items():
                self._keep_bytes(picture, self._place(path))
            self._keep_bytes(content, place)
            self._note_table(place)

    def _note_table(self, place: str) -> None:
        """Say in a tag that the artifact is a table: `load_table` looks for it there."""
        try:
            noted = json.loads(self._tags.get(LOGGED_ARTIFACTS, "[]"))
        except ValueError:
            noted = []
        entry = {"path": place, "type": "table"}
        if entry not in noted:
            self.set_tag(LOGGED_ARTIFACTS, json.dumps([*noted, entry]))

    def _catch_up(self) -> None:
        """Learn what other processes have logged to the run meanwhile."""
        folder = self._project.layout.live_run(self.run_id)
        with contextlib.suppress(OSError, Damaged):
            if any(journal.name != self._journal.name for journal in folder.glob(f"*{SUFFIX}")):
                run, _ = live.assemble(live.start_of(folder), live.read_journals(folder), None)
                for artifact in run.artifacts:
                    self._know(artifact)
                self._tags.update(run.tags)

    @cached_property
    def _folders(self) -> set[str]:
        """The folders that the run's artifacts are in."""
        return {folder for path in self._artifacts for folder in _folders_of(path)}

    def _place(self, text: object) -> str:
        return self._places([text])[0]

    def _places(self, texts: Iterable[object]) -> list[str]:
        """Return the paths at which artifacts can be kept, together.

        Raises:
            InvalidValue: One cannot be an artifact's, or would be a file and a folder at once.
        """
        self._must_run()
        paths = [path_of(text) for text in texts]
        files, folders = set(paths), {folder for path in paths for folder in _folders_of(path)}
        for path in paths:
            if path in self._folders or path in folders:
                raise InvalidValue(f"'{path}' is a folder of artifacts already, it cannot become a file")
        for folder in folders:
            if folder in self._artifacts or folder in files:
                raise InvalidValue(f"'{folder}' is an artifact already, it cannot become a folder")
        return paths

    def _keep_file(self, source: Path, place: str) -> None:
        self._keep(place, lambda: self._files.put_file(source), missing=source)

    def _keep_bytes(self, content: bytes, place: str) -> None:
        self._keep(place, lambda: self._files.put_bytes(content))

    def _keep(self, place: str, put: Callable[[], tuple[Digest, int]], missing: Path | None = None) -> None:
        self._must_run()
        try:
            digest, size = put()
        except OSError as error:
            if missing is not None and not os.access(missing, os.R_OK):
                raise NotFound(f"'{missing}' cannot be read: {error.strerror}") from error
            self._lose(f"artifact {place}", error)
            return
        self._know(Artifact(place, digest, size))
        self._journal.fact({"artifact": {"path": place, "digest": digest, "size": size}})

    def _know(self, artifact: Artifact) -> None:
        self._artifacts[artifact.path] = artifact
        self._folders.update(_folders_of(artifact.path))

    def _lose(self, what: str, error: Exception) -> None:
        """Say in the record and to the training what could not be kept."""
        self._journal.fact({"lost": values.shortened(f"{what}: {getattr(error, 'strerror', None) or error}")})
        warn(f"gittrack could not keep the {what}: {error}")


def _below(folder: object, name: str) -> str:
    if folder is None or folder == "":
        return name
    if not isinstance(folder, str | PurePath):
        raise InvalidValue(f"{folder!r:.80} is no folder of artifacts")
    return f"{folder}/{name}"


def _folders_of(path: str) -> list[str]:
    """Return the folders above a path, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _set_aside(image: Any, table: str, pictures: dict[str, bytes]) -> dict[str, str]:
    """Encode a picture of a table into `pictures`; return what the table says in its place.

    The same picture has the same path, so that a rerun makes the same table.
    """
    picture = media.picture(image)
    content = media.encoded(picture, "a.png")
    name = table.rpartition(".")[0]
    path = f"table_images/{name}/{media.as_uuid(digests.of_bytes(content))}"
    pictures[f"{path}.png"] = content
    pictures[f"{path}.webp"] = media.encoded(media.preview(picture), "a.webp")
    return {"type": "image", "filepath": f"{path}.png", "compressed_filepath": f"{path}.webp"}


def _after_fork() -> None:
    global _appending
    _appending = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
