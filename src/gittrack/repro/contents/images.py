"""Images, pixel by pixel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gittrack.repro.contents.finding import MAX_PIXELS, ArtifactDiff, Unreadable, judged
from gittrack.repro.contents.texts import without_times
from gittrack.repro.tolerance import Tolerance

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")  # others may start programs, as EPS does


def compare_images(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two images: size, mode, how many pixels differ and by how much."""
    try:
        from PIL import Image
    except ImportError:
        raise Unreadable("pillow is not installed: pip install 'gittrack[images]'") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; the size is looked at below
        with Image.open(old, formats=_FORMATS) as one, Image.open(new, formats=_FORMATS) as other:
            for image in (one, other):
                if image.width * image.height > MAX_PIXELS:
                    raise Unreadable(f"it has {image.width} x {image.height} pixels")
            return _compare(one, other, tolerance)


def _compare(one: Image, other: Image, tolerance: Tolerance) -> ArtifactDiff:
    sizes = [list(one.size), list(other.size)]
    facts: dict[str, Any] = {"size": sizes, "mode": [one.mode, other.mode]}
    if one.size != other.size:
        return ArtifactDiff("image", (f"{_size(one)} pixels recorded, {_size(other)} now",), facts)
    words = [] if one.mode == other.mode else [f"mode {one.mode} recorded, {other.mode} now"]
    share, largest = _pixels(one, other)
    facts |= {"differing_pixels": share, "largest_channel_difference": largest}
    if share:
        words.append(f"{100 * share:.3g} % of {_size(one)} pixels, a channel by at most {largest:g}")
    else:
        words.append("the same pixels, written differently")
    if getattr(one, "n_frames", 1) > 1 or getattr(other, "n_frames", 1) > 1:
        words.append("only the first frames were compared")
        return ArtifactDiff("image", tuple(words), facts)
    times = without_times(f"{one.info!r:.65536}") == without_times(f"{other.info!r:.65536}")
    return ArtifactDiff(
        kind="image",
        words=tuple(words),
        facts=facts,
        close=None if share else judged(tolerance, fine=one.mode == other.mode),
        only_times=not share and times and one.info != other.info,
    )


def _size(image: Image) -> str:
    return f"{image.width} x {image.height}"


def _pixels(one: Image, other: Image) -> tuple[float, float]:
    """Return the share of pixels that differ, and the largest difference of a channel."""
    import numpy as np

    if one.mode != other.mode or one.mode == "P":
        one, other = one.convert("RGBA"), other.convert("RGBA")
    a, b = (np.asarray(image) for image in (one, other))
    apart = a != b
    share = float((apart.any(axis=2) if apart.ndim == 3 else apart).mean()) if apart.size else 0.0
    if not share:
        return 0.0, 0.0
    return share, float(np.abs(a[apart].astype(np.float64) - b[apart].astype(np.float64)).max())
