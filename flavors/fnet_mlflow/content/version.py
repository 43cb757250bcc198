"""The versions of the stored format that this code writes and reads.

The numbers stand in `format.json`, where a model's own loader can read them without importing
this package. To change what lies in a model's `data/` folder: raise `format_version`, keep reading
the older ones down to `oldest_readable`, and store one model of the old format under
`tests/flavor/stored/`.
"""

from __future__ import annotations

import json
import pkgutil
from typing import TYPE_CHECKING

from fnet_registry.presets.tensors import HEAD

if TYPE_CHECKING:
    from fnet_registry.presets.checkpoint import Checkpoint

_numbers = json.loads(pkgutil.get_data("fnet_mlflow", "format.json") or b"")

FORMAT_VERSION: int = _numbers["format_version"]
OLDEST_READABLE: int = _numbers["oldest_readable"]


def needed_format(checkpoint: Checkpoint) -> int:
    """Return the oldest format that can hold a model: a head came with format 2."""
    return 2 if f"{HEAD}.bias" in checkpoint.arrays else 1
