"""Corpora to embeddings with Ray Data.

The names below are loaded on first use.
"""

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {
    "Preview": "fnet_ray.forecast",
    "Report": "fnet_ray.report",
    "Status": "fnet_ray.status",
    "WorkerRequest": "fnet_ray.workers",
    "embed": "fnet_ray.job",
    "encode": "fnet_ray.dataset",
    "preview": "fnet_ray.forecast",
    "read_status": "fnet_ray.status",
}

__all__ = [
    "Preview",
    "Report",
    "Status",
    "WorkerRequest",
    "embed",
    "encode",
    "preview",
    "read_status",
]

if TYPE_CHECKING:
    from fnet_ray.dataset import encode
    from fnet_ray.forecast import Preview, preview
    from fnet_ray.job import embed
    from fnet_ray.report import Report
    from fnet_ray.status import Status, read_status
    from fnet_ray.workers import WorkerRequest


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
