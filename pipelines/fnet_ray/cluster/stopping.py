"""How Ray's tasks end where work stops before its end, such as after an error or Ctrl-C.

Ray aborts the whole process if a task's answer arrives at the moment that it is cancelled ("Tried
to complete task that was not pending"): at one stop in some hundreds, where tasks are short. So
short ones are waited for.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import Any

import ray
from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.operators.task_pool_map_operator import TaskPoolMapOperator
from ray.exceptions import RayError

_SECONDS_TO_END = 2.0
_SECONDS_TO_SETTLE = 0.05
_SECONDS_TO_CANCEL = 10.0


def end_tasks(tasks: list[Any]) -> None:
    """Let short tasks end, and cancel the others."""
    _, left = ray.wait(tasks, num_returns=len(tasks), timeout=_SECONDS_TO_END)
    for task in left:
        ray.cancel(task)
    if left:
        ray.wait(left, num_returns=len(left), timeout=_SECONDS_TO_CANCEL)


class WaitBeforeCancelling(ExecutionCallback):
    """Lets a dataset's short tasks end before Ray cancels those that still run.

    For `DataContext.custom_execution_callback_classes`.
    """

    def before_execution_starts(self, executor: Any) -> None:
        """Put a wait before the end of each operator that has tasks of its own."""
        for operator in executor._topology:
            if isinstance(operator, TaskPoolMapOperator):
                operator.shutdown = partial(_shut_down, operator)


def _shut_down(operator: Any, *args: Any, **options: Any) -> None:
    del operator.shutdown  # its class's own is behind it
    try:
        _wait_for(operator.get_active_tasks())
    finally:
        operator.shutdown(*args, **options)


def _wait_for(tasks: list[Any]) -> None:
    ends = [_end(task.get_waitable()) for task in tasks]
    if ends:
        with contextlib.suppress(RayError):
            ray.wait(ends, num_returns=len(ends), timeout=_SECONDS_TO_END, fetch_local=False)
        time.sleep(_SECONDS_TO_SETTLE)  # an answer is there a moment before Ray is done with it


def _end(waitable: Any) -> ray.ObjectRef:
    return waitable.completed() if isinstance(waitable, ray.ObjectRefGenerator) else waitable
