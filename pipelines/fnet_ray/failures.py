"""Errors that come back from workers."""

from __future__ import annotations

import gc
import traceback

from fnet_registry.errors import FNetError


def own_error(error: Exception) -> Exception:
    """Return the project's own error where a worker raised one, else the error itself."""
    from ray.exceptions import RayTaskError

    if isinstance(error, RayTaskError) and isinstance(error.cause, FNetError):
        message, *_ = str(error.cause).splitlines()  # Ray adds lines of its own
        return type(error.cause)(message)
    return error


def release_actors(error: BaseException) -> None:
    """Let go of the workers that an error's frames still name.

    An actor lives, and holds its CPUs, as long as anything refers to it. Whoever keeps the error,
    as a notebook does, would keep the cluster busy, and the next job waiting for ever.
    """
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__
    gc.collect()
