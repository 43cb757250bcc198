"""What lies in a model's `data/` folder.

config.json metadata.json tokenizer.json     a preset as KerasHub writes and loads it
model.weights.h5 assets/tokenizer/…
probe.npz                                    probe texts with their vectors
encoding.json                                how texts become vectors, and a digest of each file
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from posixpath import normpath
from typing import Any

from fnet_mlflow.content.probe import Probe, write_probe
from fnet_mlflow.content.version import FORMAT_VERSION, OLDEST_READABLE, needed_format
from fnet_registry import __version__
from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.encoding.stored import ENCODING_KEY
from fnet_registry.errors import ConfigError, DamagedFileError, FormatError
from fnet_registry.presets.checkpoint import Checkpoint
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.folder import ENCODING_FILE, PresetFolder, digest_files
from fnet_registry.presets.writing import write_checkpoint, write_json
from fnet_registry.shown import shown

DATA_FOLDER = "data"


def write_data(folder: Path, checkpoint: Checkpoint, encoding: EncodingConfig, probe: Probe):
    """Write a data folder; its record comes last, so half a folder is never read as a whole."""
    write_checkpoint(checkpoint, folder)
    write_probe(probe, folder)
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    digests = digest_files(folder, names)
    _write_record(folder, encoding, digests, format_version=needed_format(checkpoint))


def link_data(folder: Path, preset: PresetFolder, encoding: EncodingConfig) -> None:
    """Make a data folder of links to a preset's own files, in whatever format they are."""
    names = [name for name in preset.files if name != ENCODING_FILE]  # the record says it anew
    for name in names:
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(preset.file(name).resolve())
    digests = {name: preset.digests[name] for name in names}
    _write_record(folder, encoding, digests, format_version=FORMAT_VERSION)


def _write_record(
    folder: Path, encoding: EncodingConfig, digests: Mapping[str, str], *, format_version: int
) -> None:
    record = {
        "format_version": format_version,
        "code_version": __version__,
        ENCODING_KEY: encoding.to_dict(),
        "sha256": dict(digests),
    }
    write_json(record, folder / ENCODING_FILE)


def read_record(folder: Path) -> tuple[EncodingConfig, Mapping[str, str]]:
    """Read what a data folder says of itself.

    Returns:
        How texts become vectors, and SHA-256 by file name, with `/` between folders.

    Raises:
        FormatError: This project did not write the folder, or wrote it in a format that this code
            does not read.
    """
    path = folder / ENCODING_FILE
    if not path.is_file():
        raise FormatError(
            f"Expected the file {ENCODING_FILE} in the data folder of a model saved by "
            f"fnet_mlflow. Received: {folder}"
        )
    try:
        stored = read_json(path)
        _check_format(_value(stored, "format_version", int), _value(stored, "code_version", str))
        encoding = EncodingConfig.from_dict(_value(stored, ENCODING_KEY, dict))
        return encoding, _value(stored, "sha256", dict)
    except ConfigError as error:
        raise FormatError(f"`{path}` must be as fnet_mlflow wrote it. {error}") from None


def _check_format(written: int, code_version: str) -> None:
    if not OLDEST_READABLE <= written <= FORMAT_VERSION:
        raise FormatError(
            f"fnet-registry {__version__} reads models of format {OLDEST_READABLE} to "
            f"{FORMAT_VERSION}. This one was saved by {code_version}: install "
            f"'fnet-registry=={code_version}'. Received: format {written}"
        )


def _value(stored: Mapping[str, Any], key: str, kind: type) -> Any:
    value = stored.get(key)
    if type(value) is not kind:
        raise ConfigError(f"`{key}` must be of type {kind.__name__}. Received: {value!r}")
    return value


def check_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Check every stored file against the digest recorded when the model was saved.

    Raises:
        DamagedFileError: A file is missing, holds other bytes, or has no plain name.
    """
    odd = [name for name in digests if normpath(name) != name or name.startswith(("/", ".."))]
    if odd:
        raise DamagedFileError(
            f"Expected names as they were saved, for example model.weights.h5, in {folder}. "
            f"Received: {shown(odd[0])}"
        )
    missing = [name for name in digests if not (folder / name).is_file()]
    if missing:
        raise DamagedFileError(
            f"Expected the file {missing[0]} of the saved model. Received: none in {folder}"
        )
    found = digest_files(folder, digests)
    damaged = [name for name, digest in digests.items() if found[name] != digest]
    if damaged:
        raise DamagedFileError(
            f"Expected the bytes that were saved; load the model again or register it anew. "
            f"Received: other bytes in {', '.join(damaged)} of {folder}"
        )
