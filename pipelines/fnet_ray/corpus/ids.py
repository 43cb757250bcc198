"""How a row's id is written where rows are told apart: as text, and bytes as hex digits."""

from __future__ import annotations

import pyarrow as pa


def can_identify(kind: pa.DataType) -> bool:
    """Return whether values of this type can be written as ids."""
    try:
        id_texts(pa.chunked_array([], kind))
    except pa.ArrowNotImplementedError:
        return False
    return True


def id_texts(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ids as texts."""
    if isinstance(ids.type, pa.BaseExtensionType):
        ids = ids.cast(ids.type.storage_type)
    if _is_bytes(ids.type):
        return pa.chunked_array(
            [[i if i is None else i.hex() for i in ids.to_pylist()]], pa.string()
        )
    return ids.cast(pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
