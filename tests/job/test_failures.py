"""What is left once a job has failed."""

import logging
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from fnet_ray.cluster.failures import quiet_execution

RAYS = ("ray.data.exceptions", "ray.data._internal.execution.streaming_executor_state")
CLOSURE = """
def fail(worker, told):
    held = worker()
    told(held)
    def work():
        raise RuntimeError("a task failed", bool(held))
    work()
"""
LOOP = """
def loop(worker, failed, ended):
    held = worker()
    try:
        raise RuntimeError("a task failed")
    except RuntimeError as error:
        failed(error, held)
    ended.wait(1)  # as Ray's loop does, which goes on for a while
"""

MISTAKE = """
import sys, psutil, ray
import fnet_ray
from fnet_registry.errors import FNetError
try:
    fnet_ray.embed("no_such_preset", *sys.argv[1:])
except FNetError as error:
    print(error)
print(ray.is_initialized(), [child.name() for child in psutil.Process().children(recursive=True)])
"""


class Worker:
    """Stands for what lives as long as anything refers to it."""


def test_nothing_of_a_loop_that_ends_later_is_held_by_the_error_that_it_raised() -> None:
    names: dict[str, Any] = {"__name__": "ray.loop"}
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


def test_no_function_behind_an_error_holds_what_it_closes_over() -> None:
    """At once, though the collector does not run again."""
    names: dict[str, Any] = {"__name__": "ray.operator"}
    exec(CLOSURE, names)
    workers: list[weakref.ref[Worker]] = []
    with pytest.raises(RuntimeError, match="a task failed") as raised, quiet_execution():
        names["fail"](Worker, lambda held: workers.append(weakref.ref(held)))
    assert workers[0]() is None, raised.value  # which is still there


def test_an_unforeseen_error_says_where_it_was_raised() -> None:
    with pytest.raises(RuntimeError) as raised, quiet_execution():
        fail_as_ray_does(logging.getLogger(RAYS[0]))
    [note] = raised.value.__notes__
    assert "in fail_as_ray_does" in note


def test_an_error_whose_functions_have_ended_is_waited_for_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fnet_ray.cluster.failures._SECONDS_TO_END", float("inf"))
    with pytest.raises(RuntimeError), quiet_execution():
        fail_as_ray_does(logging.getLogger(RAYS[0]))


def fail_as_ray_does(log: logging.Logger) -> None:
    try:
        raise ValueError("what happened inside")
    except ValueError as error:
        log.exception("The error: %s", error)
        raise RuntimeError from None


@pytest.mark.parametrize("name", RAYS)
def test_a_record_of_rays_log_holds_no_frame(
    name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger(name)
    monkeypatch.setattr(log, "propagate", False)  # as its parent's is once ray.data is imported
    log.addHandler(caplog.handler)
    try:
        with pytest.raises(RuntimeError), quiet_execution():
            fail_as_ray_does(log)
    finally:
        log.removeHandler(caplog.handler)
    [record] = [record for record in caplog.records if record.name == name]
    assert record.exc_info is None
    assert (record.msg, record.args) == ("The error: what happened inside", None)
    assert "ValueError: what happened inside" in str(record.exc_text)
    assert not log.filters


def test_a_mistake_that_is_found_while_ray_starts_leaves_no_ray_behind(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("a text\n")
    script = [sys.executable, "-c", MISTAKE, corpus, tmp_path / "out"]
    told = subprocess.run(script, check=True, capture_output=True, text=True)
    *error, left = told.stdout.splitlines()
    assert "no_such_preset" in error[0]
    assert left == "False []"
    assert not (tmp_path / "out").exists()
