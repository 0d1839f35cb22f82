"""NumPy's arrays, NPY and NPZ, value by value; objects in them are never unpickled."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import IO, Any

from gittrack.repro.contents.finding import (
    LISTED,
    MAX_TABLE,
    MAX_VALUES,
    ArtifactDiff,
    Size,
    Unreadable,
    judged,
    quote,
    size_of,
    some,
)
from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance

_PIECE = 1 << 20


def compare_npy(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two arrays."""
    with old.open("rb") as one, new.open("rb") as other:
        words, facts, fine = _compare(_mapped(one, old), _mapped(other, new), tolerance)
    return ArtifactDiff(
        "NPY", words or ("the same values, written differently",), facts, judged(tolerance, fine=fine)
    )


def compare_npz(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two archives of arrays, array by array."""
    with zipfile.ZipFile(old) as one, zipfile.ZipFile(new) as other:
        before, after = _names(one), _names(other)
        left = [MAX_TABLE]
        words, arrays, fine = [], {}, set(before) == set(after)
        for name in before:
            if name not in after:
                words.append(f"{quote(name)} is missing now")
                continue
            recorded, repeated = _member(one, before[name], left), _member(other, after[name], left)
            said, facts, close = _compare(recorded, repeated, tolerance)
            fine = fine and close
            if said:
                words.append(f"{quote(name)}: {', '.join(said)}")
                arrays[name] = facts
        words += [f"{quote(name)} is not in the record" for name in after if name not in before]
    facts = {"arrays": [len(before), len(after)], "differing": dict(list(arrays.items())[:LISTED])}
    said = tuple(some(words, noun="array")) or ("the same arrays, written differently",)
    return ArtifactDiff("NPZ", said, facts, judged(tolerance, fine=fine))


def _names(archive: zipfile.ZipFile) -> dict[str, str]:
    return {name.removesuffix(".npy"): name for name in sorted(archive.namelist())}


def _member(archive: zipfile.ZipFile, name: str, left: list[int]) -> Any:
    """Read one array; all of them together stay within the bound, whatever the archive says of their sizes."""
    with archive.open(name) as file:
        content = file.read(left[0] + 1)
    left[0] -= len(content)
    if left[0] < 0:
        raise Unreadable(f"it holds more than {MAX_TABLE >> 20} MiB")
    source = io.BytesIO(content)
    shape, fortran, kind = _header(source)
    _check(shape, kind, len(content) - source.tell())
    return _shaped(memoryview(content)[source.tell() :], shape, kind, fortran=fortran)


def _mapped(file: IO[bytes], path: Path) -> Any:
    """Map one array from its file, whose size bounds what its head may claim."""
    import numpy as np

    shape, fortran, kind = _header(file)
    _check(shape, kind, path.stat().st_size - file.tell())
    if 0 in shape:
        return np.empty(shape, kind)
    return np.memmap(path, kind, "r", file.tell(), shape, "F" if fortran else "C")


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    from numpy.lib import format as npy

    major, _ = npy.read_magic(file)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, fortran, kind = read(file)
    if kind.hasobject:
        raise Unreadable("it holds Python objects, which are never unpickled")
    return shape, fortran, kind


def _check(shape: tuple[int, ...], kind: Any, there: int) -> None:
    claimed = kind.itemsize
    for length in shape:
        claimed *= length
    if claimed > there or any(length < 0 for length in shape):
        raise Unreadable(f"it claims {claimed} bytes and has {there}")


def _shaped(content: memoryview, shape: tuple[int, ...], kind: Any, *, fortran: bool) -> Any:
    import numpy as np

    if 0 in shape or not kind.itemsize:
        return np.empty(shape, kind)
    count = 1
    for length in shape:
        count *= length
    return np.frombuffer(content, kind, count).reshape(shape, order="F" if fortran else "C")


def _compare(old: Any, new: Any, tolerance: Tolerance) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """Return how two arrays differ in words, the same for programs, and whether only close numbers do."""
    facts: dict[str, Any] = {
        "shape": [list(old.shape), list(new.shape)],
        "dtype": [str(old.dtype), str(new.dtype)],
    }
    if old.shape != new.shape:
        return (f"shape {old.shape} recorded, {new.shape} now",), facts, False
    words = [] if old.dtype == new.dtype else [f"{old.dtype} recorded, {new.dtype} now"]
    if max(old.size, new.size) > MAX_VALUES:
        raise Unreadable(f"it has more than {MAX_VALUES} values")
    count, size = _values(old, new, tolerance)
    facts |= {
        "differing": count,
        "largest": size and size.largest,
        "largest_relative": size and size.relative,
    }
    if count:
        much = f", {size.words()}" if size else ""
        words.append(f"{count} of {plural(old.size, 'value')}{much}")
    return tuple(words), facts, not count or (size is not None and not size.beyond)


def _values(old: Any, new: Any, tolerance: Tolerance) -> tuple[int, Size | None]:
    """Count the values that differ, a piece at a time; their size is that of real numbers only."""
    import numpy as np

    order = "F" if old.flags.f_contiguous and not old.flags.c_contiguous else "C"
    a, b = old.ravel(order), new.ravel(order)
    real = all(kind.kind in "biuf" for kind in (old.dtype, new.dtype))
    count, sizes = 0, []
    for start in range(0, len(a), _PIECE):
        one, other = a[start : start + _PIECE], b[start : start + _PIECE]
        apart = np.asarray(one != other)
        if all(kind.kind in "fc" for kind in (old.dtype, new.dtype)):
            apart = apart & ~(np.isnan(one) & np.isnan(other))
        count += int(apart.sum())
        if real and apart.any():
            sizes.append(size_of(one[apart].astype(np.float64), other[apart].astype(np.float64), tolerance))
    if not real:
        return count, None
    largest = max((size.largest for size in sizes), default=0.0)
    relative = max((size.relative for size in sizes), default=0.0)
    return count, Size(largest, relative, sum(size.beyond for size in sizes))
