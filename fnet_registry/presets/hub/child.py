"""The child process that runs a hub's client, so that a deadline can end it.

Its argument is a request; it writes events to its standard output. When its standard input closes,
the parent is gone, and it ends too.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

from fnet_registry.presets.folder import LARGEST_PRESET, select_files, size_limit
from fnet_registry.presets.handles import parse_hub_handle
from fnet_registry.presets.hub.client import HubClient, HubClientError, from_exception, redact
from fnet_registry.presets.hub.messages import (
    Done,
    Event,
    Fetched,
    Listed,
    Progress,
    Request,
    dump,
    load,
)

PROGRESS_SECONDS = 0.5
CLEAN_EXIT_SECONDS = 2.0


def main() -> None:
    """Carry out the request in the first argument."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    emit = _claim_stdout()
    request = load(sys.argv[1])
    assert isinstance(request, Request)
    _in_background(_end_with_parent)
    client: HubClient | None = None
    try:
        handle = parse_hub_handle(request.handle)
        client = resolve_name(handle.CLIENT)(handle)
        assert isinstance(client, HubClient)
        if request.task == "resolve":
            emit(Done(handle=client.resolve()))
        else:
            _fetch(client, handle.revision_folder, request, emit)
            emit(Done(handle=request.handle))
    except Exception as error:
        failed = client.classify(error) if client else from_exception(error)
        emit(replace(failed, detail=redact(failed.detail, client.secrets() if client else ())))


def _fetch(
    client: HubClient, folder: Path, request: Request, emit: Callable[[Event], None]
) -> None:
    sizes = client.list_files()
    if "config.json" not in sizes:
        raise HubClientError("preset", "it has no config.json")
    wanted = [n for n in select_files(sizes, weights=request.weights) if n not in request.keep]
    emit(Listed(names=select_files(sizes), size=sum(sizes[name] for name in wanted)))
    arrived = 0
    _in_background(_report_progress, lambda: arrived + client.received(), emit)
    for name in wanted:
        if (folder / name).is_file() and name not in request.replace and client.is_intact(name):
            checked = True
        else:
            client.discard(name)
            room = LARGEST_PRESET - arrived
            if sizes[name] > room:
                raise HubClientError(
                    "oversized", f"after {arrived:,}, {name} of {sizes[name]:,} bytes"
                )
            _limit_file_size(min(size_limit(name), max(room, 0)))
            checked = client.download(name)
        arrived += (folder / name).stat().st_size
        emit(Fetched(name=name, checked=checked))


def _claim_stdout() -> Callable[[Event], None]:
    """Keep standard output for events: a client that prints there prints to nowhere."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = threading.Lock()

    def emit(event: Event) -> None:
        with lock:
            channel.write(dump(event))
            channel.flush()

    return emit


def _limit_file_size(limit: int) -> None:
    """Let the system stop a download that never ends or that unpacks to more than it claimed."""
    if os.name == "posix":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _in_background(target: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()


def _report_progress(measure: Callable[[], int], emit: Callable[[Event], None]) -> None:
    """Tell how far the download is, and nothing while it stands still."""
    reported = 0
    while True:
        time.sleep(PROGRESS_SECONDS)
        with suppress(FileNotFoundError):  # a part was finished between listing and measuring it
            size = measure()
            if size != reported:
                emit(Progress(size=size))
                reported = size


def _end_with_parent() -> None:
    sys.stdin.read()
    if os.name == "posix":
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        signal.pthread_kill(main_thread, signal.SIGTERM)
        time.sleep(CLEAN_EXIT_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
