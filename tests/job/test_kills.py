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
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_mlflow
import fnet_ray
from fnet_ray.output.layout import GONE
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.slow

ROWS = 60_000
EVERY_REJECT = 1_000
WENT_AWAY = ["gone-0", "gone-1"]
FNET = Path(sys.executable).with_name("fnet")


@pytest.fixture(scope="module")
def short_model(registry_uri: str, preset_folder: Path) -> Iterator[str]:
    """A version that encodes thousands of rows in a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registry_uri)
        registration = fnet_mlflow.register_preset(str(preset_folder), "short", sequence_length=8)
        yield registration.model_uri


@pytest.fixture(scope="module")
def big_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"text {i}" if i % EVERY_REJECT else None for i in range(ROWS)]
    return write_parquet(tmp_path_factory.mktemp("big") / "corpus.parquet", texts)


@pytest.fixture(scope="module")
def older(short_model: str, big_corpus: Path) -> Path:
    """An output of the corpus as it was: half of the texts were others, and there were more."""
    rows = pq.read_table(big_corpus)
    texts = rows["text"].to_pylist()
    texts[::2] = [text and f"{text} as it was" for text in texts[::2]]
    before = rows.set_column(2, "text", pa.array(texts))
    went_away = pa.table({"id": WENT_AWAY, "label": [0, 0], "text": ["text 2", "long ago"]})
    corpus, output = big_corpus.with_name("before.parquet"), big_corpus.with_name("older")
    pq.write_table(pa.concat_tables([before, went_away]), corpus)
    with job(short_model, corpus, output) as process:
        assert process.wait() == 0
    return output


@pytest.fixture(scope="module")
def fresh(short_model: str, big_corpus: Path) -> pa.Table:
    """What a run makes that nobody kills, and that takes nothing over."""
    output = big_corpus.with_name("fresh")
    with job(short_model, big_corpus, output) as process:
        assert process.wait() == 0
    return by_row(output)


def by_row(output: Path) -> pa.Table:
    return pq.read_table(output / "embeddings").sort_by("label")


@contextmanager
def job(model: str, corpus: Path, output: Path, *more: object) -> Iterator[subprocess.Popen]:
    """`fnet embed` in a process of its own; whatever it leaves behind is killed."""
    command = [FNET, "embed", model, corpus, output, "--id-column", "id", "--no-tracking", *more]
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
    for _ in range(3):
        with job(short_model, big_corpus, output) as process:
            time.sleep(moments.uniform(8, 25))
            kill_actor(process)
            time.sleep(moments.uniform(0, 6))
    with job(short_model, big_corpus, output) as process:
        assert process.wait() == 0, (tmp_path / "log").read_text()
    check_every_row_is_there_once(output)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(8))
def test_vectors_that_are_taken_over_are_there_once_after_kills_at_random_moments(
    seed: int, short_model: str, big_corpus: Path, older: Path, fresh: pa.Table, tmp_path: Path
) -> None:
    moments = random.Random(seed)
    output = tmp_path / "out"
    for _ in range(3):
        with job(short_model, big_corpus, output, "--reuse", older) as process:
            time.sleep(moments.uniform(8, 25))
            kill_actor(process)
            time.sleep(moments.uniform(0, 3))
    with job(short_model, big_corpus, output, "--reuse", older) as process:
        assert process.wait() == 0, (tmp_path / "log").read_text()
    check_every_row_is_there_once(output)
    assert by_row(output).equals(fresh)
    assert pq.read_table(output / GONE)["id"].to_pylist() == WENT_AWAY


def test_sigterm_ends_cleanly_within_its_grace(
    short_model: str, big_corpus: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with job(short_model, big_corpus, output) as process:
        while not (output / "run" / "done").exists():
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 128 + signal.SIGTERM
    told = (tmp_path / "log").read_text()
    assert "fnet: stopped; the same command goes on from here" in told
    assert "*** SIGTERM received" not in told  # by Ray's handler, which aborts 3 s later
    status = fnet_ray.read_status(output)
    assert status.state == "stopped"
    assert 0 < status.done < ROWS
