"""A web server on loopback that gives its files to those who say the password, or sign."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD, SIGNATURE = "reader", "hunter2pw", "5ecre7s1g"


class _Files(BaseHTTPRequestHandler):
    folder: Path

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        url = urlsplit(self.path)
        basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        signed = parse_qs(url.query).get("X-Amz-Signature", [""])[0].startswith(SIGNATURE)
        if self.headers.get("Authorization") != f"Basic {basic}" and not signed:
            return self._send(401, b"")
        file = self.folder / url.path.strip("/")
        if not file.is_file():
            return self._send(404, b"")
        data = file.read_bytes()
        start, stop = 0, len(data)
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if asked:
            first, _, last = asked.partition("-")
            start, stop = int(first), min(len(data), int(last or len(data)) + 1)
            extra = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        else:
            extra = {}
        extra |= {"ETag": f'"{file.stat().st_mtime_ns}"', "Accept-Ranges": "bytes"}
        return self._send(206 if asked else 200, data[start:stop], extra, with_body=with_body)

    def _send(
        self, status: int, body: bytes, headers: dict | None = None, *, with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@contextmanager
def run_web_server(folder: Path) -> Iterator[str]:
    """Serve a folder; yield `host:port`."""
    handler = type("_Served", (_Files,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
