"""The formats that presets come in: a new one is a module here, and its line in `FORMATS`."""

from __future__ import annotations

from fnet_registry.presets.formats.kerashub import KERASHUB
from fnet_registry.presets.formats.transformers import TRANSFORMERS

FORMATS = (KERASHUB, TRANSFORMERS)
