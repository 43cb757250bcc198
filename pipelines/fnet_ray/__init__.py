"""Corpora to embeddings with Ray Data.

The names below are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "Report": "fnet_ray.report",
    "embed": "fnet_ray.job",
}

__all__ = ["Report", "embed"]

if TYPE_CHECKING:
    from fnet_ray.job import embed
    from fnet_ray.report import Report


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
