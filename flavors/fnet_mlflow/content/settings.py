"""What may be chosen when a model is loaded; none of it changes what a vector means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fnet_registry.errors import ConfigError

LOAD_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {"device": None, "dtype": None, "batch_size": None, "num_threads": None, "verify": False}
)
"""Every setting with its default; None lets the encoder choose.

All of them are saved with a model, because MLflow lets a load override saved keys only.
`verify` recomputes the probe texts at load.
"""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_POSSIBLE: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "device": ("a torch device such as 'cpu' or 'cuda:0'", lambda value: isinstance(value, str)),
    "dtype": ("float32 or bfloat16", lambda value: value in ("float32", "bfloat16")),
    "batch_size": ("a positive integer", _is_count),
    "num_threads": ("a positive integer", _is_count),
    "verify": ("True or False", lambda value: isinstance(value, bool)),
}


def digested_settings(settings: Mapping[str, Any], *, reference: bool) -> dict[str, Any]:
    """Return what makes a version one of its own beside its content.

    Args:
        settings: The load-time settings that are saved with it; those that are not the default.
        reference: Whether it only refers to a hub.
    """
    changed = {key: value for key, value in settings.items() if value != LOAD_SETTINGS[key]}
    return changed | ({"reference": True} if reference else {})


def load_settings(chosen: Mapping[str, Any] | None) -> dict[str, Any]:
    """Complete a user's `model_config`.

    Raises:
        ConfigError: A key is no load-time setting, or its value impossible on any machine.
    """
    if chosen is not None and not isinstance(chosen, Mapping):
        raise ConfigError(
            f"`model_config` must be a mapping, for example {{'batch_size': 8}}. Received: {chosen}"
        )
    unknown = sorted(set(chosen or {}) - set(LOAD_SETTINGS))
    if unknown:
        raise ConfigError(
            f"`model_config` holds what may be chosen at load: {', '.join(LOAD_SETTINGS)}. What "
            "changes a vector, such as sequence_length or pooling, belongs to the version. "
            f"Received: {', '.join(unknown)}"
        )
    for name, value in (chosen or {}).items():
        expected, is_possible = _POSSIBLE[name]
        if value is not None and not is_possible(value):
            raise ConfigError(f"`{name}` must be {expected}. Received: {value!r}")
    return {**LOAD_SETTINGS, **(chosen or {})}
