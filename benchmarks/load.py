"""Servers under load: one text a request, from 1, 16 and 64 clients, with texts of real lengths.

    python benchmarks/load.py [--seconds 10]

A small model of random weights, the same in all servers; a docstring of the Python standard library
in each request. Servers start one after the other; clients are threads of a process of their own.
MLflow's server runs as it comes, in one process, and with a process of one thread for each core.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from machine import description
from models import SMALL, make_presets

from fnet_registry.shown import counted

CLIENTS = (1, 16, 64)
WORKERS = os.cpu_count() or 1
ONE_THREAD = ("env", "OMP_NUM_THREADS=1")
EXAMPLES = Path(__file__).parents[1] / "examples"
SAVE_OURS = """
import sys, fnet_mlflow
_, preset, path = sys.argv
fnet_mlflow.save_model(preset, path, sequence_length=256, buckets=[16, 32, 64, 128, 256])
"""
SAVE_PEER = """
import sys, mlflow.sentence_transformers
from sentence_transformers import SentenceTransformer, models
_, preset, path = sys.argv
part = models.Transformer(preset, max_seq_length=256)
model = SentenceTransformer(modules=[part, models.Pooling(part.get_word_embedding_dimension())])
mlflow.sentence_transformers.save_model(model, path)
"""
Body = Callable[[str], dict[str, Any]]


def saved(save: str, preset: Path, folder: Path) -> Path:
    model = folder / "model"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", save, preset, model],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return model


def mlflow_server(model: Path, port: int, workers: int = 1) -> list[str]:
    serve = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    serve += ["--model-uri", str(model), "--host", "127.0.0.1", "--port", str(port)]
    return [*ONE_THREAD, *serve, "--workers", str(workers)] if workers > 1 else serve


def ray_server(preset: Path, port: int) -> list[str]:
    return [sys.executable, str(EXAMPLES / "serve.py"), str(preset), "--port", str(port)]


def answers(
    command: list[str], port: int, path: str, bodies: Sequence[bytes], seconds: float
) -> list[list[float]]:
    """Seconds of each answer, for each number of clients."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        command,
        env=os.environ | {"PATH": programs},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            wait_for(server, port, path, bodies[0])
            load(1, port, path, bodies, min(seconds, 3))
            return [load(count, port, path, bodies, seconds) for count in CLIENTS]
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)


def wait_for(server: subprocess.Popen[bytes], port: int, path: str, body: bytes) -> None:
    while server.poll() is None:
        try:
            return ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), path, body)
        except (OSError, AssertionError):
            time.sleep(0.5)
    raise RuntimeError(f"{server.args} ended")


def ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> None:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, content


def load(
    clients: int, port: int, path: str, bodies: Sequence[bytes], seconds: float
) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while (started := time.perf_counter()) < end:
            ask(connection, path, bodies[number % len(bodies)])
            taken.append(time.perf_counter() - started)
            number += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(taken)


def row(name: str, command: list[str], port: int, path: str, body: Body, options: Any) -> str:
    bodies = [json.dumps(body(text)).encode() for text in options.texts]
    told = []
    for taken in answers(command, port, path, bodies, options.seconds):
        last = taken[int(0.99 * len(taken))]
        rate = len(taken) / options.seconds
        told.append(f"{rate:.0f} ({1e3 * taken[len(taken) // 2]:.1f}, {1e3 * last:.0f})")
    return f"| {name} | {' | '.join(told)} |"


def print_mlflow(name: str, model: Path, options: Any) -> None:
    for workers in (1, WORKERS):
        port = free_port()
        command = mlflow_server(model, port, workers)
        told = name if workers == 1 else f"{name}, `--workers {workers}` of one thread"
        print(row(told, command, port, "/invocations", lambda text: {"inputs": [text]}, options))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    options = parser.parse_args()
    sys.path.append(str(EXAMPLES))
    from standard_library import standard_library_docstrings

    options.texts = [docstring["text"] for docstring in standard_library_docstrings()][::10]
    print(description(), "\n")
    print("| answers/s (median ms, 99th percentile) |", end="")
    print("|".join(f" {counted(count, 'client')} " for count in CLIENTS), "|\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours, peer = make_presets(folder / "presets", SMALL)
        model = saved(SAVE_OURS, ours, folder)
        print_mlflow("`mlflow models serve`", model, options)
        port = free_port()
        served: Body = lambda text: {"model": str(model), "input": text}  # noqa: E731
        command = ray_server(model, port)
        print(row("`examples/serve.py`", command, port, "/v1/embeddings", served, options))
        name = "MLflow's sentence_transformers around Transformers' FNet"
        try:
            model = saved(SAVE_PEER, peer, folder / "peer")
        except subprocess.CalledProcessError:
            print(f"| {name} | fails | | |")
            return
        print_mlflow(name, model, options)


if __name__ == "__main__":
    main()
