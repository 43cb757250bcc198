"""FNet text encoders from any preset handle.

The names below are loaded on first use, so that importing the package costs nothing: only the
backbone and its layers bring Keras with them, and only they and the encoder bring torch.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "fnet_registry.model.backbone",
    "Checkpoint": "fnet_registry.presets.checkpoint",
    "EncodingConfig": "fnet_registry.encoding.config",
    "FNetBackbone": "fnet_registry.model.backbone",
    "FNetEncoder": "fnet_registry.model.layers",
    "FNetTokenizer": "fnet_registry.encoding.tokenizer",
    "SharedEncoder": "fnet_registry.encoding.shared",
    "TextEncoder": "fnet_registry.encoding.encoder",
}

__all__ = [
    "Backbone",
    "Checkpoint",
    "EncodingConfig",
    "FNetBackbone",
    "FNetEncoder",
    "FNetTokenizer",
    "SharedEncoder",
    "TextEncoder",
]

if TYPE_CHECKING:
    from fnet_registry.encoding.config import EncodingConfig
    from fnet_registry.encoding.encoder import TextEncoder
    from fnet_registry.encoding.shared import SharedEncoder
    from fnet_registry.encoding.tokenizer import FNetTokenizer
    from fnet_registry.model.backbone import Backbone, FNetBackbone
    from fnet_registry.model.layers import FNetEncoder
    from fnet_registry.presets.checkpoint import Checkpoint


__getattr__, __dir__ = lazy_names(__name__, _HOMES)

if "keras" in sys.modules:
    # `keras.models.load_model` finds registered classes alone, and this import registers ours.
    import_module("fnet_registry.model.backbone")
