"""An output on a disk, local or shared between machines."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fsspec.implementations.local import LocalFileSystem

from fnet_ray.output.store import Store, unusable
from fnet_registry.errors import OutputError


class LocalStore(Store):
    """A folder on a disk: what is written there survives a power cut.

    Args:
        root: The folder.

    Raises:
        OutputError: Its name is not UTF-8, so no file could say where it is.
    """

    def __init__(self, root: Path) -> None:
        try:
            str(root).encode()
        except UnicodeEncodeError:
            shown = os.fsencode(root).decode(errors="backslashreplace")
            raise OutputError(f"The output's path must be UTF-8. Received: {shown}") from None
        super().__init__(LocalFileSystem(), str(root), str(root))

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Create or replace a file in one step, durably."""
        with self.create(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write by pieces; it appears when the block ends without an error."""
        target = Path(self.path(name))
        with _written_beside(target) as (temporary, file):
            yield file
        os.replace(temporary, target)
        _sync_folder(target.parent)

    def claim(self, name: str, data: bytes) -> bool:
        """Create a file where none is. Return whether this caller was the first."""
        target = Path(self.path(name))
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
        destination = Path(self.path(target))
        with writing(destination):
            destination.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.replace(self.path(source), destination)
            except FileNotFoundError:
                if not destination.exists():
                    raise
        _sync_folder(destination.parent)

    def names(self, folder: str) -> list[str]:
        """Return the plain names of a folder's files, sorted; none for a missing folder."""
        return sorted(name for name in self._all_names(folder) if not name.startswith("."))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of a folder's files, by plain name; none for a missing folder."""
        found = {}
        for name in self.names(folder):
            with contextlib.suppress(FileNotFoundError):  # moved since it was listed
                found[name] = os.stat(self.path(f"{folder}/{name}")).st_size
        return found

    def clear(self, folder: str) -> None:
        """Delete a folder's files, with those that a killed writer left unfinished."""
        for name in self._all_names(folder):
            self.remove(f"{folder}/{name}")

    def clear_unfinished(self, folder: str) -> None:
        """Delete what a killed writer left in a folder, and none of its files."""
        for name in set(self._all_names(folder)) - set(self.names(folder)):
            self.remove(f"{folder}/{name}")

    def _all_names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.path(folder))
        except FileNotFoundError:
            return []


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
        raise unusable(str(target), error) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut: POSIX keeps names in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
