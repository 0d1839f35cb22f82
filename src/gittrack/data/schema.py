"""What columns or arrays a dataset has, in the JSON that MLflow writes: `mlflow_colspec` and `mlflow_tensorspec`.

A type is a dictionary: `{"type": "long"}`, `{"type": "array", "items": {"type": "double"}}`, `{"type": "object",
"properties": {...}}`. A column whose type has no such name, such as a duration, is `any`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gittrack.errors import InvalidValue

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

Type = dict[str, Any]
_ANY: Type = {"type": "any"}
_NAMES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime", "any")
_ARROW = {
    "bool": "boolean",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer"),
    **dict.fromkeys(("int64", "uint32"), "long"),
    **dict.fromkeys(("halffloat", "float"), "float"),
    "double": "double",
    **dict.fromkeys(("string", "large_string", "string_view"), "string"),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), "binary"),
}


@dataclass(frozen=True, init=False)
class ColSpec:
    """A column: its type, its name, and whether it has a value in every row."""

    type: Type
    name: Any = None
    required: bool = True

    def __init__(self, type: str | Type, name: Any = None, required: bool = True) -> None:  # noqa: A002 - MLflow's
        kind = getattr(type, "name", type)  # MLflow's own types are an enum
        if isinstance(kind, str) and kind not in _NAMES:
            raise InvalidValue(f"'{kind:.80}' is no type of a column", hint=f"one of {', '.join(_NAMES)}")
        object.__setattr__(self, "type", {"type": kind} if isinstance(kind, str) else kind)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "required", required)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as MLflow's JSON has it."""
        return {**self.type, **({} if self.name is None else {"name": self.name}), "required": self.required}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> ColSpec:
        """Return the column that `to_dict` told of."""
        kind = {key: value for key, value in fields.items() if key not in ("name", "required")}
        return cls(kind, fields.get("name"), fields.get("required", True))


@dataclass(frozen=True)
class TensorSpec:
    """An array: the type of its elements, its shape (-1 for any length) and its name."""

    type: str
    shape: tuple[int, ...]
    name: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return the array as MLflow's JSON has it."""
        spec = {"type": "tensor", "tensor-spec": {"dtype": self.type, "shape": list(self.shape)}}
        return spec if self.name is None else {"name": self.name, **spec}

    @classmethod
    def from_json_dict(cls, **fields: Any) -> TensorSpec:
        """Return the array that `to_dict` told of."""
        spec = fields["tensor-spec"]
        return cls(spec["dtype"], tuple(spec["shape"]), fields.get("name"))


@dataclass(frozen=True)
class Schema:
    """Columns, or arrays, in order."""

    inputs: list[ColSpec] | list[TensorSpec] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.inputs)

    def __iter__(self) -> Iterator[ColSpec | TensorSpec]:
        return iter(self.inputs)

    def is_tensor_spec(self) -> bool:
        """Whether these are arrays."""
        return bool(self.inputs) and isinstance(self.inputs[0], TensorSpec)

    def input_names(self) -> list[Any]:
        """Return the names."""
        return [spec.name for spec in self.inputs]

    def input_types(self) -> list[Any]:
        """Return the types."""
        return [spec.type for spec in self.inputs]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the schema as MLflow's JSON has it."""
        return [spec.to_dict() for spec in self.inputs]

    def to_json(self) -> str:
        """Return the schema as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, json_str: str) -> Schema:
        """Return the schema that `to_json` wrote.

        Raises:
            InvalidValue: It is none.
        """
        try:
            return cls.from_list(json.loads(json_str))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidValue(f"{json_str!r:.80} is no schema") from error

    @classmethod
    def from_list(cls, specs: Sequence[Mapping[str, Any]]) -> Schema:
        """Return the schema that `to_dict` told of."""
        if any(spec["type"] == "tensor" for spec in specs):
            return cls([TensorSpec.from_json_dict(**spec) for spec in specs])
        return cls([ColSpec.from_json_dict(**spec) for spec in specs])


@dataclass(frozen=True)
class TensorDatasetSchema:
    """The arrays of features and, if there are any, those of targets."""

    features: Schema
    targets: Schema | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as MLflow's JSON has it."""
        targets = None if self.targets is None else self.targets.to_json()
        return {"mlflow_tensorspec": {"features": self.features.to_json(), "targets": targets}}

    @classmethod
    def from_dict(cls, schema_dict: Mapping[str, Any]) -> TensorDatasetSchema:
        """Return the schema that `to_dict` told of.

        Raises:
            InvalidValue: It is none.
        """
        spec = schema_dict.get("mlflow_tensorspec")
        if not isinstance(spec, Mapping) or "features" not in spec:
            raise InvalidValue("the schema has no 'mlflow_tensorspec' with 'features'")
        targets = spec.get("targets")
        return cls(Schema.from_json(spec["features"]), None if targets is None else Schema.from_json(targets))


def parse(text: str | None) -> Schema | TensorDatasetSchema | None:
    """Return the schema that is recorded of a dataset, None when there is none that can be read."""
    try:
        found = json.loads(text or "null")
        if isinstance(found, dict) and "mlflow_tensorspec" in found:
            return TensorDatasetSchema.from_dict(found)
        return Schema.from_list(found["mlflow_colspec"]) if found else None
    except (InvalidValue, AttributeError, KeyError, TypeError, ValueError):  # a record of somebody else's
        return None


def of_pandas(df: Any) -> Schema | None:
    """Return the columns of a pandas frame, None when it has none; a column is required when nothing in it is NaN."""
    columns = [df.iloc[:, at] for at in range(df.shape[1])]
    specs = [ColSpec(_of_series(column), column.name, not column.isna().any()) for column in columns]
    return Schema(specs) if specs else None


def of_arrow(names: Sequence[str], columns: Sequence[Sequence[pa.Array]]) -> Schema | None:
    """Return the columns of an Arrow table, None when it has none; a column is required when nothing in it is null.

    Args:
        names: Of the columns.
        columns: The chunks of each, at least one.
    """
    specs = [
        ColSpec(_of_chunks(chunks[0].type, chunks), name, not any(chunk.null_count for chunk in chunks))
        for name, chunks in zip(names, columns, strict=True)
    ]
    return Schema(specs) if specs else None


def of_arrays(arrays: npt.NDArray[Any] | Mapping[str, npt.NDArray[Any]]) -> Schema | None:
    """Return the schema of an array or of named ones, the first dimension left open; None if one has no dimension."""
    named = arrays.items() if isinstance(arrays, Mapping) else [(None, arrays)]
    if any(array.ndim == 0 for _, array in named):
        return None
    return Schema([TensorSpec(_element(array), (-1, *array.shape[1:]), name) for name, array in named])


def _element(array: npt.NDArray[Any]) -> str:
    return {"U": "str", "S": "bytes"}.get(array.dtype.kind, array.dtype.name)


def _of_series(column: Any) -> Type:
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _of_series(dtype.categories.to_series())
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    if isinstance(dtype, pd.StringDtype):
        return {"type": "string"}
    if isinstance(dtype, pd.ArrowDtype):
        chunks = column.array.__arrow_array__().chunks
        return _of_chunks(dtype.pyarrow_dtype, chunks)
    if str(dtype) == "object":
        return _of_objects(column)
    size = getattr(dtype, "itemsize", 0)
    names = {"b": "boolean", "M": "datetime"}
    if dtype.kind in "iu" and (size < 8 or dtype.kind == "i"):
        names = {"i": "integer" if size <= 4 else "long", "u": "integer" if size < 4 else "long"}
    if dtype.kind == "f" and size <= 8:
        names = {"f": "float" if size <= 4 else "double"}
    return {"type": names.get(dtype.kind, "any")}


def _of_objects(column: Any) -> Type:
    import pandas as pd
    import pyarrow as pa

    if column.empty:
        return {"type": "string"}
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in ("datetime", "datetime64", "date"):
        return {"type": "datetime"}
    if found not in ("string", "bytes", "boolean", "integer", "floating", "mixed"):
        return _ANY
    try:
        values = pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _ANY
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks)
    if found == "mixed" and not pa.types.is_nested(values.type):
        return _ANY
    if found == "integer" and values.null_count:
        return {"type": "double"}  # as pandas would hold them
    return _of_chunks(values.type, [values])


def _of_chunks(kind: Any, chunks: Sequence[pa.Array]) -> Type:
    import pyarrow as pa

    types = pa.types
    if types.is_timestamp(kind) or types.is_date(kind):
        return {"type": "datetime"}
    if types.is_dictionary(kind):
        return _of_chunks(kind.value_type, [])
    if types.is_struct(kind):
        return {"type": "object", "properties": dict(sorted(_properties(kind, chunks)))}
    if types.is_map(kind):
        return {"type": "map", "values": _of_chunks(kind.item_type, [])}
    if types.is_nested(kind) and not types.is_union(kind):
        items = [chunk.flatten() for chunk in chunks]
        if types.is_null(kind.value_type) and not any(map(len, items)):
            return _ANY
        return {"type": "array", "items": _of_chunks(kind.value_type, items)}
    return {"type": _ARROW.get(str(kind), "any")}


def _properties(kind: pa.StructType, chunks: Sequence[pa.Array]) -> Iterator[tuple[str, Type]]:
    there = [chunk.filter(chunk.is_valid()) if chunk.null_count else chunk for chunk in chunks]
    for at in range(kind.num_fields):
        parts = [chunk.flatten()[at] for chunk in there]
        required = not any(part.null_count for part in parts)
        yield kind.field(at).name, {**_of_chunks(kind.field(at).type, parts), "required": required}
