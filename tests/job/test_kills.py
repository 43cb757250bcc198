"""Nothing is lost and nothing doubled, whatever is killed, and whenever."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

import fnet_mlflow
import fnet_ray
from tests.job.corpora import write_parquet

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.slow]

ROWS = 60_000
EVERY_REJECT = 1_000
FNET = Path(sys.executable).with_name("fnet")


@pytest.fixture(scope="module")
def short_model(registry_uri: str, preset_folder: Path) -> str:
    """A version that encodes thousands of rows in a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registry_uri)
        registration = fnet_mlflow.register_preset(str(preset_folder), "short", sequence_length=8)
    return registration.model_uri


@pytest.fixture(scope="module")
def big_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"text {i}" if i % EVERY_REJECT else None for i in range(ROWS)]
    return write_parquet(tmp_path_factory.mktemp("big") / "corpus.parquet", texts)


@contextmanager
def job(model: str, corpus: Path, output: Path) -> Iterator[subprocess.Popen]:
    """`fnet embed` in a process of its own; whatever it leaves behind is killed."""
    command = [FNET, "embed", model, corpus, output, "--id-column", "id", "--no-tracking"]
    with (output.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        for child in family(process):
            child.kill()
        process.kill()
        process.wait()


def family(process: subprocess.Popen) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_actor(process: subprocess.Popen) -> None:
    """Kill a worker that encodes, if one is there."""
    for child in family(process):
        try:
            if "EncodeShard" in child.name() or "EncodeShard" in " ".join(child.cmdline()):
                child.kill()
                return
        except psutil.NoSuchProcess:
            continue


def check_every_row_is_there_once(output: Path) -> None:
    embedded = pq.read_table(output / "embeddings", columns=["id"])["id"].to_pylist()
    rejected = pq.read_table(output / "rejects", columns=["id"])["id"].to_pylist()
    assert len(rejected) == ROWS // EVERY_REJECT
    assert sorted(embedded + rejected) == sorted(f"row-{i}" for i in range(ROWS))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(20))
def test_every_row_is_there_once_after_kills_at_random_moments(
    seed: int, short_model: str, big_corpus: Path, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    output = tmp_path / "out"
    kills = 0
    while kills < 3:
        with job(short_model, big_corpus, output) as process:
            time.sleep(moments.uniform(8, 25))
            kill_actor(process)
            time.sleep(moments.uniform(0, 6))
            children = family(process)
            process.kill()
            for child in children:
                child.kill()
            kills += 1
    with job(short_model, big_corpus, output) as process:
        assert process.wait() == 0, (tmp_path / "log").read_text()
    check_every_row_is_there_once(output)


def test_sigterm_ends_cleanly_within_its_grace(
    short_model: str, big_corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with job(short_model, big_corpus, output) as process:
        while not (output / "run" / "done").exists():
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    status = fnet_ray.read_status(output)
    assert status.state == "stopped"
    assert 0 < status.done < ROWS
