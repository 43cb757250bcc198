"""JSON documents of a preset, read with a bound on what they may cost."""

import json
from pathlib import Path
from typing import Any

from fnet_registry.errors import ConfigError

_LARGEST_BYTES = 8 << 20


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
        path: The file.

    Raises:
        ConfigError: If the file is missing, too large, not JSON, or not an object.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            raise ConfigError(
                f"`{path}` must be a JSON object of at most 8 MiB. Received: {size:,} B"
            )
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(
            f"A preset folder must hold `{path.name}`. Received: {path.parent}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"`{path}` must be a JSON object. Received: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"`{path}` must be a JSON object. Received: {type(document).__name__}")
    return document
