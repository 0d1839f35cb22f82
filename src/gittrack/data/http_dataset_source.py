"""Datasets that lie on the web."""

from __future__ import annotations

import base64
import http.client
import re
import tempfile
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from gittrack.data.dataset_source import DatasetSource
from gittrack.data.filesystem_dataset_source import scheme_of, without_password
from gittrack.errors import GittrackError, InvalidValue, NotFound
from gittrack.store.digest import random_hex

MAX_BYTES = 100 << 30  # a server that never stops must not fill the disk
_SILENCE_S = 60
_BLOCK = 1 << 20


class HTTPDatasetSource(DatasetSource):
    """A file at an HTTP or HTTPS address."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def url(self) -> str:
        """The address."""
        return self._url

    def _get_source_type(self) -> str:
        return "http"

    def load(self, dst_path: str | None = None, *, max_bytes: int = MAX_BYTES) -> str:
        """Download the file; return its path. It has its name only when all of it is there.

        Args:
            dst_path: The folder to put it in, by default a new one for temporary files.
            max_bytes: What is larger is refused.

        Raises:
            NotFound: The server has no such file.
            InvalidValue: It is larger than `max_bytes`, or the address is not of the web.
            GittrackError: The server does not answer, or breaks off.
        """
        shown = without_password(self.url)
        try:
            with _opener().open(_request(self.url), timeout=_SILENCE_S) as answer:
                name = _file_name(answer.headers, answer.url or self.url)
                folder = Path(dst_path or tempfile.mkdtemp(prefix="gittrack-"))
                folder.mkdir(parents=True, exist_ok=True)
                return str(_keep(answer, folder / name, shown, max_bytes))
        except urllib.error.HTTPError as error:
            error.close()
            kind = NotFound if error.code in (404, 410) else GittrackError
            raise kind(f"the server answered {error.code} for '{shown}'") from error
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise GittrackError(f"'{shown}' could not be fetched: {error}") from error

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, str) and scheme_of(raw_source) in ("http", "https")

    @classmethod
    def _resolve(cls, raw_source: Any) -> Self:
        return cls(str(raw_source))

    def to_dict(self) -> dict[str, Any]:
        """Return what is recorded: the address, without a password."""
        return {"url": without_password(self.url)}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that `to_dict` told of.

        Raises:
            InvalidValue: It has no `url`.
        """
        if not isinstance(source_dict, dict) or not isinstance(source_dict.get("url"), str):
            raise InvalidValue(f"the source of a dataset has no 'url': {source_dict!r:.200}")
        return cls(source_dict["url"])


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens HTTP and HTTPS only: the default opener follows `file:` and `ftp:`, too."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _request(url: str) -> urllib.request.Request:
    if scheme_of(url) not in ("http", "https"):
        raise InvalidValue(f"'{without_password(url)}' is no address of the web")
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(urlunsplit(parts._replace(netloc=host)))  # noqa: S310 - checked above
    if user:
        token = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _file_name(headers: Message, url: str) -> str:
    """Return the last part of the name that the server gives, or else of the address: never a path."""
    given = headers.get_filename() or unquote(PurePosixPath(urlsplit(url).path).name)
    name = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", given)[-1]).strip()
    return name if name.strip(".") else "dataset_source"


def _keep(answer: Any, path: Path, shown: str, max_bytes: int) -> Path:
    length = answer.headers.get("Content-Length")
    part = path.with_name(f".gittrack-{random_hex()}")
    try:
        with part.open("xb") as out:
            size = _copy(answer, out, shown, max_bytes)
        if length is not None and length.isdigit() and size < int(length):
            raise GittrackError(f"'{shown}' broke off after {size} of {length} bytes")
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _copy(answer: IO[bytes], out: IO[bytes], shown: str, max_bytes: int) -> int:
    size = 0
    while block := answer.read(_BLOCK):
        size += len(block)
        if size > max_bytes:
            raise InvalidValue(f"'{shown}' is larger than {max_bytes} bytes", hint="load(max_bytes=...)")
        out.write(block)
    return size
