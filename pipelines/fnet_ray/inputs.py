"""Which files a job reads: folders, globs and single files become a sorted list of `InputFile`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_ray.formats import Format, known_endings, recognise
from fnet_registry.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file as it was when the job was planned."""

    path: str
    """Full local path or URL."""
    format: Format
    size: int
    version: str
    """What changes when the file does: an object's ETag, else the time of its last change."""


def find_inputs(
    patterns: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    output: str | None = None,
) -> list[InputFile]:
    """Find every input file.

    Args:
        patterns: Files, globs and folders (searched to the bottom; names that start with `.` or
            `_` and files of other formats are passed over), local or `s3://…`, `gs://…`.
        output: URL of the output folder, whose files are no inputs.

    Returns:
        The files, each once, in the order of the patterns and by path within each.

    Raises:
        InputError: A pattern matches nothing, or a file is of no known format.
    """
    if isinstance(patterns, str | os.PathLike):
        patterns = [patterns]
    if not patterns:
        raise InputError("Expected at least one input, such as corpus/*.parquet. Received none")
    found: dict[str, InputFile] = {}
    for pattern in patterns:
        for file in _expand(os.fspath(pattern)):
            found.setdefault(file.path, file)
    if output is None:
        return list(found.values())
    return [file for file in found.values() if not file.path.startswith(f"{output}/")]


def _expand(pattern: str) -> Iterator[InputFile]:
    import fsspec

    if "://" not in pattern:
        pattern = str(Path(pattern).absolute())
    # A listing that was remembered would hide that a file was replaced.
    fs, root = fsspec.url_to_fs(pattern, use_listings_cache=False)
    try:
        is_folder, is_glob = fs.isdir(root), not fs.exists(root)
    except PermissionError as error:
        raise InputError(f"An input cannot be read ({error}). Received: {pattern}") from error
    if is_folder:
        files = fs.find(root, detail=True)
        files = {path: info for path, info in files.items() if _is_data(path, below=root)}
    elif is_glob:
        files = fs.glob(root, detail=True) if any(sign in root for sign in "*?[") else {}
        files = {path: info for path, info in files.items() if info["type"] == "file"}
    else:
        files = {root: fs.info(root)}
    if not files and is_folder:
        raise InputError(
            f"A folder of inputs must hold files of {known_endings()}. Received: {pattern}"
        )
    if not files:
        raise InputError(
            "An input must be a file, a folder or a glob such as corpus/*.parquet, and exist. "
            f"Received: {pattern}"
        )
    for path, info in sorted(files.items()):
        yield InputFile(
            path=fs.unstrip_protocol(path) if "://" in pattern else path,
            format=recognise(path),
            size=info["size"],
            version=_version(info),
        )


def unreadable(file: InputFile, reason: str) -> InputError:
    """Return the error of a file that cannot be read as a whole."""
    return InputError(
        f"An input file cannot be read: {reason} (leave such files out with --skip-damaged). "
        f"Received: {file.path}"
    )


def check_unchanged(path: str, *, size: int, version: str) -> None:
    """Make sure that a file is still the one that was planned.

    To be called after reading it: whatever replaced it before it was opened, or wrote to it while
    it was read, shows then.

    Args:
        path: The file, as `InputFile` names it.
        size: Its size in bytes when the job was planned.
        version: Its version then.

    Raises:
        InputError: It is another one, or gone.
    """
    import fsspec

    fs, root = fsspec.url_to_fs(path, use_listings_cache=False)
    try:
        info = fs.info(root)
    except FileNotFoundError:
        what = "a file that is gone"
    else:
        if (info["size"], _version(info)) == (size, version):
            return
        what = "a changed file"
    raise InputError(
        "The inputs must stay as they were when the job was planned: put the file back, or choose "
        f"another output. Received {what}: {path}"
    )


def _is_data(path: str, *, below: str) -> bool:
    parts = path.removeprefix(below).strip("/").split("/")
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and recognise(path, strict=False) is not None


def _version(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "mtime", "LastModified"):
        if key in info:
            return str(info[key]).strip('"')
    raise InputError(f"The storage names no version of its files. Received: {info['name']}")
