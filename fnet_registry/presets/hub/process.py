"""Runs child processes under a deadline, and again where that can help."""

from __future__ import annotations

import logging
import os
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fnet_registry
from fnet_registry.errors import FetchTimeoutError
from fnet_registry.presets.handles import parse_hub_handle
from fnet_registry.presets.handles.hub import HubHandle
from fnet_registry.presets.hub.failure import to_error
from fnet_registry.presets.hub.messages import Done, Event, Failed, FailureKind, Request, dump, load

logger = logging.getLogger(__name__)

CHILD = "fnet_registry.presets.hub.child"
# A child that has nothing to tell for so long hangs, whatever its client's timeouts say.
SILENCE_SECONDS = 60.0

RETRIES: Mapping[FailureKind, int] = {
    "unavailable": 5,
    "damaged": 2,
    "silent": 2,
    "unreachable": 1,
}
FIRST_DELAY_SECONDS = 1.0
LAST_DELAY_SECONDS = 30.0
CLEAN_EXIT_SECONDS = 2.0


class HubSession:
    """All that one fetch asks of a hub: under one deadline, and with a token or without.

    Args:
        handle: The handle that messages name.
        seconds: Wall-clock seconds from now on until the session gives up.
    """

    def __init__(self, handle: HubHandle, *, seconds: float):
        self.handle = handle
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._anonymous = False

    def remaining(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def run(
        self,
        make_request: Callable[[], Request],
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> HubHandle:
        """Have a child process carry out a request, and try again where that can help.

        Args:
            make_request: Tells what is still to do; asked before each attempt.
            on_event: Gets each event of each attempt.

        Returns:
            The handle for which it was carried out, pinned.

        Raises:
            FetchError: The hub did not deliver; see `hub.failure`.
        """
        retries = 0
        while isinstance(outcome := self._attempt(make_request(), on_event), Failed):
            if outcome.kind == "unauthorized" and outcome.authenticated and not self._anonymous:
                self._anonymous = True
                logger.warning(
                    "The token in %s was refused: trying %s without it. Renew it or unset it.",
                    self.handle.TOKEN_VARIABLE,
                    self.handle,
                )
                continue
            delay = _delay(outcome, retries)
            retries += 1
            if retries > RETRIES.get(outcome.kind, 0) or delay >= self.remaining():
                raise to_error(outcome, self.handle)
            logger.info("%s: %s. Trying again in %.1f s.", self.handle, outcome.detail, delay)
            time.sleep(delay)
        return parse_hub_handle(outcome.handle)

    def _attempt(self, request: Request, on_event: Callable[[Event], None]) -> Done | Failed:
        with (
            tempfile.TemporaryDirectory(prefix="fnet-registry-") as empty_home,
            _child(request, self._environment(empty_home)) as lines,
        ):
            while True:
                try:
                    line = lines.get(timeout=min(SILENCE_SECONDS, self.remaining()))
                except queue.Empty:
                    if self.remaining() > 0:
                        return Failed(kind="silent", detail=f"silent for {SILENCE_SECONDS:.0f} s")
                    raise FetchTimeoutError(
                        f"{self.handle.hub_name} did not deliver within {self.seconds:g} s. Try"
                        " again (the files that are whole are kept), or give a longer deadline."
                        f" Received: {self.handle}"
                    ) from None
                match load(line) if line else None:
                    case None:
                        return Failed(kind="unexpected", detail=f"{CHILD} ended without a result")
                    case Done() | Failed() as outcome:
                        return outcome
                    case event:
                        on_event(event)

    def _environment(self, empty_home: str) -> dict[str, str]:
        """Return the child's variables; without a token, saved ones are looked for in no home."""
        search_path = [str(Path(fnet_registry.__file__).parents[1]), os.environ.get("PYTHONPATH")]
        environment = {
            **os.environ,
            **self.handle.environment(),
            "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
            "TQDM_DISABLE": "1",
        }
        if self._anonymous:
            for variable in self.handle.CREDENTIAL_VARIABLES:
                environment.pop(variable, None)
            environment |= {
                "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
                "HOME": empty_home,
                "USERPROFILE": empty_home,
            }
        return environment


@contextmanager
def _child(request: Request, environment: Mapping[str, str]) -> Iterator[queue.SimpleQueue[str]]:
    """Start the child, and see to it that it has ended when the block is left."""
    process = subprocess.Popen(
        # -P: a folder named like one of our imports in the working directory is not imported.
        [sys.executable, "-P", "-m", CHILD, dump(request)],
        stdin=subprocess.PIPE,  # never written to: it closes when this process is gone
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
        encoding="utf-8",
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    with process:
        reader = threading.Thread(target=_read_lines, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            yield lines
        finally:
            _end(process)
            reader.join()


def _read_lines(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _end(process: subprocess.Popen[str]) -> None:
    """Ask the child to clean up its unfinished files, and do not wait long for it."""
    process.terminate()
    try:
        process.wait(timeout=CLEAN_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _delay(failed: Failed, retries: int) -> float:
    if failed.retry_after is not None:
        return failed.retry_after
    return min(FIRST_DELAY_SECONDS * 2**retries, LAST_DELAY_SECONDS) * random.uniform(1.0, 1.25)
