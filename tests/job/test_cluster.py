"""A cluster of two addresses, one of which is cut off in the middle and comes back late."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.job.corpora import write_parquet
from tests.job.network import ray_cluster, two_hosts, why_unavailable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(why_unavailable() is not None, reason=str(why_unavailable())),
]

FNET = Path(sys.executable).with_name("fnet")
ROWS = 40_000


@pytest.mark.timeout(900)
def test_every_row_is_there_once_when_a_node_is_cut_off_and_comes_back(
    tmp_path: Path, preset_folder: Path
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", [f"text {i}" for i in range(ROWS)])
    output, done = tmp_path / "out", tmp_path / "out" / "run" / "done"
    with (
        tempfile.TemporaryDirectory(prefix="fnet-ray-") as folder,  # sockets need a short path
        two_hosts() as (first, second),
        ray_cluster((first, second), Path(folder), cpus=3) as address,
        (tmp_path / "log").open("wb") as log,
    ):
        embed = [FNET, "embed", preset_folder, corpus, output, "--id-column", "id"]
        job = subprocess.Popen(
            first.command(*embed, "--no-tracking", "--workers", "2"),
            stdout=log,
            stderr=log,
            env={**os.environ, "RAY_ADDRESS": address, "RAY_AUTH_MODE": "disabled"},
        )
        while not done.is_dir() or not list(done.iterdir()):
            assert job.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.5)
        second.cut_off()
        time.sleep(90)
        second.plug_in()
        assert job.wait(timeout=500) == 0, (tmp_path / "log").read_text()
        time.sleep(5)

    ids = pq.read_table(output / "embeddings", columns=["id"])["id"].to_pylist()
    assert len(ids) == ROWS
    assert set(ids) == {f"row-{i}" for i in range(ROWS)}
