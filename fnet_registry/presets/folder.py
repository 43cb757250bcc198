"""A preset's folder on disk: which files count, where they may lead, and their digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from fnet_registry.errors import ConfigError, PresetError
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.files import check_file
from fnet_registry.presets.formats import FORMATS
from fnet_registry.presets.formats.format import CONFIG_FILE, PresetFormat
from fnet_registry.presets.formats.head import HEAD_FILE
from fnet_registry.presets.handle import Handle

CARD_FILE = "README.md"
ENCODING_FILE = "encoding.json"
"""Ours: how texts become vectors. A model's `data/` folder holds one too."""
DESCRIPTION_FILES = tuple(
    sorted(
        {CARD_FILE, CONFIG_FILE, ENCODING_FILE, HEAD_FILE}
        | {name for known in FORMATS for name in known.files}
    )
)
"""Everything but weights that a preset of any format may hold."""


_HASHED_AT_ONCE = 1 << 24  # bytes: fewer, and a thread waits at each step while another imports


@dataclass(frozen=True, kw_only=True)
class PresetFolder:
    """A preset that lies on this machine.

    Args:
        path: The folder.
        handle: Where it came from, pinned to a version or commit; for a local folder its path.
        files: Names of the known files that it holds, sorted, with `/` between folders.
        root: The folder that no file's links may lead out of: the preset's own, or the hub
            client's cache of this repository.
        verified: Whether each file was checked against the hub's digests or an earlier record of
            them. A local folder has nothing to be checked against.
        recorded: SHA-256 of each file where it is known already.
    """

    path: Path
    handle: Handle
    files: tuple[str, ...]
    root: Path
    verified: bool
    recorded: Mapping[str, str] | None = None

    def file(self, name: str) -> Path:
        """Find one file by its name, with `/` between folders.

        Raises:
            PresetError: The name is not one that a preset may hold (say, an index names `../x`),
                the preset does not hold it, it leads out of the folder, or it is no regular file.
        """
        if not is_known(name):
            raise PresetError(
                "A preset holds files such as 'config.json' or 'model.weights.h5'. "
                f"Received: {name!r}"
            )
        if name not in self.files:
            raise PresetError(f"Expected the preset to hold {name}. Received: {self.handle}")
        _check(self.path, name, self.root.resolve())
        return self.path / name

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 (hex) by file name; for a local folder computed at the first use."""
        if self.recorded is not None:
            return self.recorded
        return digest_files(self.path, self.files)


def is_known(name: str) -> bool:
    """Return whether a preset may hold a file of this name."""
    return name in DESCRIPTION_FILES or is_weights(name)


def is_weights(name: str) -> bool:
    """Return whether the name is one of a weights file or of an index of them."""
    return any(files.includes(name) for known in FORMATS for files in known.weights)


LARGEST_PRESET = 16 << 30
"""Bytes: twice a model of the most parameters with a head, in either format."""


def size_limit(name: str) -> int:
    """Return the most bytes that a file of this name may have."""
    return LARGEST_PRESET if is_weights(name) else 64 << 20


def list_files(folder: Path) -> list[str]:
    """List the known names that a folder holds, whatever stands under them."""
    described = (name for name in DESCRIPTION_FILES if os.path.lexists(folder / name))
    return [*described, *filter(is_weights, os.listdir(folder))]


def preset_format(folder: Path | str) -> PresetFormat:
    """Return the format of a preset folder, told by its `config.json`.

    Raises:
        ConfigError: If it is not a folder, or of no known format.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"A preset must be a folder, for example ./my_fnet. Received: {folder}")
    document = read_json(folder / CONFIG_FILE)
    for known in FORMATS:
        if known.recognises(document):
            return known
    raise ConfigError(
        f"`{folder / CONFIG_FILE}` must be a {' or a '.join(known.name for known in FORMATS)}"
        " configuration."
        f" Received the keys: {', '.join(sorted(document)[:8]) or 'none'}"
    )


def check_files(folder: Path, *, weights: bool, root: Path | None = None) -> dict[str, int]:
    """Refuse a folder of which a file that its format reads leads out or is no regular file.

    Args:
        folder: The folder.
        weights: Whether its weights are wanted.
        root: What links may not lead out of. By default they may lead out of the folder together,
            to where its configuration lies: in a hub client's cache all of a snapshot's files are
            links to one folder.

    Returns:
        Size in bytes by name.

    Raises:
        PresetError: If a file is not as it should be, all are too large, or there is no
            `config.json` of a known format.
    """
    config = folder / CONFIG_FILE
    if os.path.lexists(config):
        check_file(config)
    roots = (root.resolve(),) if root else (folder.resolve(), config.resolve().parent)
    names = list_files(folder)
    sizes = {name: _check(folder, name, *roots) for name in select_files(names, weights=False)}
    if weights:
        sizes |= {name: _check(folder, name, *roots) for name in _weights(folder, names)}
    if (size := sum(sizes.values())) > LARGEST_PRESET:
        raise PresetError(
            f"`{folder}` must be at most {LARGEST_PRESET >> 20:,} MiB. Received: {size:,} B"
        )
    return sizes


def _weights(folder: Path, names: Collection[str]) -> Iterator[str]:
    """Name what holds a folder's weights: the index first, for it must be checked to be read."""
    for files in preset_format(folder).weights:
        if files.select(names):
            yield files.single if files.single in names else files.index
            yield from files.needed(folder)
            return


def _check(folder: Path, name: str, *roots: Path) -> int:
    path = folder / name
    size = check_file(path)
    largest = size_limit(name)
    if size > largest:
        raise PresetError(f"`{path}` must be at most {largest >> 20:,} MiB. Received: {size:,} B")
    target = path.resolve()
    if not any(map(target.is_relative_to, roots)):
        raise PresetError(
            f"Expected {name} inside the folder, but it is a link that leads out of it; "
            f"'cp -rL' copies a folder with its links followed. Received: {path} -> {target}"
        )
    return size


def select_files(names: Collection[str], *, weights: bool = True) -> tuple[str, ...]:
    """Pick what a preset needs from a list of file names.

    Args:
        names: Names as a hub or a folder lists them; unknown ones are left out.
        weights: Whether to pick weights too, and then the preferred way of each format.

    Returns:
        Sorted names.
    """
    chosen = {name for name in names if name in DESCRIPTION_FILES}
    if weights:
        for known in FORMATS:
            found = (files.select(names) for files in known.weights)
            chosen.update(next(filter(None, found), ()))
    return tuple(sorted(chosen))


def digest_files(path: Path, names: Iterable[str]) -> Mapping[str, str]:
    """Compute SHA-256 (hex) by name of files in a folder."""
    return MappingProxyType({name: digest_file(path / name) for name in names})


def digest_file(path: Path) -> str:
    """Compute the SHA-256 (hex) of one file."""
    state, buffer = hashlib.sha256(), memoryview(bytearray(_HASHED_AT_ONCE))
    with path.open("rb", buffering=0) as file:
        while read := file.readinto(buffer):
            state.update(buffer[:read])
    return state.hexdigest()
