"""The presets of a TOML file, registered one after the other; a failure does not stop the rest."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from fnet_mlflow.registry.options import OPTIONS
from fnet_mlflow.registry.register import Registration, register_preset
from fnet_registry.encoding.config import ENCODING_ARGUMENTS
from fnet_registry.errors import FNetError, ModelError
from fnet_registry.presets.handle import parse_handle
from fnet_registry.shown import shown

_KINDS = {
    **{"handle": str, "tags": dict},
    **{name: bool if "action" in option else str for name, option in OPTIONS.items()},
    **dict.fromkeys(ENCODING_ARGUMENTS, object),  # an encoding checks its own values
}
_EXPECTED = "Expected a TOML file of [[preset]] with handle = 'f_net_base_en' and name = 'fnet'"


def read_presets(path: Path) -> list[dict[str, Any]]:
    """Read the arguments of `register` from a TOML file of `[[preset]]` tables.

    Raises:
        ModelError: It is no TOML, or a table has other keys or values than `register` takes.
        FileNotFoundError: There is no such file.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{_EXPECTED}. Received: {path}: {error}") from None
    presets = document.get("preset")
    if not isinstance(presets, list) or set(document) != {"preset"} or not presets:
        raise ModelError(f"{_EXPECTED}. Received: {path} with {', '.join(document) or 'nothing'}")
    for number, preset in enumerate(presets, start=1):
        _check(preset, f"{path}, preset {number}")
    return presets


def register(
    handle: str, name: str | None = None, *, dtype: str | None = None, **options: Any
) -> Registration:
    """Register a preset as the command line and a file say it: `dtype` is saved for its load."""
    name = parse_handle(handle).label if name is None else name
    config = None if dtype is None else {"dtype": dtype}
    return register_preset(handle, name, model_config=config, **options)


def register_all(presets: list[dict[str, Any]]) -> Iterator[Registration | Exception]:
    """Register presets in their order, and yield what became of each as soon as it is known."""
    for preset in presets:
        try:
            yield register(**preset)
        except (FNetError, OSError, MlflowException) as error:
            yield error


def _check(preset: Any, place: str) -> None:
    if not isinstance(preset, Mapping) or "handle" not in preset:
        raise ModelError(f"{_EXPECTED}. Received: {shown(preset)} in {place}")
    for key, value in preset.items():
        if key not in _KINDS:
            raise ModelError(f"A preset has {', '.join(_KINDS)}. Received: {shown(key)} in {place}")
        if not isinstance(value, _KINDS[key]):
            raise ModelError(
                f"`{key}` must be of type {_KINDS[key].__name__}. "
                f"Received: {shown(value)} in {place}"
            )
