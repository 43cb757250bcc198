"""The output folder: files that appear whole or not at all, on a local disk or an object store.

Everything the job promises about its output rests on three operations: `write` replaces a file in
one step, `claim` creates a file only where none is, and `move` may be repeated.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

from fnet_registry.errors import JobError, OutputError

# Only these offer a conditional write, on which a claim between machines rests.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs")


class Store(Protocol):
    """A folder of files. Names are relative to it, with forward slashes."""

    @property
    def url(self) -> str:
        """Where the folder is, as its user would write it."""
        ...

    def path(self, name: str) -> str:
        """Return the full address of a file."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Create or replace a file in one step, durably."""
        ...

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file to write by pieces; it appears when the block ends without an error."""
        ...

    def claim(self, name: str, data: bytes) -> bool:
        """Create a file where none is. Return whether this caller was the first."""
        ...

    def move(self, source: str, target: str) -> None:
        """Rename a file. Does nothing where an earlier call already did it."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file. Does nothing where none is."""
        ...

    def clear(self, folder: str) -> None:
        """Delete a folder's files, with those that a killed writer left unfinished."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the plain names of a folder's files, sorted; none for a missing folder."""
        ...

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of a folder's files, by plain name; none for a missing folder."""
        ...

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        ...


def open_store(url: str | os.PathLike[str]) -> Store:
    """Open an output folder.

    Args:
        url: A local folder, `file://…`, `s3://bucket/folder` or `gs://bucket/folder`.

    Raises:
        OutputError: No such kind of storage.
    """
    text = os.fsdecode(url)
    check_no_credentials(text)
    scheme = urlsplit(text).scheme if "://" in text else "file"
    if scheme == "file":
        _check_unicode(text)
        return LocalStore(root=Path(text.removeprefix("file://")).absolute())
    if scheme not in OBJECT_STORES:
        raise OutputError(
            "The output must be a local folder, s3://bucket/folder or gs://bucket/folder. "
            f"Received: {text}"
        )
    import fsspec

    # A listing that was remembered would hide what other drivers and workers wrote.
    fs, root = fsspec.url_to_fs(text, use_listings_cache=False)
    return ObjectStore(fs=fs, root=root.rstrip("/"), scheme=scheme)


def check_no_credentials(url: str) -> None:
    """Refuse an object store's URL with credentials in it: its client would not read them.

    Raises:
        JobError: It holds some.
    """
    scheme, _, rest = url.partition("://")
    if scheme in OBJECT_STORES and set(":@") & set(rest.partition("/")[0]):
        raise JobError(
            "The credentials of an object store must come from the environment, such as "
            f"AWS_ACCESS_KEY_ID, not from its URL. Received: {scheme}://***@{rest.rpartition('@')[2]}"
        )


def _check_unicode(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise OutputError(f"The output's path must be UTF-8. Received: {shown}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStore:
    """A folder on a disk, local or shared between machines."""

    root: Path

    @property
    def url(self) -> str:
        """Where the folder is."""
        return str(self.root)

    def path(self, name: str) -> str:
        """Return the full address of a file."""
        return str(self.root / name)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self.root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Create or replace a file in one step, durably."""
        with self.create(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write by pieces; it appears when the block ends without an error."""
        target = self.root / name
        with _written_beside(target) as (temporary, file):
            yield file
        os.replace(temporary, target)
        _sync_folder(target.parent)

    def claim(self, name: str, data: bytes) -> bool:
        """Create a file where none is. Return whether this caller was the first."""
        target = self.root / name
        with _written_beside(target) as (temporary, file):
            file.write(data)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_folder(target.parent)
        return True

    def move(self, source: str, target: str) -> None:
        """Rename a file. Does nothing where an earlier call already did it."""
        destination = self.root / target
        with writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(self.root / source, destination)
            except FileNotFoundError:
                if not destination.exists():
                    raise
        _sync_folder(destination.parent)

    def remove(self, name: str) -> None:
        """Delete a file. Does nothing where none is."""
        (self.root / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        """Delete a folder's files, with those that a killed writer left unfinished."""
        for file in (self.root / folder).glob("*"):
            file.unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        """Return the plain names of a folder's files, sorted."""
        try:
            found = os.listdir(self.root / folder)
        except FileNotFoundError:
            return []
        return sorted(name for name in found if not name.startswith("."))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of a folder's files, by plain name."""
        found = {}
        for name in self.names(folder):
            with contextlib.suppress(FileNotFoundError):  # moved since it was listed
                found[name] = (self.root / folder / name).stat().st_size
        return found

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        return (self.root / name).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """A folder in a bucket. An object appears whole when its upload ends."""

    fs: Any
    root: str
    scheme: str

    @property
    def url(self) -> str:
        """Where the folder is."""
        return f"{self.scheme}://{self.root}"

    def path(self, name: str) -> str:
        """Return the full address of a file."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return self.fs.cat_file(f"{self.root}/{name}")

    def write(self, name: str, data: bytes) -> None:
        """Create or replace a file in one step, durably."""
        self.fs.pipe_file(f"{self.root}/{name}", data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write by pieces; it appears when the block ends without an error."""
        file = self.fs.open(f"{self.root}/{name}", "wb", autocommit=False)
        try:
            yield file
        except BaseException:
            file.close()
            file.discard()
            raise
        file.close()
        file.commit()

    def claim(self, name: str, data: bytes) -> bool:
        """Create a file where none is. Return whether this caller was the first."""
        try:
            self.fs.pipe_file(f"{self.root}/{name}", data, mode="create")
        except FileExistsError:
            return False
        return True

    def move(self, source: str, target: str) -> None:
        """Copy inside the store, then delete. Does nothing where an earlier call already did it."""
        try:
            self.fs.cp_file(f"{self.root}/{source}", f"{self.root}/{target}")
        except FileNotFoundError:
            if not self.exists(target):
                raise
        self.remove(source)

    def remove(self, name: str) -> None:
        """Delete a file. Does nothing where none is."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(f"{self.root}/{name}")

    def clear(self, folder: str) -> None:
        """Delete a folder's objects; unfinished uploads are not among them, but the store's."""
        for name in self.names(folder):
            self.remove(f"{folder}/{name}")

    def names(self, folder: str) -> list[str]:
        """Return the plain names of a folder's files, sorted."""
        return sorted(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of a folder's files, by plain name."""
        try:
            found = self.fs.ls(f"{self.root}/{folder}", detail=True)
        except FileNotFoundError:
            return {}
        return {info["name"].rsplit("/", 1)[-1]: info["size"] or 0 for info in found}

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        return self.fs.exists(f"{self.root}/{name}")


@contextlib.contextmanager
def _written_beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a temporary file in the target's folder; at the end, wait until the disk holds it."""
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                yield temporary, file
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Raise an OutputError where a disk is full, read-only or another's."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            "The output must be writable and have room; once it is so, the same command goes on. "
            f"Received ({error.strerror or error}): {target}"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut: POSIX keeps names in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
