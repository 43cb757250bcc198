"""The two containers that `torch.save` has used: what they hold, and where, without torch."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fnet_registry.presets.formats.unpickling import PickledTensor, unpickle

DAMAGE = (
    ArithmeticError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
)
"""What reading bytes that are no checkpoint ends in."""

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LEGACY_HEADER = struct.Struct("<q")
# A tensor takes some 400 bytes in the pickle and 100 in the list of the archive's entries.
_LARGEST_READ = 4 << 20


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file, in bytes."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class TorchArchive:
    """A checkpoint's object, and where in the file its storages lie, by key."""

    content: Any
    storages: Mapping[str, Span]


class _BoundedFile(io.FileIO):
    """A file of which never more is read at once than a description may take."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_READ:
            size = _LARGEST_READ
        return super().read(size) or b""


def read_torch_archive(path: Path, parts: Iterator[int]) -> TorchArchive:
    """Read all of a checkpoint but its storages.

    Args:
        path: A file that `torch.save` wrote, as a zip archive or in the format before that.
        parts: Each code of a pickle and each entry of an archive is one of them less.

    Raises:
        OSError: If the file cannot be read.
        CodeError: If it asks for code.
        DAMAGE: Any of these, if it is no checkpoint.
    """
    with _BoundedFile(path) as file:
        is_zip = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
        file.seek(0)
        return _read_zip(file, parts) if is_zip else _read_legacy(file, parts)


def _read_zip(file: _BoundedFile, parts: Iterator[int]) -> TorchArchive:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError("a compressed archive")
    if len(list(islice(parts, len(entries)))) < len(entries):
        raise ValueError("too many entries")
    spans = {entry.filename: _span(file, entry) for entry in entries}
    [root] = {name.split("/")[0] for name in spans}
    if spans.get(f"{root}/byteorder") and _read(file, spans[f"{root}/byteorder"]) != b"little":
        raise ValueError("numbers of another byte order")
    return TorchArchive(
        content=unpickle(io.BytesIO(_read(file, spans[f"{root}/data.pkl"])), parts),
        storages={name.removeprefix(f"{root}/data/"): span for name, span in spans.items()},
    )


def _span(file: BinaryIO, entry: zipfile.ZipInfo) -> Span:
    file.seek(entry.header_offset)
    magic, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if magic != _ZIP_MAGIC or entry.file_size != entry.compress_size:
        raise ValueError("an entry that is not where the archive says")
    return Span(start=entry.header_offset + _LOCAL_HEADER.size + name + extra, size=entry.file_size)


def _read(file: BinaryIO, span: Span) -> bytes:
    if span.size > _LARGEST_READ:
        raise ValueError(f"a description of {span.size:,} bytes")
    file.seek(span.start)
    return file.read(span.size)


def _read_legacy(file: _BoundedFile, parts: Iterator[int]) -> TorchArchive:
    """Five pickles (magic, protocol, machine, content, keys), then each storage after its size."""
    head = io.BytesIO(file.read(_LARGEST_READ))
    magic, protocol, machine, content, keys = (unpickle(head, parts) for _ in range(5))
    if magic != _LEGACY_MAGIC or protocol != _LEGACY_PROTOCOL:
        raise ValueError("other bytes")
    if machine["little_endian"] is not True:
        raise ValueError("numbers of another byte order")
    if not isinstance(content, dict):
        return TorchArchive(content=content, storages={})
    tensors = [value for value in content.values() if isinstance(value, PickledTensor)]
    widths = {tensor.storage.key: tensor.storage.dtype.itemsize for tensor in tensors}
    storages: dict[str, Span] = {}
    start = head.tell()
    for key in keys:
        file.seek(start)
        (count,) = _LEGACY_HEADER.unpack(file.read(_LEGACY_HEADER.size))
        storages[key] = Span(start=start + _LEGACY_HEADER.size, size=count * widths[key])
        start += _LEGACY_HEADER.size + storages[key].size
    return TorchArchive(content=content, storages=storages)
