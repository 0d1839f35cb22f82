"""Pictures, as arrays, as Pillow's images and as the bytes of artifacts.

Source: which arrays are pictures, and what their numbers mean, is MLflow's `log_image` and `mlflow.Image`.
"""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gittrack.errors import InvalidValue
from gittrack.record.warning import warn
from gittrack.store.digest import random_hex

if TYPE_CHECKING:
    import numpy as np
    import PIL.Image

PREVIEW_PIXELS = 256  # the longer side of the small copy that lists of pictures show
KEYED = "images/*+timestamp+*"  # paths of pictures under a key, which differ from one execution to the next
_KEY = re.compile(r"[a-zA-Z0-9_\-./ ]+")
_KINDS = {"b": "booleans", "i": "integers", "u": "unsigned integers", "f": "floats"}


class Image:
    """A picture that `log_image` and `log_table` take.

    Args:
        image: An array or nested lists of numbers, of shape (height, width), or (height, width, channels) with 1, 3
            (RGB) or 4 (RGBA) channels: booleans, integers from 0 to 255, or floats from 0 to 1. Or a Pillow image,
            or the path of a file.

    Attributes:
        image: The picture as Pillow has it.
        size: Width and height in pixels.

    Raises:
        InvalidValue: It is none of these, or Pillow is not installed.
    """

    def __init__(
        self, image: np.ndarray[Any, Any] | PIL.Image.Image | str | os.PathLike[str] | list[Any]
    ) -> None:
        self.image: PIL.Image.Image = _from_anything(image)
        self.size: tuple[int, int] = self.image.size

    def to_array(self) -> np.ndarray[Any, Any]:
        """Return the pixels, of shape (height, width) or (height, width, channels)."""
        import numpy as np

        return np.array(self.image)

    def to_list(self) -> list[Any]:
        """Return the pixels row by row: numbers, or tuples of channels."""
        flat = self.to_array().reshape(-1, *self.to_array().shape[2:])
        return [pixel if flat.ndim == 1 else tuple(pixel) for pixel in flat.tolist()]

    def to_pil(self) -> PIL.Image.Image:
        """Return the Pillow image."""
        return self.image

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file, in the format of its ending."""
        self.image.save(path)

    def resize(self, size: tuple[int, int]) -> Image:
        """Return a copy of `size`, width and height in pixels."""
        return Image(self.image.resize(size))


def is_image(value: object) -> bool:
    """Whether `value` is an `Image` or one of Pillow's; Pillow is not loaded for it."""
    pillow = sys.modules.get("PIL.Image")
    return isinstance(value, Image) or (pillow is not None and isinstance(value, pillow.Image))


def picture(value: object) -> PIL.Image.Image:
    """Return what `log_image` was given as a Pillow image.

    Raises:
        InvalidValue: It is no array of a picture, no `Image` and none of Pillow's, or Pillow is not installed.
    """
    if isinstance(value, Image):
        return value.image
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _from_array(value)
    if is_image(value):
        return value  # type: ignore[return-value]
    raise InvalidValue(
        f"a {type(value).__name__} is not a picture",
        hint="a NumPy array, a PIL image and a gittrack.Image are",
    )


def encoded(image: PIL.Image.Image, artifact_file: str) -> bytes:
    """Return a picture in the format of the file's ending.

    Raises:
        InvalidValue: The format is not known, or does not take such a picture.
    """
    pillow = _pillow()
    ending = PurePosixPath(artifact_file).suffix.lower()
    kind = pillow.registered_extensions().get(ending)
    if kind is None:
        raise InvalidValue(f"'{artifact_file}' has no ending of a picture", hint="image.png has one")
    out = io.BytesIO()
    try:
        image.save(out, format=kind)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidValue(f"Pillow cannot save the picture as '{artifact_file}': {error}") from error
    return out.getvalue()


def decoded(content: bytes, artifact_file: str) -> PIL.Image.Image:
    """Return the picture that a file holds.

    Raises:
        InvalidValue: It holds none, or Pillow is not installed.
    """
    pillow = _pillow()
    try:
        image: PIL.Image.Image = pillow.open(io.BytesIO(content))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:  # a broken PNG is a SyntaxError
        raise InvalidValue(f"'{artifact_file}' is not a picture: {error}") from error
    return image


def preview(image: PIL.Image.Image) -> PIL.Image.Image:
    """Return a copy whose longer side has 256 pixels."""
    scale = PREVIEW_PIXELS / max(image.size)
    width, height = (PREVIEW_PIXELS if side == max(image.size) else int(side * scale) for side in image.size)
    return image.resize((max(width, 1), max(height, 1)))


def keyed_path(key: object, step: int, timestamp: int) -> str:
    """Return the path, without its ending, of a picture that is one of a series.

    Raises:
        InvalidValue: The key has other characters than ASCII letters, digits and `_ - . / space`.

    Source: the names are MLflow's, whose UI reads key, step and time out of them.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidValue(
            f"{key!r:.80} is not an image key",
            hint="a key has ASCII letters, digits, '_', '-', '.', '/' and spaces",
        )
    return f"images/{key.replace('/', '~')}+step+{step}+timestamp+{timestamp}+{as_uuid(random_hex())}"


def as_uuid(digits: str) -> str:
    """Return the first 32 of some hex digits, written as a UUID."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        raise InvalidValue(
            "pictures need Pillow, which is not installed", hint="pip install 'gittrack[images]'"
        ) from error
    PIL.Image.init()  # else it knows the endings of a few formats only
    return PIL.Image


def _from_anything(value: Any) -> PIL.Image.Image:
    pillow = _pillow()
    if isinstance(value, str | os.PathLike):
        try:
            with pillow.open(value) as file:
                return file.copy()  # type: ignore[no-any-return]
        except OSError as error:
            raise InvalidValue(f"'{os.fspath(value)}' cannot be read as a picture: {error}") from error
    if isinstance(value, list):
        import numpy as np

        return _from_array(np.array(value))
    return picture(value)


def _from_array(array: np.ndarray[Any, Any]) -> PIL.Image.Image:
    if array.dtype.kind not in _KINDS:
        raise InvalidValue(
            f"an array of {array.dtype} is not a picture", hint=f"one of {', '.join(_KINDS.values())} is"
        )
    if array.ndim not in (2, 3) or not array.size or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InvalidValue(
            f"an array of shape {array.shape} is not a picture",
            hint="the shape of one is (height, width), or (height, width, channels) with 1, 3 or 4 channels",
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    pixels = _from_integers(array) if array.dtype.kind in "iu" else _from_floats(array)
    return _pillow().fromarray(pixels)  # type: ignore[no-any-return]


def _from_integers(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        raise InvalidValue(
            f"the pixels are integers from {low} to {high}, not from 0 to 255",
            hint="image.clip(0, 255), or floats from 0 to 1",
        )
    return array.astype("uint8")


def _from_floats(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the pixels from 0 to 255; a picture never stops a training because it has diverged."""
    import numpy as np

    if array.dtype.kind == "f" and not np.isfinite(array).all():
        warn("a picture has pixels that are NaN or infinite: they become 0, or the end of the range")
        array = np.nan_to_num(array, nan=0.0, posinf=1.0, neginf=0.0)
    low, high = array.min(), array.max()
    if low < 0 or high > 1:
        warn("a picture has float pixels below 0 or above 1: they are rescaled")
        array = (array / 2 - low / 2) / ((high / 2 - low / 2) or 1)  # halves, whose difference is no overflow
    pixels: np.ndarray[Any, Any] = (array * 255).astype("uint8")  # cut off, as MLflow does
    return pixels
