"""What may be chosen when a model is loaded; none of it changes what a vector means."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

LOAD_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "device": None,
        "dtype": None,
        "batch_size": None,
        "num_threads": None,
        "verify": False,
    }
)
"""Every setting with its default; None lets the encoder choose.

All of them are saved with a model, because MLflow lets a load override saved keys only.
`verify` recomputes the probe texts at load.
"""


def load_settings(chosen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Completes a user's `model_config`.

    Raises:
        ValueError: A key is no load-time setting.
    """
    unknown = sorted(set(chosen or {}) - set(LOAD_SETTINGS))
    if unknown:
        raise ValueError(
            f"`model_config` holds what may be chosen at load: {', '.join(LOAD_SETTINGS)}. What "
            "changes a vector, such as sequence_length or pooling, belongs to the version. "
            f"Received: {', '.join(unknown)}"
        )
    return {**LOAD_SETTINGS, **(chosen or {})}
