"""What an error may hold on to, once a job has failed."""

import threading
import weakref

import pytest

from fnet_ray.cluster.failures import quiet_execution

LOOP = """
def loop(worker, failed, ended):
    held = worker()
    try:
        raise RuntimeError("a task failed")
    except RuntimeError as error:
        failed(error, held)
    ended.wait(1)  # as Ray's loop does, which goes on for a while
"""


class Worker:
    """Stands for what lives as long as anything refers to it."""


def test_nothing_of_a_loop_that_ends_later_is_held_by_the_error_that_it_raised() -> None:
    names = {"__name__": "ray.loop"}
    exec(LOOP, names)
    told: list[RuntimeError] = []
    workers: list[weakref.ref[Worker]] = []
    ready, ended = threading.Event(), threading.Event()

    def failed(error: RuntimeError, held: Worker) -> None:
        told.append(error)
        workers.append(weakref.ref(held))
        ready.set()

    threading.Thread(target=names["loop"], args=(Worker, failed, ended)).start()
    ready.wait()
    with pytest.raises(RuntimeError, match="a task failed") as raised, quiet_execution():
        raise told[0]
    assert raised.value is told[0]
    assert workers[0]() is None
