"""One digest for what a version computes: it tells equal versions, and every load checks it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fnet_registry.encoding.config import EncodingConfig
from fnet_registry.presets.checkpoint import Checkpoint


def content_digest(
    checkpoint: Checkpoint, encoding: EncodingConfig, settings: Mapping[str, Any]
) -> str:
    """Digest weights, tokenizer, configuration and encoding.

    It reads values rather than files, so that it does not depend on the format or on the version
    of the library that a preset was written with.

    Args:
        checkpoint: The model.
        encoding: How texts become vectors.
        settings: The load-time settings that are saved with the version; None counts as not set.

    Returns:
        A SHA-256 in hexadecimal.
    """
    description = {
        "config": checkpoint.config.to_dict(),
        "dtype": checkpoint.dtype,
        "encoding": encoding.chosen(),
        "settings": {name: value for name, value in settings.items() if value is not None},
        "tokenizer": hashlib.sha256(checkpoint.tokenizer_proto or b"").hexdigest(),
    }
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name, array in sorted(checkpoint.arrays.items()):
        digest.update(f"\n{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
