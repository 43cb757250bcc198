"""The encoding that a preset carries, in a file of its own beside those that KerasHub reads."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from fnet_registry.encoding.config import EncodingConfig, EncodingOptions, complete_encoding
from fnet_registry.errors import ConfigError
from fnet_registry.presets.documents import read_json
from fnet_registry.presets.folder import ENCODING_FILE
from fnet_registry.presets.writing import write_json
from fnet_registry.shown import shown

ENCODING_KEY = "encoding"


def read_encoding(folder: Path) -> EncodingConfig | None:
    """Read the encoding of a preset folder, or None where it carries none.

    Raises:
        PresetError: If the file is damaged, or holds what this code does not know.
    """
    path = folder / ENCODING_FILE
    if not path.exists():
        return None
    values = read_json(path).get(ENCODING_KEY)
    try:
        if not isinstance(values, dict):
            raise ConfigError(
                f"`{ENCODING_KEY}` must be a JSON object, for example"
                f' {{"sequence_length": 128}}. Received: {shown(values)}'
            )
        return EncodingConfig.from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"`{path}` must say how texts become vectors. {error}") from None


def preset_encoding(
    folder: Path, longest: int, **options: Unpack[EncodingOptions]
) -> EncodingConfig:
    """Complete what a user says of an encoding by what a preset folder carries.

    Args:
        folder: The folder.
        longest: The model's longest input, in tokens.
        **options: As in `complete_encoding`.

    Raises:
        PresetError: If a value is impossible, or the folder's encoding is not the model's.
        TypeError: If there is no such option.
    """
    stored = read_encoding(folder)
    if stored is not None and stored.sequence_length > longest:
        raise ConfigError(
            f"`{folder / ENCODING_FILE}` must have a `sequence_length` of at most {longest}, the"
            f" model's maximum. Received: {shown(stored.sequence_length)}"
        )
    return complete_encoding(longest, stored=stored, **options)


def write_encoding(encoding: EncodingConfig | None, folder: Path) -> None:
    """Write the encoding of a preset folder; None takes away what stands there."""
    if encoding is None:
        (folder / ENCODING_FILE).unlink(missing_ok=True)
    else:
        write_json({ENCODING_KEY: encoding.chosen()}, folder / ENCODING_FILE)
