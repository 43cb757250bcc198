"""A disk that is full or read-only, and inputs that change under the job."""

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import ray

import fnet_ray.embedding
from fnet_cli.main import main
from fnet_registry.errors import InputError
from tests.job.corpora import write_json_lines, write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")

ROWS = 1200
TEXTS = [f"text number {i}" for i in range(ROWS)]


class TestDisks:
    """The output on a disk of its own."""

    pytestmark = pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root, to mount a disk"
    )

    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "disk"
        folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", folder], check=False
        )
        if mounted.returncode:
            pytest.skip("may not mount a disk here")
        yield folder
        subprocess.run(["umount", folder], check=True)

    @staticmethod
    def remount(disk: Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)

    @staticmethod
    def embed(corpus: Path, disk: Path, preset_folder: Path) -> int:
        output = str(disk / "out")
        return main(["embed", str(preset_folder), str(corpus), output, "--no-tracking"])

    @pytest.mark.parametrize("write", [write_parquet, write_json_lines])
    @pytest.mark.system
    def test_a_full_one(
        self,
        write: Callable[..., Path],
        disk: Path,
        tmp_path: Path,
        preset_folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        suffix = "parquet" if write is write_parquet else "jsonl"
        corpus = write(tmp_path / f"corpus.{suffix}", TEXTS)

        assert self.embed(corpus, disk, preset_folder) == 2

        self.check_one_line(capsys, "No space left on device")
        self.remount(disk, "size=100m")
        assert self.embed(corpus, disk, preset_folder) == 0
        assert pq.read_table(disk / "out" / "embeddings").num_rows == ROWS

    def test_a_read_only_one(
        self,
        disk: Path,
        tmp_path: Path,
        preset_folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.remount(disk, "ro")
        corpus = write_parquet(tmp_path / "corpus.parquet", TEXTS)
        assert self.embed(corpus, disk, preset_folder) == 2
        self.check_one_line(capsys, "Read-only file system")

    @pytest.mark.system
    def test_a_failed_job_leaves_the_cluster_free(
        self, disk: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        """Without waiting for Python to collect its garbage, for which the next job would wait."""
        corpus = write_parquet(tmp_path / "corpus.parquet", TEXTS)
        gc.collect()
        free = ray.available_resources()["CPU"]  # other tests may have left workers of their own
        gc.disable()
        try:
            for _ in range(2):
                assert self.embed(corpus, disk, preset_folder) == 2
                # A worker that is still loading is killed by Ray after 30 s.
                deadline = time.monotonic() + 120
                while ray.available_resources().get("CPU", 0) < free:
                    assert time.monotonic() < deadline, "a worker is left"
                    time.sleep(0.1)
        finally:
            gc.enable()

    @staticmethod
    def check_one_line(capsys: pytest.CaptureFixture[str], words: str) -> None:
        errors = capsys.readouterr().err.splitlines()
        [line] = [line for line in errors if line.startswith("fnet: error: ")]
        assert words in line
        assert "the same command goes on" in line
        assert not any("Traceback" in line for line in errors)


def replace(path: Path) -> None:
    """Put another file in its place, as a tool that writes whole files does."""
    write_parquet(path.with_name("other"), [f"replaced {i}" for i in range(ROWS)])
    os.replace(path.with_name("other"), path)


def overwrite(path: Path) -> None:
    """Write into the file as it is, without a change of its size."""
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(60) + data[160:])


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("change", [replace, overwrite, halve, Path.unlink])
def test_an_input_that_changes_while_the_job_runs_stops_it(
    change: Callable[[Path], None],
    tmp_path: Path,
    preset_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = write_parquet(tmp_path / "a.parquet", TEXTS)
    second = write_parquet(tmp_path / "b.parquet", TEXTS)
    share = fnet_ray.embedding.share_model

    def change_then_share(*arguments, **options):  # after the plan, before any shard is read
        change(second)
        return share(*arguments, **options)

    monkeypatch.setattr("fnet_ray.embedding.share_model", change_then_share)
    with pytest.raises(InputError, match=rf"when the job was planned.* Received: {second}, which "):
        fnet_ray.embed(preset_folder, [first, second], tmp_path / "out", tracking=False)
    files = list((tmp_path / "out" / "embeddings").glob("*.parquet"))
    texts = {text for file in files for text in pq.read_table(file)["text"].to_pylist()}
    assert texts <= set(TEXTS)


def test_an_input_that_changes_before_it_is_staged_stops_the_job(
    tmp_path: Path, preset_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = write_json_lines(tmp_path / "a.jsonl", TEXTS)
    resolve = fnet_ray.embedding.resolve_model

    def change_then_resolve(*arguments):  # after the inputs are listed
        write_json_lines(corpus, ["another"])
        return resolve(*arguments)

    monkeypatch.setattr("fnet_ray.embedding.resolve_model", change_then_resolve)
    with pytest.raises(InputError, match=rf"Received: {corpus}, which has changed"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
