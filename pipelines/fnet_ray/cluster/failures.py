"""Errors that come back from workers, and from the clients of storages."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from fnet_registry.errors import FNetError, JobError

if TYPE_CHECKING:
    from ray.data import DataContext

# Whose frames may hold a job's workers: Ray's threads, and the stages' own.
_HOLDERS = ("ray", "threading", "fnet_ray")
_SECONDS_TO_END = 10
_LOGGERS_OF_ERRORS = (
    "ray.data.exceptions",
    "ray.data._internal.execution.streaming_executor_state",
)

# Ray adds lines on retries to a message, which is one line by the time that it is here.
_ADDED_BY_RAY = r"\nFailed to apply UDF"


def first_line(error: Exception) -> str:
    """Return what an error says, without the lines that Arrow and Ray add to it."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def own_error(error: Exception) -> Exception:
    """Return the project's own error for one that came through Ray, where there is one."""
    from ray.exceptions import RayTaskError

    return error_of_worker(error.cause, error) if isinstance(error, RayTaskError) else error


def error_of_worker(raised: Exception, shown: Exception) -> Exception:
    """Return the project's own error for what a worker raised, and else what is shown of that."""
    if isinstance(raised, FNetError):
        return type(raised)(first_line(raised).partition(_ADDED_BY_RAY)[0])
    if isinstance(raised, OSError):
        return JobError(
            "The workers must be able to read the inputs and write the output; once they are, the "
            f"same command goes on. Received: {first_line(raised)}"
        )
    return shown


@contextlib.contextmanager
def quiet_execution() -> Iterator[DataContext]:
    """Have datasets run without Ray's bars, and fail with the project's own errors.

    What consumes a dataset must be a function called in the block: its frame holds the workers, and
    only one that has ended can let them go.

    Yields:
        The datasets' context, to be set up further.
    """
    from ray.data import DataContext

    from fnet_ray.cluster.stopping import WaitBeforeCancelling

    context = DataContext.get_current().copy()
    context.custom_execution_callback_classes = [
        *context.custom_execution_callback_classes,
        WaitBeforeCancelling,
    ]
    context.enable_progress_bars = False
    context.raise_original_map_exception = True
    with DataContext.current(context), _errors_logged_as_text():
        try:
            yield context
        except Exception as error:
            way = "".join(traceback.format_tb(error.__traceback__))
            _release_actors(error)
            shown = own_error(error)
            if shown is error:  # unforeseen: its traceback is gone, but not what that said
                shown.add_note(f"It was raised here:\n{way}")
            raise shown from None


@contextlib.contextmanager
def _errors_logged_as_text() -> Iterator[None]:
    """Have Ray log errors as text: whoever keeps a record of an error keeps all its frames."""
    loggers = [logging.getLogger(name) for name in _LOGGERS_OF_ERRORS]
    for logger in loggers:
        logger.addFilter(_as_text)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_as_text)


def _as_text(record: logging.LogRecord) -> bool:
    record.msg, record.args = record.getMessage(), None
    if record.exc_info:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
    return True


def _release_actors(error: BaseException) -> None:
    """Let go of the workers that an error's frames still hold.

    An actor lives, and holds its CPUs, as long as anything refers to it. Whoever keeps the error,
    as a notebook or a handler of log records does, would keep the cluster busy, and the next job
    waiting for ever.
    """
    _clear_frames(error)
    for each in _chain(error):
        _unlink(each.__traceback__)
        each.__traceback__ = None
    gc.collect()


def _unlink(entry: TracebackType | None) -> None:
    """Part a traceback from its frames: a cleared one still has its function's closure.

    The `with` statement that is about to end holds the first entry, whatever the error says.
    """
    while entry is not None:
        inner = entry.tb_next
        entry.tb_next = None
        entry = inner


def _clear_frames(error: BaseException) -> None:
    own = {id(frame) for frame, _ in traceback.walk_stack(sys._getframe())}
    others = (frame for frame in _frames(error) if id(frame) not in own)
    held = [frame for frame in others if _package(frame) in _HOLDERS]
    deadline = time.monotonic() + _SECONDS_TO_END
    while (held := [frame for frame in held if not _cleared(frame)]) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)


def _package(frame: FrameType) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]


def _cleared(frame: FrameType) -> bool:
    """Clear a frame; one of a thread that still runs, such as Ray's loop at its end, cannot be."""
    try:
        frame.clear()
    except RuntimeError:
        return False
    return True


def _frames(error: BaseException) -> Iterator[FrameType]:
    """Yield the frames behind an error, with the callers that its traceback does not reach."""
    for each in _chain(error):
        for inner, _ in traceback.walk_tb(each.__traceback__):
            yield from (frame for frame, _ in traceback.walk_stack(inner))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error with all that it came from."""
    chain = [error]
    for each in chain:
        before = (each.__cause__, each.__context__)
        chain += [one for one in before if one is not None and one not in chain]
    return chain
