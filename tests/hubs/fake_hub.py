"""A loopback HTTP server that can be told to misbehave."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass
class Answer:
    """What the server sends; ``cut_at`` closes the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut_at: int | None = None


@dataclass
class Asked:
    """A request that came in; ``about`` is its method, path and body, to be searched."""

    about: str
    headers: dict[str, str]


Change = Callable[[Answer], Answer]


@dataclass
class Fault:
    """Changes the answers to the requests that a pattern finds, so many times."""

    pattern: str
    change: Change
    times: int


class QuietServer(ThreadingHTTPServer):
    """Clients are ended in the middle of an answer here: that is no news."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class FakeHub:
    """Serves on a free loopback port until it is closed; subclasses answer."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = QuietServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server; nothing listens on its port any more."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_down(self, pattern: str, change: Change, *, times: int = 1) -> None:
        """Lets the next requests that a pattern finds go wrong."""
        self.faults.append(Fault(pattern, change, times))

    def count(self, pattern: str) -> int:
        """How many requests a pattern finds."""
        return sum(bool(re.search(pattern, asked.about)) for asked in self.asked)

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> Answer:
        raise NotImplementedError

    def _respond(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        about = f"{method} {path} {body.decode()}"
        with self._lock:
            self.asked.append(Asked(about, headers))
            fault = next((f for f in self.faults if f.times and re.search(f.pattern, about)), None)
            if fault:
                fault.times -= 1
        answer = self.answer(method, path, headers, json.loads(body) if body else None)
        return fault.change(answer) if fault else answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                url = urlsplit(self.path)  # a proxy is asked for a whole URL
                path = f"{url.path}?{url.query}" if url.query else url.path
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = hub._respond(self.command, path, headers, body)
                time.sleep(answer.delay)
                self._send(answer)

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                for name, value in {
                    "Content-Length": str(len(answer.body)),
                    **answer.headers,
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body[: answer.cut_at])
                if answer.cut_at is not None:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_any  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def status(code: int, **headers: str) -> Change:
    """Another status; header names are written with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(code, b"{}", {"Content-Type": "application/json", **named})


def slow(seconds: float) -> Change:
    """The same answer, later."""
    return lambda answer: Answer(answer.status, answer.body, answer.headers, delay=seconds)


def cut(at: int) -> Change:
    """The connection breaks inside the body."""
    return lambda answer: Answer(answer.status, answer.body, answer.headers, cut_at=at)


def flipped(answer: Answer) -> Answer:
    """One byte of the body is another; size and headers stay."""
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 0xFF
    return Answer(answer.status, bytes(body), answer.headers)


def with_headers(**headers: str | None) -> Change:
    """Other headers; None leaves one out."""

    def change(answer: Answer) -> Answer:
        merged = answer.headers | {name.replace("_", "-"): v for name, v in headers.items()}
        kept = {name: value for name, value in merged.items() if value is not None}
        return Answer(answer.status, answer.body, kept)

    return change
