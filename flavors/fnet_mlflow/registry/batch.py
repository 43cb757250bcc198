"""Registering many presets from a file, one failure not stopping the rest."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.register import Registration, register_preset
from fnet_registry.errors import FNetError, ModelError

PRESET_KEYS = {
    "handle": str,
    "name": str,
    "alias": str,
    "sequence_length": int,
    "buckets": list,
    "pooling": str,
    "normalize": bool,
    "quantization": str,
    "dtype": str,
    "tags": dict,
    "reference": bool,
    "force": bool,
}
_EXAMPLE = "[[preset]] with handle = 'f_net_base_en' and name = 'fnet'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one preset of the file.

    Attributes:
        handle: As the file has it.
        name: The registered model.
        registration: The version; None where it failed.
        error: Why it failed, in a line.
    """

    handle: str
    name: str
    registration: Registration | None = None
    error: str | None = None


def read_presets(path: Path) -> list[dict[str, Any]]:
    """Read the arguments of `register_preset` from a TOML file.

    Args:
        path: A file of `[[preset]]` tables, each with `handle`, `name` and optionally `alias`,
            `sequence_length`, `buckets`, `pooling`, `normalize`, `quantization`, `dtype`, `tags`,
            `reference` and `force`.

    Raises:
        ModelError: It is no TOML, or a table has other keys or values than these.
        FileNotFoundError: There is no such file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"Expected a TOML file of {_EXAMPLE}. Received: {path}: {error}") from None
    presets = document.get("preset")
    if not isinstance(presets, list) or set(document) != {"preset"} or not presets:
        raise ModelError(
            f"Expected a TOML file of {_EXAMPLE}. Received: {path} with {', '.join(document)}"
        )
    for number, preset in enumerate(presets, start=1):
        _check_preset(preset, f"{path}, preset {number}")
    return presets


def register_presets(presets: list[dict[str, Any]]) -> Iterator[Outcome]:
    """Register presets one after the other.

    Args:
        presets: What `read_presets` gave.

    Yields:
        What became of each, in their order, as soon as it is known.
    """
    for preset in presets:
        chosen = dict(preset)
        handle, name = chosen.pop("handle"), chosen.pop("name")
        dtype = chosen.pop("dtype", None)
        config = {"dtype": dtype} if dtype else None
        try:
            registration = register_preset(handle, name, model_config=config, **chosen)
        except (FNetError, OSError, MlflowException) as error:
            yield Outcome(handle=handle, name=name, error=str(error).partition("\n")[0])
        else:
            yield Outcome(handle=handle, name=name, registration=registration)


def _check_preset(preset: Any, place: str) -> None:
    if not isinstance(preset, Mapping):
        raise ModelError(f"Expected {_EXAMPLE}. Received: {preset!r} in {place}")
    for key, value in preset.items():
        if key not in PRESET_KEYS:
            raise ModelError(f"A preset has {', '.join(PRESET_KEYS)}. Received: {key!r} in {place}")
        kind = PRESET_KEYS[key]
        if type(value) is not kind:
            raise ModelError(
                f"`{key}` must be of type {kind.__name__}. Received: {value!r} in {place}"
            )
    for key in ("handle", "name"):
        if key not in preset:
            raise ModelError(f"Expected {_EXAMPLE}. Received: no {key} in {place}")
