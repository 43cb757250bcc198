"""The output folder: files that appear whole or not at all, in a bucket or on a disk.

Everything the job promises about its output rests on three operations: `write` replaces a file in
one step, `claim` creates a file only where none is, and `move` may be repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from fnet_ray.cluster.failures import first_line
from fnet_registry.errors import FNetError, JobError, OutputError

# Only these offer a conditional write, on which a claim between machines rests.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs")


class Store:
    """A folder of a bucket. Names are relative to it, with forward slashes.

    An object appears whole when its upload ends. A disk's folder is a `LocalStore`.

    Args:
        fs: The fsspec client, which reads the inputs, too: with the same settings and credentials.
        root: The folder, as the client knows it.
        url: The folder, as its user would write it.
    """

    def __init__(self, fs: Any, root: str, url: str) -> None:
        self.fs, self.root, self.url = fs, root, url

    def path(self, name: str) -> str:
        """Return the full address of a file."""
        return f"{self.url}/{name}"

    def read(self, name: str) -> bytes:
        """Return a file's bytes. Raises FileNotFoundError."""
        return self._ask("cat_file", name)

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Create or replace a file in one step, durably."""
        self._ask("pipe_file", name, bytes(data))

    @contextlib.contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        """Open a file to write by pieces; it appears when the block ends without an error."""
        file = self._ask("open", name, "wb", autocommit=False)
        try:
            yield file
        except BaseException:
            file.close()
            file.discard()
            raise
        with reaching(self.path(name)):
            file.close()
            file.commit()

    def claim(self, name: str, data: bytes) -> bool:
        """Create a file where none is. Return whether this caller was the first."""
        try:
            self._ask("pipe_file", name, data, mode="create")
        except FileExistsError:
            return False
        return True

    def move(self, source: str, target: str) -> None:
        """Rename a file. Does nothing where an earlier call already did it."""
        try:
            self._ask("cp_file", source, f"{self.root}/{target}")
        except FileNotFoundError:
            if not self.exists(target):
                raise
        self.remove(source)

    def remove(self, name: str) -> None:
        """Delete a file. Does nothing where none is."""
        with contextlib.suppress(FileNotFoundError):
            self._ask("rm_file", name)

    def clear(self, folder: str) -> None:
        """Delete a folder's files, with those that a killed writer left unfinished on a disk."""
        for name in self.sizes(folder):
            self.remove(f"{folder}/{name}")

    def clear_unfinished(self, folder: str) -> None:
        """Delete what a killed writer left in a folder, which it only does on a disk."""

    def names(self, folder: str) -> list[str]:
        """Return the plain names of a folder's files, sorted; none for a missing folder."""
        return sorted(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the bytes of a folder's files, by plain name; none for a missing folder."""
        try:
            found = self._ask("ls", folder, detail=True)
        except FileNotFoundError:
            return {}
        return {info["name"].rsplit("/", 1)[-1]: info["size"] or 0 for info in found}

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        return self._ask("exists", name)

    def _ask(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        with reaching(self.path(name)):
            return getattr(self.fs, method)(f"{self.root}/{name}", *arguments, **options)


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


@contextlib.contextmanager
def reaching(address: str) -> Iterator[None]:
    """Raise an OutputError where a storage refuses, or is out of reach."""
    try:
        yield
    except (FNetError, FileExistsError, FileNotFoundError):
        raise
    except Exception as error:  # the storages' clients have no error in common
        raise unusable(address, error) from error


def unusable(address: str, error: Exception) -> OutputError:
    """Return the error of a storage that is full, read-only, another's or out of reach."""
    return OutputError(
        "The output must be within reach, be writable and have room; once it is so, the same "
        f"command goes on. Received: {address} ({first_line(error)})"
    )
