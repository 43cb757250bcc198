"""Errors that come back from workers, and from the clients of storages."""

from __future__ import annotations

import gc
import traceback

from fnet_registry.errors import FNetError, JobError


def first_line(error: Exception) -> str:
    """Return what an error says, without the lines that Arrow and Ray add to it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def own_error(error: Exception) -> Exception:
    """Return the project's own error for one that a worker raised, where there is one."""
    from ray.exceptions import RayTaskError

    cause = error.cause if isinstance(error, RayTaskError) else None
    if isinstance(cause, FNetError):
        return type(cause)(first_line(cause))
    if isinstance(cause, OSError):
        return JobError(
            "The workers must be able to read the inputs and write the output; once they are, the "
            f"same command goes on. Received: {first_line(cause)}"
        )
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
