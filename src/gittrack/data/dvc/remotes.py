"""Content from DVC's remotes, object by object; what comes is checked by whoever keeps it.

Folders and `file://` are read, `http(s)://` by the standard library, other addresses by fsspec where it is there.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from gittrack.data.dvc import objects
from gittrack.data.dvc.objects import Hashes
from gittrack.data.dvc.settings import Remote
from gittrack.entities.record import Digest
from gittrack.errors import Damaged, GittrackError, NotFound
from gittrack.store.objects import Readable

TIMEOUT_S = 30.0


class RemoteFailed(GittrackError):
    """A remote cannot be asked, or does not answer."""

    exit_code = 6


class Verified:
    """A stream that ends with an error unless all of it is the content of a name.

    Args:
        stream: What is read.
        md5: DVC's name.
        digest: The SHA-256 that the content must have as well, None for any.
        limit: Bytes that it has at most.
    """

    def __init__(self, stream: Readable, md5: str, *, digest: Digest | None, limit: int) -> None:
        self._stream = stream
        self._md5, self._digest, self._limit = md5, digest, limit
        self._hashes = Hashes()

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end.

        Raises:
            Damaged: It is other content, or longer than it can be.
        """
        piece = bytes(self._stream.read(size))
        self._hashes.update(piece)
        if self._hashes.size > self._limit:
            raise Damaged(f"more than {self._limit} bytes came for DVC's object {self._md5}")
        if not piece:
            digest, *names = self._hashes.finish()
            if self._md5.removesuffix(".dir") not in names or self._digest not in (None, digest):
                raise Damaged(f"other bytes came for DVC's object {self._md5}")
        return piece


@contextlib.contextmanager
def opened(remote: Remote, md5: str) -> Iterator[Readable]:
    """Yield a stream of what a remote has under a name; nobody has checked it.

    Raises:
        NotFound: The remote has no such object.
        RemoteFailed: It cannot be asked.
    """
    if remote.by_path:
        raise _failed(remote, "holds files by their path, which only DVC reads")
    kind = remote.scheme
    if kind in (None, "file"):
        with _on_disk(remote, md5) as stream:
            yield stream
        return
    open_one = _web(remote) if kind in ("http", "https") else _by_fsspec(remote)
    with contextlib.ExitStack() as held:
        stream = None
        for below in objects.places(md5):
            with contextlib.suppress(FileNotFoundError):
                stream = held.enter_context(open_one(below))
                break
        if stream is None:
            raise _lacking(remote)
        yield stream


def _failed(remote: Remote, why: str, hint: str | None = None) -> RemoteFailed:
    return RemoteFailed(f"DVC's remote '{remote.name}' ({remote.shown}) {why}", hint=hint)


def _lacking(remote: Remote) -> NotFound:
    return NotFound(f"DVC's remote '{remote.name}' ({remote.shown}) lacks it")


def _on_disk(remote: Remote, md5: str) -> Any:
    folder = Path(unquote(urlsplit(remote.url).path)) if remote.scheme == "file" else Path(remote.url)
    if not folder.is_dir():
        raise _failed(remote, "is no folder here")
    file = objects.open_object(folder, md5)
    if file is None:
        raise _lacking(remote)
    return file


def _web(remote: Remote) -> Callable[[str], Any]:
    import urllib.error
    import urllib.request

    options = remote.options
    if options.get("auth", "basic") not in ("basic", "custom") or options.get("ask_password") == "true":
        raise _failed(
            remote, f"wants the authentication '{options.get('auth', 'ask_password')}', which only DVC has"
        )
    opener = urllib.request.build_opener(_careful_redirects())
    parts = urlsplit(remote.url)
    user = unquote(options.get("user") or parts.username or "")
    password = unquote(options.get("password") or parts.password or "")
    host = parts.netloc.rpartition("@")[2]

    def open_one(below: str) -> Any:
        url = urlunsplit((parts.scheme, host, f"{parts.path.rstrip('/')}/{below}", parts.query, ""))
        request = urllib.request.Request(url, headers={"User-Agent": "gittrack"})  # noqa: S310 - http or https
        if options.get("custom_auth_header"):
            request.add_unredirected_header(options["custom_auth_header"], password)
        elif user or password:
            word = base64.b64encode(f"{user}:{password}".encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {word}")
        try:
            return opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (404, 410):
                raise FileNotFoundError(url) from None
            raise _failed(remote, f"answers {error.code}") from None
        except OSError as error:
            raise _failed(remote, f"does not answer: {getattr(error, 'reason', error)}") from None

    return open_one


def _careful_redirects() -> Any:
    """Return a handler that follows no redirection to a weaker protocol, or to an address inside of the house."""
    import urllib.error
    from urllib.request import HTTPRedirectHandler, Request

    class Careful(HTTPRedirectHandler):
        def redirect_request(
            self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Request | None:
            here, there = urlsplit(req.full_url), urlsplit(newurl)
            weaker = there.scheme != "https" and there.scheme != here.scheme
            if weaker or (there.hostname != here.hostname and _is_inside(there.hostname)):
                fp.close()
                raise urllib.error.URLError("it redirects to an address that is not followed")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return Careful()


def _is_inside(host: str | None) -> bool:
    import ipaddress

    try:
        return not ipaddress.ip_address(host or "").is_global
    except ValueError:
        return host is None or host.rstrip(".").endswith("localhost")


def _by_fsspec(remote: Remote) -> Callable[[str], Any]:
    protocol, package, options = _filesystem(remote)
    try:
        import fsspec

        filesystem = fsspec.filesystem(protocol, **options)
    except ImportError as error:
        missing = "'gittrack[remotes]'" if error.name == "fsspec" else package
        raise _failed(
            remote, f"needs a package that is not installed: {missing}", f"pip install {missing}"
        ) from None
    except Exception as error:  # noqa: BLE001 - a filesystem raises whatever the library beneath it raises
        raise _failed(remote, f"cannot be asked: {type(error).__name__}") from None
    parts = urlsplit(remote.url)
    top = parts.path if protocol == "sftp" else f"{parts.netloc.rpartition('@')[2]}{parts.path}"

    def open_one(below: str) -> Any:
        try:
            return filesystem.open(f"{top.rstrip('/')}/{below}", "rb")
        except FileNotFoundError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise _failed(remote, f"does not answer: {type(error).__name__}") from None

    return open_one


def lacking_package(remote: Remote) -> str | None:
    """Return the package without which a remote cannot be read, None where nothing is lacking."""
    known = _FILESYSTEMS.get(remote.scheme or "")
    if known is None:
        return None
    package = known[1]
    if importlib.util.find_spec("fsspec") is None:
        return "'gittrack[remotes]'"
    return package if importlib.util.find_spec(package) is None else None


_FILESYSTEMS: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "s3": (
        "s3",
        "s3fs",
        {
            "access_key_id": "key",
            "secret_access_key": "secret",
            "session_token": "token",
            "profile": "profile",
        }
        | {"endpointurl": "endpoint_url"},
    ),
    "gs": ("gs", "gcsfs", {"projectname": "project", "credentialpath": "token"}),
    "azure": (
        "abfs",
        "adlfs",
        {word: word for word in ("account_name", "account_key", "connection_string", "sas_token")},
    ),
    # No password: fsspec takes any host's key, and whoever stands between would have it.
    "ssh": ("sftp", "paramiko", {"user": "username", "port": "port", "keyfile": "key_filename"}),
}


def _filesystem(remote: Remote) -> tuple[str, str, dict[str, Any]]:
    """Return fsspec's name for a remote's kind, the package that it needs, and the options."""
    kind = remote.scheme or ""
    if kind not in _FILESYSTEMS:
        raise _failed(remote, f"is of a kind that only DVC reads: {kind}")
    protocol, package, words = _FILESYSTEMS[kind]
    options: dict[str, Any] = {
        words[key]: value for key, value in remote.options.items() if key in words and value
    }
    if kind == "ssh":
        parts = urlsplit(remote.url)
        options = {
            "host": parts.hostname,
            **({"username": parts.username} if parts.username else {}),
            **options,
        }
        options["port"] = int(options.get("port") or parts.port or 22)
    return protocol, package, options
