"""Where the hub clients keep a preset on this machine.

The folders are the clients' own, so that KerasHub and Transformers find what was fetched here, and
the other way round. Beside them lies `.fnet-registry/`: our record and lock of each revision.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from fnet_registry.errors import HandleError
from fnet_registry.presets.folder import DESCRIPTION_FILES, is_weights
from fnet_registry.presets.handle import HuggingFaceHandle, KaggleHandle
from fnet_registry.presets.hub.record import Record
from fnet_registry.presets.whole_file import write_file

HubHandle = KaggleHandle | HuggingFaceHandle

_STATE = ".fnet-registry"
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One revision of a preset in a hub client's cache.

    Attributes:
        handle: The pinned handle.
        path: The folder of its files; it may not exist yet.
        root: The cache of this repository, which no link of the files may lead out of.
        state: The folder of our records and locks.
    """

    handle: HubHandle
    path: Path
    root: Path
    state: Path

    @property
    def record_path(self) -> Path:
        """Where our digests of the files are kept."""
        return self.state / f"{self.path.name}.json"

    @property
    def lock_path(self) -> Path:
        """The lock that whoever writes into the folder holds."""
        return self.state / f"{self.path.name}.lock"

    def record(self) -> Record | None:
        """Read our digests of the files, if they were fetched by us."""
        return Record.read(self.record_path)

    def present(self) -> tuple[str, ...]:
        """List the known files that were fetched to their end, sorted."""
        weights = filter(is_weights, (path.name for path in self.path.glob("*")))
        names = {*DESCRIPTION_FILES, *weights}
        return tuple(sorted(name for name in names if self._is_whole(name)))

    def _is_whole(self, name: str) -> bool:
        if not (self.path / name).is_file():
            return False
        if isinstance(self.handle, HuggingFaceHandle):
            return True  # its client links a file into the folder when it is whole
        variant, version = self.path.parent, self.path.name
        of_all, of_one = variant / f"{version}.complete", variant / ".complete" / version
        return of_all.is_file() or (of_one / f"{name}.complete").is_file()


def kaggle_cache() -> Path:
    """Return the folder that kagglehub keeps models in, by its own variable `KAGGLEHUB_CACHE`."""
    default = Path.home() / ".cache" / "kagglehub"
    return Path(os.environ.get("KAGGLEHUB_CACHE", default)).absolute()


def huggingface_cache() -> Path:
    """Return the folder that huggingface_hub keeps models in, by `HF_HUB_CACHE` or `HF_HOME`."""
    shared = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("HF_HOME", f"{shared}/huggingface")
    old_name = os.environ.get("HUGGINGFACE_HUB_CACHE", f"{home}/hub")
    cache = os.environ.get("HF_HUB_CACHE", old_name)
    return Path(os.path.expandvars(cache)).expanduser().absolute()


def entry_of(handle: HubHandle) -> CacheEntry:
    """Find the place of a pinned handle in its client's cache."""
    assert handle.pinned
    if isinstance(handle, KaggleHandle):
        folder = _variant_folder(handle)
        path = folder / str(handle.version)
    else:
        folder = _repository_folder(handle)
        path = folder / "snapshots" / str(handle.revision)
    return CacheEntry(handle=handle, path=path, root=folder, state=folder / _STATE)


def cached_revisions(handle: HubHandle) -> Iterator[CacheEntry]:
    """Find what the cache holds of an unpinned handle, the newest first, without any request.

    For Kaggle these are all versions; for the Hugging Face Hub the commit that the branch or tag
    stood for when it was last asked for.
    """
    if isinstance(handle, KaggleHandle):
        for version in _versions(_variant_folder(handle)):
            yield entry_of(replace(handle, version=version))
    else:
        reference = _reference_path(handle)
        if reference.is_file():
            noted = reference.read_text(encoding="utf-8", errors="replace").strip()
            with suppress(HandleError):  # a write that broke off left anything but a commit
                commit = replace(handle, revision=noted)
                if commit.pinned:
                    yield entry_of(commit)


def remember_revision(handle: HubHandle, pinned: HubHandle) -> None:
    """Note in the client's own way which commit a branch or tag stands for."""
    if isinstance(handle, HuggingFaceHandle) and isinstance(pinned, HuggingFaceHandle):
        reference = _reference_path(handle)
        if [entry.handle for entry in cached_revisions(handle)] == [pinned]:
            return
        commit = str(pinned.revision)
        write_file(reference, lambda draft: draft.write_text(commit, encoding="utf-8"))


def cached_entries() -> Iterator[CacheEntry]:
    """Walk over every revision of every model in both caches, whatever it is a model of."""
    for variant in sorted(kaggle_cache().glob("models/*/*/keras/*")):
        *_, owner, model, _, name = variant.parts
        with suppress(HandleError):
            handle = KaggleHandle(owner, model, name)
            yield from cached_revisions(handle)
    for snapshot in sorted(huggingface_cache().glob("models--*--*/snapshots/*")):
        _, owner, name = snapshot.parents[1].name.split("--", maxsplit=2)
        with suppress(HandleError):
            handle = HuggingFaceHandle(owner, name, snapshot.name)
            if handle.pinned:
                yield entry_of(handle)


def _variant_folder(handle: KaggleHandle) -> Path:
    return kaggle_cache() / "models" / handle.owner / handle.model / "keras" / handle.variant


def _versions(variant: Path) -> list[int]:
    numbers = (path.name for path in variant.glob("[1-9]*") if _VERSION.fullmatch(path.name))
    return sorted(map(int, numbers), reverse=True)


def _repository_folder(handle: HuggingFaceHandle) -> Path:
    return huggingface_cache() / f"models--{handle.owner}--{handle.name}"


def _reference_path(handle: HuggingFaceHandle) -> Path:
    return _repository_folder(handle) / "refs" / (handle.revision or "main")
