"""A driver that is stopped for longer than its lease: another finishes, and the first gives way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from tests.job.corpora import write_parquet
from tests.job.network import Host, two_hosts, why_unavailable
from tests.object_store import run_object_store

pytestmark = pytest.mark.system

ROWS = 20_000
ROOT = Path(__file__).parents[2]
Command = Callable[..., list[str]]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "corpus.parquet", [f"text {i}" for i in range(ROWS)])


@contextmanager
def driver(command: list[str], log: Path) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths()))}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
    try:
        yield process
    finally:
        for each in family(process):
            each.kill()
        process.wait()


def paths() -> list[Path]:
    return [ROOT, ROOT / "flavors", ROOT / "pipelines"]


def family(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        first = psutil.Process(process.pid)
        return [*first.children(recursive=True), first]
    except psutil.NoSuchProcess:
        return []


def take_over(first: list[str], second: list[str], store: Store, folder: Path, *, all_of_it: bool):
    """Stop the first driver, alone or with its workers, until the second is done."""
    with driver(first, folder / "first.log") as stopped:
        while not store.names("run/done"):
            assert stopped.poll() is None, (folder / "first.log").read_text()
            time.sleep(0.2)
        halted = family(stopped) if all_of_it else [psutil.Process(stopped.pid)]
        for process in halted:
            process.send_signal(signal.SIGSTOP)
        time.sleep(7)
        with driver(second, folder / "second.log") as taking_over:
            assert taking_over.wait(timeout=200) == 0, (folder / "second.log").read_text()
        for process in reversed(halted):
            process.send_signal(signal.SIGCONT)
        status = stopped.wait(timeout=60)
    errors = (folder / "first.log").read_text()
    assert status == 2, errors
    assert "Only one driver may work on" in errors
    assert "held by a driver that took over because this driver stopped responding" in errors
    assert "Traceback" not in errors
    # A worker of the first may have ended between writing a file and giving it up.
    with driver(second, folder / "third.log") as clearing_up:
        assert clearing_up.wait(timeout=60) == 0, (folder / "third.log").read_text()


def check_every_row_is_there_once(output: str) -> None:
    status = fnet_ray.read_status(output, check=True)
    assert (status.state, status.done, status.damage) == ("finished", ROWS, {})
    store = open_store(output)
    files = [f"embeddings/{name}" for name in store.names("embeddings")]
    tables = [pq.read_table(pa.BufferReader(store.read(file)), columns=["id"]) for file in files]
    ids = pa.concat_tables(tables)["id"].to_pylist()
    assert sorted(ids) == sorted(f"row-{i}" for i in range(ROWS))
    assert store.names("run/staging") == []


def embed(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.job.driver", "embed", *map(str, arguments)]


@pytest.mark.timeout(400)
def test_on_an_object_store(corpus: Path, tmp_path: Path, registry: str) -> None:
    import s3fs

    with run_object_store():
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("takeover")
        output = "s3://takeover/out"
        command = embed(registry, corpus, output, "--id-column", "id")
        take_over(command, command, open_store(output), tmp_path, all_of_it=False)
        check_every_row_is_there_once(output)
        run = fnet_ray.read_status(output).tracking_run
    assert run
    assert mlflow.get_run(run).info.status == "FINISHED"


@pytest.mark.timeout(400)
@pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable()))
def test_on_a_folder_that_two_hosts_share(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    output = tmp_path / "out"
    command = embed(preset_folder, corpus, output, "--id-column", "id", "--no-tracking")

    def on(host: Host) -> list[str]:
        named = f'hostname {host.name} && exec "$@"'
        return host.command("unshare", "--uts", "sh", "-c", named, "sh", *command)

    with two_hosts() as (first, second):
        take_over(on(first), on(second), open_store(output), tmp_path, all_of_it=True)
    check_every_row_is_there_once(str(output))
