"""`ray job submit` of `fnet embed`, with tokens, to a head as deploy/ starts one."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.flavor.mlflow_server import free_port

pytestmark = pytest.mark.slow

PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Head:
    """A Ray head with its dashboard, and the environment of those who may use it."""

    address: str
    environment: dict[str, str]

    def submit(self, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        submit = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit"]
        return subprocess.run(
            [*submit, "--address", self.address, "--", *command],
            env=self.environment | changed,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder, port = tmp_path_factory.mktemp("head"), free_port()
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("RAY_ADDRESS", None)
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
        *("--port", str(free_port()), "--node-ip-address", "127.0.0.1", "--num-cpus", "4"),
        *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(port)),
        *("--dashboard-agent-listen-port", str(free_port())),
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        found = Head(f"http://127.0.0.1:{port}", environment)
        wait_for(found, process, folder / "log")
        yield found
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # `ray stop` would stop others' Rays, too
        process.wait()


def wait_for(head: Head, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the head takes jobs, which is some time after it answers."""
    for _ in range(60):
        if head.submit("true").returncode == 0:
            return
        assert process.poll() is None, log.read_text()[-4000:]
        time.sleep(1)
    raise TimeoutError(log.read_text()[-4000:])


def test_a_submitted_job_embeds(head: Head, preset_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("one\ntwo\nthree\n")
    output = tmp_path / "out"
    command = ["fnet", "embed", str(preset_folder), str(tmp_path / "texts.txt"), str(output)]
    finished = head.submit(*command, "--no-tracking")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "succeeded" in finished.stdout
    assert pq.read_table(output / "embeddings").num_rows == 3


def test_nothing_is_taken_without_the_token(head: Head) -> None:
    refused = head.submit("true", RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert refused.returncode != 0
    assert "succeeded" not in refused.stdout
