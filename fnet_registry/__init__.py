"""FNet text encoders from any preset handle.

The names below are loaded on first use, so that importing the package costs nothing: only the
backbone and its layers bring Keras with them, and only they and the encoder bring torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Backbone": "fnet_registry.backbone",
    "Checkpoint": "fnet_registry.presets.checkpoint",
    "EncodingConfig": "fnet_registry.encoding.config",
    "FNetBackbone": "fnet_registry.backbone",
    "FNetEncoder": "fnet_registry.layers",
    "FNetTokenizer": "fnet_registry.encoding.tokenizer",
    "TextEncoder": "fnet_registry.encoding.encoder",
}
_NEED_KERAS = ("fnet_registry.backbone", "fnet_registry.layers")

__all__ = [
    "Backbone",
    "Checkpoint",
    "EncodingConfig",
    "FNetBackbone",
    "FNetEncoder",
    "FNetTokenizer",
    "TextEncoder",
]

if TYPE_CHECKING:
    from fnet_registry.backbone import Backbone, FNetBackbone
    from fnet_registry.encoding.config import EncodingConfig
    from fnet_registry.encoding.encoder import TextEncoder
    from fnet_registry.encoding.tokenizer import FNetTokenizer
    from fnet_registry.layers import FNetEncoder
    from fnet_registry.presets.checkpoint import Checkpoint


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
