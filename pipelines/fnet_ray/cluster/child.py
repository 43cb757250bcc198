"""An object in a process of its own: what kills that process leaves this one alive."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

_SERVE = "from fnet_ray.cluster.child import serve; serve()"


class ChildDiedError(Exception):
    """The process ended over what it was asked.

    Args:
        status: Its exit status, that of a signal negative.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the process died ({status})")
        self.status = status


class InChild:
    """An object in a child process, which ends with this object and with this process.

    Args:
        make: What makes the object, in the child: a class, say. Nothing waits for it here.
        *args: What it is made of. They are pickled, as is all that goes there and back.
    """

    def __init__(self, make: Callable[..., Any], *args: Any) -> None:
        self.process = subprocess.Popen(
            # Without the working directory, where a user's file may have the name of a module.
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.close = weakref.finalize(self, _end, self.process)
        self._is_made = False
        with contextlib.suppress(OSError):  # who waits for it is told
            self._send((make, args))

    def wait(self) -> None:
        """Wait until the object is made.

        Raises:
            ChildDiedError: The process ended before.
            Exception: What `make` raised.
        """
        if not self._is_made:
            try:
                self._receive()
            except Exception:
                self.close()
                raise
            self._is_made = True

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the object.

        Raises:
            ChildDiedError: The process ended over it.
            Exception: What the method raised.
        """
        self.wait()
        try:
            self._send((method, args))
        except OSError:
            raise self._died() from None
        return self._receive()

    def _send(self, request: object) -> None:
        assert self.process.stdin
        pickle.dump(request, self.process.stdin, pickle.HIGHEST_PROTOCOL)
        self.process.stdin.flush()

    def _receive(self) -> Any:
        assert self.process.stdout
        try:
            answer, error = pickle.load(self.process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise self._died() from None
        if error is not None:
            raise error
        return answer

    def _died(self) -> ChildDiedError:
        status = self.process.wait()
        self.close()
        return ChildDiedError(status)


def serve() -> None:
    """Make the object, and answer requests on standard input until it ends; the child's side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the child
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not be read as an answer
    requests = sys.stdin.buffer
    found: Any = None
    with contextlib.suppress(EOFError):
        while True:
            asked, args = pickle.load(requests)
            answer, error = None, None
            try:
                if found is None:
                    found = asked(*args)
                else:
                    answer = getattr(found, asked)(*args)
            except Exception as raised:  # for the parent to raise
                error = raised
            pickle.dump((answer, error), answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(BrokenPipeError), process:
        pass  # closes the pipes, into which a last request may not have gone, and waits
