"""Tune encoders on a user's own examples.

The names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {"Tuning": "fnet_tune.job", "tune": "fnet_tune.tuning"}

__all__ = ["Tuning", "tune"]

if TYPE_CHECKING:
    from fnet_tune.job import Tuning
    from fnet_tune.tuning import tune


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
