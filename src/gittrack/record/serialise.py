"""Python objects as bytes of artifacts: the same object gives the same bytes, so that a rerun can be compared."""

from __future__ import annotations

import io
import json
import sys
from pathlib import PurePosixPath
from typing import Any

from gittrack.errors import InvalidValue

_PLOTLY = ("png", "jpg", "jpeg", "webp", "svg", "pdf")


def dictionary(value: Any, artifact_file: str) -> bytes:
    """Return YAML for `.yaml` and `.yml`, else JSON with an indent of 2; what neither knows becomes text.

    Raises:
        InvalidValue: `value` holds itself, or has keys that JSON has not.
    """
    try:
        text = json.dumps(value, indent=2, default=str)
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidValue(f"'{artifact_file}' cannot be written: {error}") from error
    if PurePosixPath(artifact_file).suffix.lower() in (".yaml", ".yml"):
        import yaml

        text = yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
    return text.encode("utf-8", "replace")


def figure(value: Any, artifact_file: str, save_kwargs: dict[str, Any]) -> bytes:
    """Return a figure of matplotlib or plotly in the format of the file's ending.

    Raises:
        InvalidValue: `value` is no such figure, or the format is not known.
    """
    ending = PurePosixPath(artifact_file).suffix[1:].lower()
    matplotlib, plotly = sys.modules.get("matplotlib.figure"), sys.modules.get("plotly.graph_objects")
    if matplotlib is not None and isinstance(value, matplotlib.Figure):
        return _matplotlib(value, ending or "png", save_kwargs)
    if plotly is not None and isinstance(value, plotly.Figure):
        return _plotly(value, ending or "html", save_kwargs)
    raise InvalidValue(f"a {type(value).__name__} is not a figure of matplotlib or plotly")


def _matplotlib(value: Any, ending: str, save_kwargs: dict[str, Any]) -> bytes:
    import matplotlib as mpl

    dateless = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "ps": {"CreationDate": None}}
    out = io.BytesIO()
    try:
        with mpl.rc_context({"svg.hashsalt": "gittrack"}):
            value.savefig(out, **{"format": ending, "metadata": dateless.get(ending), **save_kwargs})
    except ValueError as error:
        raise InvalidValue(f"matplotlib cannot save a figure as '{ending}': {error}") from error
    return out.getvalue()


def _plotly(value: Any, ending: str, save_kwargs: dict[str, Any]) -> bytes:
    if ending == "html":
        fixed = {"include_plotlyjs": "cdn", "auto_play": False, "div_id": "figure"}
        options = {key: option for key, option in save_kwargs.items() if key != "auto_open"}
        html: str = value.to_html(**{**fixed, **options})
        return html.encode()
    if ending not in _PLOTLY:
        raise InvalidValue(
            f"plotly cannot save a figure as '{ending}'", hint=f"one of html, {', '.join(_PLOTLY)}"
        )
    try:
        image: bytes = value.to_image(format=ending, **save_kwargs)
    except (RuntimeError, ValueError) as error:
        raise InvalidValue(
            f"plotly cannot save a figure as '{ending}' here", hint="pip install kaleido"
        ) from error
    return image
