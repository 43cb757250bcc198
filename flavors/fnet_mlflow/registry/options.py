"""What a preset is registered with, written once for the command line and for files of presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fnet_registry.encoding.config import ENCODING_ARGUMENTS

_FLAG = {"action": "store_true", "default": None}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"help": "the registered model (default: the preset's own name)"},
    "alias": {"help": "an alias to set on the version, for example champion"},
    **ENCODING_ARGUMENTS,
    "dtype": {"choices": ("float32", "bfloat16"), "help": "dtype at load"},
    "reference": {**_FLAG, "help": "refer to the hub, pinned, instead of storing the weights"},
    "force": {**_FLAG, "help": "register again what is registered already"},
}
"""What a preset is registered with beside its handle and tags, as `argparse` takes it."""
