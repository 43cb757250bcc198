"""JSON documents of a preset, read with a bound on what they may cost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fnet_registry.errors import ConfigError
from fnet_registry.presets.files import read_file

_LARGEST_BYTES = 8 << 20


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        PresetError: If the file is missing, no regular file, too large, not JSON, or not an object.
    """
    if not os.path.exists(path):
        raise ConfigError(f"A preset folder must hold `{path.name}`. Received: {path.parent}")
    content = read_file(path, _LARGEST_BYTES, "a JSON object")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"`{path}` must be a JSON object. Received: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"`{path}` must be a JSON object. Received: {type(document).__name__}")
    return document
