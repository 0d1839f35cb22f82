"""Datasets that lie in a filesystem: this machine's, a bucket, a run's artifacts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from gittrack.data.dataset_source import CannotLoad, DatasetSource
from gittrack.data.fetchers import FETCHERS, Fetch
from gittrack.errors import InvalidValue, NotFound

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/")  # two letters at least: `C:/` is a disk
_TOOLS = {
    "s3": "aws s3 cp",
    "gs": "gcloud storage cp",
    "wasbs": "azcopy copy",
    "abfss": "azcopy copy",
    "hdfs": "hdfs dfs -get",
    "dbfs": "databricks fs cp",
    "sftp": "sftp",
    "ftp": "curl -O",
}
_PASSWORD = re.compile(r"(?<=://)([^/:@?#]*):[^/@?#]*@")


def scheme_of(address: str) -> str:
    """Return the scheme of an address in lower case; a path has none."""
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def without_password(address: str) -> str:
    """Return an address as it may be recorded: `ftp://ada:secret@host` becomes `ftp://ada@host`."""
    return _PASSWORD.sub(r"\1@", address)


class FileSystemDatasetSource(DatasetSource):
    """A file or folder with an address; a scheme that gittrack has a fetcher for can be loaded.

    Attributes:
        fetchers: What loads the addresses of a scheme; a room that knows how to adds its function. It is given the
            address and the folder to put the content in, or None, and returns the path.
    """

    fetchers: ClassVar[dict[str, Fetch]] = FETCHERS

    def __init__(self, uri: str | os.PathLike[str]) -> None:
        self._uri = os.fspath(uri)

    @property
    def uri(self) -> str:
        """The address."""
        return self._uri

    def _get_source_type(self) -> str:
        return scheme_of(self.uri)

    def load(self, dst_path: str | None = None) -> str:
        """Fetch the content; return its path.

        Raises:
            CannotLoad: No fetcher is known; the hint names a tool that fetches it.
        """
        scheme = self._get_source_type()
        fetch = self.fetchers.get(scheme)
        if fetch is not None:
            return fetch(self.uri, dst_path)
        address = shlex.quote(without_password(self.uri))
        tool = f"{_TOOLS[scheme]} {address} ." if scheme in _TOOLS else None
        raise CannotLoad(
            f"gittrack does not fetch from '{scheme}' sources: '{without_password(self.uri)}'", hint=tool
        )

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, str) and scheme_of(raw_source) not in ("", "file", "http", "https")

    @classmethod
    def _resolve(cls, raw_source: Any) -> Self:
        return cls(raw_source)

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded: the address, without a password."""
        return {"uri": without_password(self.uri)}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that `to_dict` told of.

        Raises:
            InvalidValue: It has no `uri`.
        """
        if not isinstance(source_dict, dict) or not isinstance(source_dict.get("uri"), str):
            raise InvalidValue(f"the source of a dataset has no 'uri': {source_dict!r:.200}")
        return cls(source_dict["uri"])


class LocalArtifactDatasetSource(FileSystemDatasetSource):
    """A file or folder of this machine, by path or `file:` URI."""

    def _get_source_type(self) -> str:
        return "local"

    def load(self, dst_path: str | None = None) -> str:
        """Return the absolute path; with `dst_path`, that of a copy in this folder.

        Raises:
            NotFound: There is nothing at the path.
            InvalidValue: The URI names another machine.
        """
        path = self._path()
        if not path.exists():
            hint = None if path.is_absolute() else f"its path is relative; this is {Path.cwd()}"
            raise NotFound(f"there is no file or folder '{path}'", hint=hint)
        if dst_path is None:
            return str(path.absolute())
        folder = Path(dst_path)
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / path.resolve().name
        if path.is_dir():
            shutil.copytree(path, copy, dirs_exist_ok=True)
        else:
            shutil.copy2(path, copy)
        return str(copy.absolute())

    @property
    def path(self) -> Path:
        """The path.

        Raises:
            InvalidValue: The URI names another machine.
        """
        return self._path()

    def _path(self) -> Path:
        if not self.uri.lower().startswith("file:"):
            return Path(self.uri)
        parts = urlsplit(self.uri)
        if parts.netloc not in ("", "localhost"):
            raise InvalidValue(f"'{self.uri}' is a file of the machine '{parts.netloc}'")
        return Path(url2pathname(parts.path))

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        if isinstance(raw_source, os.PathLike):
            return True
        return isinstance(raw_source, str) and (
            scheme_of(raw_source) in ("", "file") or raw_source.startswith("file:")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded: the path or URI."""
        return {"uri": self.uri}
