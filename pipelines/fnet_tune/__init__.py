"""Tune encoders on a user's own examples.

The names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {
    "Tuning": "fnet_tune.job",
    "Whitening": "fnet_tune.whitening",
    "tune": "fnet_tune.tuning",
    "whiten": "fnet_tune.whitening",
}

__all__ = ["Tuning", "Whitening", "tune", "whiten"]

if TYPE_CHECKING:
    from fnet_tune.job import Tuning
    from fnet_tune.tuning import tune
    from fnet_tune.whitening import Whitening, whiten


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
