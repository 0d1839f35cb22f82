"""How the artifacts of a run and of its repetition differ, where their content is here."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TypeAlias

from gittrack.entities.record import Digest
from gittrack.repro.contents.archives import compare_zip
from gittrack.repro.contents.arrays import compare_npy, compare_npz
from gittrack.repro.contents.finding import MAX_TABLE, ArtifactDiff, Unreadable, judged
from gittrack.repro.contents.images import compare_images
from gittrack.repro.contents.tables import compare_csv, compare_feather, compare_parquet, compare_tsv
from gittrack.repro.contents.texts import compare_bytes, compare_pickle, compare_text
from gittrack.repro.contents.trees import compare_json, compare_json_lines, compare_yaml
from gittrack.repro.tolerance import Tolerance
from gittrack.store import durable
from gittrack.store.layout import Layout
from gittrack.store.objects import FileStore

Compare: TypeAlias = Callable[[Path, Path, Tolerance], ArtifactDiff]

_KINDS: dict[str, tuple[Compare, tuple[str, ...]]] = {
    "CSV": (compare_csv, (".csv",)),
    "TSV": (compare_tsv, (".tsv", ".tab")),
    "Parquet": (compare_parquet, (".parquet", ".pq")),
    "Feather": (compare_feather, (".feather", ".arrow")),
    "JSON": (compare_json, (".json", ".geojson", ".ipynb")),
    "JSON Lines": (compare_json_lines, (".jsonl", ".ndjson")),
    "YAML": (compare_yaml, (".yaml", ".yml")),
    "an image": (compare_images, (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")),
    "NPY": (compare_npy, (".npy",)),
    "NPZ": (compare_npz, (".npz",)),
    "zip": (compare_zip, (".zip", ".keras", ".pt", ".pth", ".whl", ".xlsx", ".skops")),
    "pickle": (compare_pickle, (".pkl", ".pickle", ".joblib", ".dill")),
}
_BY_SUFFIX = {suffix: kind for kind, (_, suffixes) in _KINDS.items() for suffix in suffixes}
_BY_MAGIC = {
    b"PAR1": "Parquet",
    b"ARROW1": "Feather",
    b"\x93NUMPY": "NPY",
    b"PK\x03\x04": "zip",
    b"\x89PNG\r\n\x1a\n": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    **{bytes([0x80, protocol]): "pickle" for protocol in range(2, 6)},
}
_GZIP = b"\x1f\x8b"
_SNIFFED = 1 << 16
_BLOCK = 1 << 20


class Contents:
    """Compares artifacts by their contents in a store."""

    def __init__(self, layout: Layout, tolerance: Tolerance) -> None:
        self._layout = layout
        self._files = FileStore(layout)
        self._tolerance = tolerance

    def compare(self, path: str, old: Digest, new: Digest) -> ArtifactDiff:
        """Return how two contents of the artifact `path` differ; what cannot be compared is said, never raised."""
        for digest, whose in ((old, "recorded"), (new, "repeated")):
            if not self._files.has(digest):
                return ArtifactDiff("nothing", problem=f"the {whose} content is not in this clone")
        try:
            if not self._files.verify(old) or not self._files.verify(new):
                return ArtifactDiff("nothing", problem="its content in this clone is damaged: gittrack fsck")
            durable.make_folder(self._layout.tmp)
            places = (self._files.path(old), self._files.path(new))
            return compare_files(path, *places, self._tolerance.for_name(path), tmp=self._layout.tmp)
        except OSError as error:
            return ArtifactDiff("nothing", problem=f"it cannot be read: {error.strerror}")


def compare_files(path: str, old: Path, new: Path, tolerance: Tolerance, *, tmp: Path) -> ArtifactDiff:
    """Return how two files differ, as what the name and the first bytes say they are.

    Args:
        path: The artifact's name.
        old: The recorded content.
        new: The repeated content.
        tolerance: The plain one is taken.
        tmp: A folder for what has to be decompressed.

    Raises:
        OSError: One cannot be read.
    """
    if _starts(old, new, _GZIP):
        return _compare_gzip(path, old, new, tolerance, tmp)
    return _compare_plain(path, old, new, tolerance)


def _compare_plain(path: str, old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    suffix = PurePosixPath(path).suffix.lower()
    kind = _BY_SUFFIX.get(suffix) or next(
        (k for magic, k in _BY_MAGIC.items() if _starts(old, new, magic)), None
    )
    if kind == "zip" and not _starts(old, new, b"PK"):
        kind = "pickle"  # as PyTorch wrote its files once
    problem = None
    if kind is not None:
        try:
            return _KINDS[kind][0](old, new, tolerance)
        except Exception as error:  # noqa: BLE001 - a parser of a file that anybody wrote fails in any way
            problem = _cannot(kind, error)
    return replace(_compare_unknown(old, new, tolerance), problem=problem)


def _cannot(kind: str, error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return f"cannot be compared as {kind}: {lines[0][:200]}"


def _starts(old: Path, new: Path, magic: bytes) -> bool:
    for path in (old, new):
        with path.open("rb") as file:
            if file.read(len(magic)) != magic:
                return False
    return True


def _compare_unknown(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    if _is_text(old) and _is_text(new):
        try:
            return compare_text(old, new, tolerance)
        except Unreadable:
            pass  # further on it is none
    return compare_bytes(old, new, tolerance)


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_SNIFFED)
    try:
        return b"\0" not in start and bool(
            start.decode("utf-8", "strict" if len(start) < _SNIFFED else "ignore") or 1
        )
    except UnicodeDecodeError:
        return False


def _compare_gzip(path: str, old: Path, new: Path, tolerance: Tolerance, tmp: Path) -> ArtifactDiff:
    """Compare what two gzip files hold; their heads have the time at which they were written."""
    inner = PurePosixPath(path)
    name = str(inner.with_suffix("")) if inner.suffix.lower() in (".gz", ".gzip", ".tgz") else path
    with TemporaryDirectory(dir=tmp) as folder:
        unpacked = Path(folder, "old"), Path(folder, "new")
        try:
            for source, target in zip((old, new), unpacked, strict=True):
                _unpack(source, target)
        except (OSError, EOFError, zlib.error, Unreadable) as error:
            return replace(_compare_unknown(old, new, tolerance), problem=_cannot("gzip", error))
        if compare_bytes(*unpacked, tolerance).facts["first_byte"] is None:
            same = "the same content, packed at another time or in another way"
            return ArtifactDiff("gzip", (same,), close=judged(tolerance, fine=True), only_times=True)
        found = _compare_plain(
            name, *unpacked, tolerance
        )  # never unpacked again: a gzip file can hold itself
    return replace(found, kind=f"{found.kind}, gzip")


def _unpack(source: Path, target: Path) -> None:
    with gzip.open(source) as packed, target.open("wb") as file:
        left = MAX_TABLE
        while block := packed.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise Unreadable(f"it holds more than {MAX_TABLE >> 20} MiB")
            file.write(block)
