"""Which files a job reads: folders, globs and single files become a sorted list of `InputFile`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fnet_ray.cluster.failures import first_line
from fnet_ray.corpus.formats import Format, known_endings, recognise
from fnet_ray.corpus.storages import open_storage
from fnet_ray.output.store import check_no_credentials
from fnet_registry.errors import FNetError, InputError
from fnet_registry.redaction import without_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file as it was when the job was planned.

    Args:
        path: Full local path or URL, as it is shown and stored: without credentials, and Unicode.
        format: How it holds its rows.
        size: Its bytes; None where a web server does not say.
        version: What changes when the file does: an object's ETag, else the time of its last
            change.
        opened: What is opened, in this run alone: a signature may be another one in the next.
    """

    path: str
    format: Format
    size: int | None
    version: str
    opened: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.opened:
            object.__setattr__(self, "opened", self.path)


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
        InputError: A pattern matches nothing, a file is of no known format, or all of them lie in
            the output.
    """
    if isinstance(patterns, str | bytes | os.PathLike):
        patterns = [patterns]
    if not patterns or not all(map(os.fsdecode, patterns)):
        received = "an empty path" if patterns else "none"
        raise InputError(
            f"Expected at least one input, such as corpus/*.parquet. Received: {received}"
        )
    found: dict[str, InputFile] = {}
    for pattern in patterns:
        for file in _expand(os.fsdecode(pattern)):
            same = found.setdefault(file.path, file)
            if same.opened != file.opened:
                raise InputError(
                    "Inputs must differ in more than their credentials and queries. "
                    f"Received: {file.path} twice"
                )
    files = list(found.values())
    if output is None:
        return files
    inside = f"{place_of(output)}/"
    outside = [file for file in files if not place_of(file.opened).startswith(inside)]
    if files and not outside:
        raise InputError(f"Inputs must lie outside the output, {output}. Received: {files[0].path}")
    return outside


def opened_as(files: Sequence[InputFile]) -> dict[str, str]:
    """Return what to open in the place of the paths that cannot be opened as they are stored."""
    return {file.path: file.opened for file in files if file.opened != file.path}


@contextmanager
def reading(path: str, *, gone: type[Exception] = FNetError) -> Iterator[None]:
    """Name the file where it cannot be read, and not what it was opened with.

    Raises:
        InputError: In the place of whatever a storage's client raised, but for `gone`.
    """
    try:
        yield
    except (FNetError, gone):
        raise
    except Exception as error:  # the clients' errors have no base of their own
        raise InputError(
            f"An input file cannot be read: {first_line(error)}. Received: {path}"
        ) from None


def _shown(address: str) -> str:
    """Return an address that gives no secrets away and that every format can store."""
    text = without_secrets(address) if "://" in address else address
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


def place_of(address: str) -> str:
    """Return where a file really is, whichever way leads there."""
    if "://" not in address or address.startswith("file://"):
        return os.path.realpath(address.removeprefix("file://"))
    return address.partition("://")[2]


def _expand(pattern: str) -> Iterator[InputFile]:
    if "://" not in pattern:
        pattern = str(Path(pattern).absolute())
    shown = _shown(pattern)
    check_no_credentials(pattern)
    with reading(shown):
        fs, root = open_storage(pattern)
        is_file = pattern.startswith("http") and recognise(shown) is not None
        is_folder = not is_file and fs.isdir(root)
        if is_folder:
            files = fs.find(root, detail=True)
            files = {path: info for path, info in files.items() if _is_data(path, below=root)}
        elif fs.exists(root):
            files = {root: fs.info(root)}
        else:
            files = fs.glob(root, detail=True) if any(sign in shown for sign in "*?[") else {}
        no_files = ("directory", "other")  # such as a named pipe, which would never end
        files = {path: info for path, info in files.items() if info["type"] not in no_files}
    if not files and is_folder:
        raise InputError(
            f"A folder of inputs must hold files of {known_endings()}. Received: {shown}"
        )
    if not files:
        raise InputError(
            "An input must be a file, a folder or a glob such as corpus/*.parquet, and exist. "
            f"Received: {shown}"
        )
    for path, info in sorted(files.items()):
        opened = fs.unstrip_protocol(path) if "://" in pattern else path
        shown, size, version = _shown(opened), info["size"], _version(info)
        kind = recognise(shown)
        if kind is None:
            raise InputError(f"An input file must end in {known_endings()}. Received: {shown}")
        yield InputFile(path=shown, format=kind, size=size, version=version, opened=opened)


def unreadable(file: InputFile, reason: str) -> InputError:
    """Return the error of a file that cannot be read as a whole."""
    return InputError(
        f"An input file cannot be read: {reason} (leave such files out with --skip-damaged). "
        f"Received: {file.path}"
    )


def check_unchanged(opened: str, path: str, *, size: int | None, version: str) -> None:
    """Make sure that a file is the one that was planned; takes the fields of its `InputFile`.

    To be called after reading it: whatever replaced it before it was opened, or wrote to it while
    it was read, shows then.

    Raises:
        InputError: It is another one, or gone.
    """
    try:
        with reading(path, gone=FileNotFoundError):
            fs, root = open_storage(opened)
            info = fs.info(root)
    except FileNotFoundError:
        what = "is gone"
    else:
        if (info["size"], _version(info)) == (size, version):
            return
        what = "has changed"
    raise InputError(
        "The inputs must stay as they were when the job was planned: put the file back, or choose "
        f"another output. Received: {path}, which {what}"
    )


def _is_data(path: str, *, below: str) -> bool:
    parts = path.removeprefix(below).strip("/").split("/")
    hidden = any(part.startswith((".", "_")) and "=" not in part for part in parts)
    return not hidden and recognise(path) is not None


def _version(info: dict[str, Any]) -> str:
    for key in ("ETag", "etag", "mtime", "LastModified", "Last-Modified"):
        if key in info:
            return str(info[key]).strip('"')
    raise InputError(
        f"A storage must name a version of its files, such as an ETag. Received: {info['name']}"
    )
