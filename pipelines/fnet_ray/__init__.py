"""Corpora to embeddings with Ray Data.

The names below are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fnet_registry.lazy import lazy_names

_HOMES = {
    "Preview": "fnet_ray.job_preview",
    "Report": "fnet_ray.progress.report",
    "Search": "fnet_ray.nearest.searching",
    "Status": "fnet_ray.status",
    "WorkerRequest": "fnet_ray.cluster.pool",
    "embed": "fnet_ray.embedding",
    "encode": "fnet_ray.dataset",
    "preview": "fnet_ray.job_preview",
    "read_status": "fnet_ray.status",
    "report": "fnet_ray.reporting.report",
    "search": "fnet_ray.nearest.searching",
}

__all__ = [
    "Preview",
    "Report",
    "Search",
    "Status",
    "WorkerRequest",
    "embed",
    "encode",
    "preview",
    "read_status",
    "report",
    "search",
]

if TYPE_CHECKING:
    from fnet_ray.cluster.pool import WorkerRequest
    from fnet_ray.dataset import encode
    from fnet_ray.embedding import embed
    from fnet_ray.job_preview import Preview, preview
    from fnet_ray.nearest.searching import Search, search
    from fnet_ray.progress.report import Report
    from fnet_ray.reporting.report import report
    from fnet_ray.status import Status, read_status


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
