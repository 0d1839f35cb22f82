"""Maps of keys to values as columns, one for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def spread(maps: pa.ChunkedArray, columns: dict[str, Any], *, empty: float | None) -> dict[str, Any]:
    """Return a column of n values for each key that any of n maps has; they go into those of `columns`."""
    import numpy as np
    import pyarrow as pa

    whole = pa.concat_arrays(maps.chunks) if maps.num_chunks else pa.array([], maps.type)
    offsets = whole.offsets.to_numpy()
    rows = np.repeat(np.arange(len(whole)), np.diff(offsets))
    keys = whole.keys[offsets[0] : offsets[-1]].dictionary_encode()
    values = whole.items[offsets[0] : offsets[-1]].to_numpy(zero_copy_only=False)
    places = keys.indices.to_numpy()
    by_key = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=len(keys.dictionary))
    for key, end, count in zip(keys.dictionary.to_pylist(), np.cumsum(counts), counts, strict=True):
        chosen = by_key[end - count : end]
        if key not in columns:
            columns[key] = np.full(len(whole), empty, values.dtype)
        columns[key][rows[chosen]] = values[chosen]
    return columns
