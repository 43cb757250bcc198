"""A small job is done by one worker, a child process, before Ray would have started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_ray.cluster.child import ChildDiedError, InChild
from fnet_ray.cluster.pool import CPU_FLOPS, ActorPool, WorkerRequest, row_flops
from fnet_ray.cluster.runtime import RayCluster
from fnet_ray.corpus.files import find_inputs
from fnet_ray.model import resolve_model
from fnet_ray.output.commits import Commit
from fnet_ray.stages import workforce
from fnet_ray.stages.lone import LoneWorker
from fnet_ray.stages.pipeline import Pipeline
from fnet_ray.stages.workforce import Workforce
from fnet_registry.errors import InputError, JobError
from tests.job.corpora import TEXTS, write_json_lines, write_parquet

FNET = Path(sys.executable).with_name("fnet")


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process may have started a Ray, which a job then uses."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(workforce, "_uses_ray", lambda: False)


def on_ray(files: list[Path], request: WorkerRequest | None = None, **options: bool) -> bool:
    asked = {"always_ray": False, **options}
    with Workforce(find_inputs(files), request or WorkerRequest(), **asked) as found:
        return found.on_ray


def test_it_starts_no_ray(registry: str, corpus: Path, tmp_path: Path) -> None:
    job = (
        "import sys; from fnet_cli.main import main; assert main(sys.argv[1:]) == 0; "
        "assert not [name for name in ('ray', 'torch') if name in sys.modules]"
    )
    command = [sys.executable, "-c", job, "embed", registry, corpus, tmp_path / "out"]
    subprocess.run(list(map(str, command)), check=True, timeout=120)
    assert pq.read_table(tmp_path / "out" / "embeddings")["text"].to_pylist() == TEXTS


@pytest.mark.usefixtures("ray_session")
def test_its_output_is_that_of_ray_to_the_last_bit(
    preset_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fnet_ray.embed(preset_folder, corpus, tmp_path / "ray", workers=WorkerRequest(workers=(1, 1)))
    with monkeypatch.context() as patch:
        patch.setattr(workforce, "_uses_ray", lambda: False)
        patch.setattr(Pipeline, "run", None)  # which goes through Ray
        fnet_ray.embed(preset_folder, corpus, tmp_path / "lone")
    first, second = (pq.read_table(tmp_path / name / "embeddings") for name in ("ray", "lone"))
    assert first.equals(second)


@pytest.mark.usefixtures("without_ray")
class TestChoice:
    """One worker is enough for little; Ray is what users ask for, and what large jobs get."""

    def test_a_small_file_needs_no_ray(self, corpus: Path) -> None:
        assert not on_ray([corpus])

    def test_files_that_are_large_together_need_it(self, tmp_path: Path) -> None:
        files = [tmp_path / f"{i}.txt" for i in range(3)]
        for file in files:
            file.write_text("a text\n" * 60_000)
        assert not on_ray(files[:2])
        assert on_ray(files)

    def test_so_do_workers_that_are_asked_for(self, corpus: Path) -> None:
        assert on_ray([corpus], WorkerRequest(workers=(2, 2)))
        assert on_ray([corpus], WorkerRequest(cpus_per_worker=1))

    def test_so_does_a_job_that_takes_vectors_over(self, corpus: Path) -> None:
        assert on_ray([corpus], always_ray=True)

    def test_a_ray_that_is_named_is_used(
        self, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()
        monkeypatch.setattr("ray.is_initialized", lambda: False)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        assert not on_ray([corpus])
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
        assert on_ray([corpus])

    @pytest.mark.usefixtures("ray_session")
    def test_gpus_are_handed_out_by_ray(
        self, corpus: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(LoneWorker, "has_gpu", lambda _: True)
        with Workforce(find_inputs([corpus]), WorkerRequest(), always_ray=False) as found:
            found.choose_pool()
            assert found.on_ray

    @pytest.mark.parametrize("split", [True, False])
    def test_long_texts_that_are_split_count_by_their_windows(
        self,
        split: bool,
        tmp_path: Path,
        preset_folder: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        book = tmp_path / "book.txt"
        book.write_text("a long text " * 10_000)
        pool = ActorPool(least=1, most=1, cpus=1, gpus=0, threads=1)
        model = resolve_model(preset_folder)
        flops = row_flops(model.checkpoint.config, model.encoding.sequence_length)
        monkeypatch.setattr(workforce, "SMALL_SECONDS", 10 * flops / CPU_FLOPS)
        monkeypatch.setattr(RayCluster, "wait", lambda _: None)
        with Workforce(find_inputs(book), WorkerRequest(), always_ray=False) as found:
            found.settle(1, pool, model, split=split)
            assert found.on_ray == split

    @pytest.mark.usefixtures("ray_session")
    @pytest.mark.parametrize("limit", ["SMALL_ROWS", "SMALL_SECONDS"])
    def test_a_small_file_that_is_much_work_goes_through_ray(
        self,
        limit: str,
        preset_folder: Path,
        corpus: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(workforce, limit, 0)
        monkeypatch.setattr(LoneWorker, "run", None)
        report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
        assert report.embedded == len(TEXTS)


@pytest.mark.usefixtures("without_ray")
class TestMishaps:
    """What is wrong is said as on Ray; nothing is lost, and the same command goes on."""

    def test_a_damaged_file_is_refused_in_one_line(
        self, registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = tmp_path / "corpus.jsonl"
        damaged.write_bytes(b"\x00\x01 not text at all\n")
        assert main(["embed", registry, str(damaged), str(tmp_path / "out")]) == 2
        assert "expected UTF-8" in capsys.readouterr().err

    def test_a_missing_column_is_an_error_of_the_input(
        self, preset_folder: Path, tmp_path: Path
    ) -> None:
        corpus = write_json_lines(tmp_path / "corpus.jsonl", TEXTS)
        with pytest.raises(InputError, match="body"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", column="body")

    def test_an_input_that_is_gone_meanwhile_is_one_line(
        self, preset_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = LoneWorker.run

        def run_late(self: LoneWorker, *args, **options) -> Iterator[Commit]:
            corpus.unlink()
            return run(self, *args, **options)

        monkeypatch.setattr(LoneWorker, "run", run_late)
        with pytest.raises(InputError, match="which is gone"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)

    @pytest.mark.system
    def test_a_worker_that_dies_over_a_shard_again_and_again_stops_the_job(
        self, preset_folder: Path, tmp_path: Path, poison: Callable[..., None]
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", ["good", "it kills"])
        poison("it kills", dies=True)
        with pytest.raises(JobError, match="shard 0, over which 4 workers died"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)

    def test_a_worker_that_does_not_start_is_one_line(
        self, preset_folder: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begin = LoneWorker.begin

        def begin_and_kill(self: LoneWorker) -> InChild:
            child = begin(self)
            child.process.kill()
            return child

        monkeypatch.setattr(LoneWorker, "begin", begin_and_kill)
        with pytest.raises(JobError, match=r"must start.* Received: exit status -9"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)

    def test_a_worker_that_is_killed_is_replaced(
        self,
        preset_folder: Path,
        corpus: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        ask, killed = LoneWorker._ask, []

        def kill_once(self: LoneWorker, method: str, *args: object) -> object:
            if method == "do" and not killed:
                killed.append(self.begin().process)
                killed[0].kill()
            return ask(self, method, *args)

        monkeypatch.setattr(LoneWorker, "_ask", kill_once)
        report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
        assert killed
        assert report.embedded == len(TEXTS)

    def test_a_reader_that_dies_over_a_file_refuses_it(
        self, preset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        corpus = write_json_lines(tmp_path / "corpus.jsonl", TEXTS)
        ask = LoneWorker._ask

        def kill(self: LoneWorker, method: str, *args: object) -> object:
            if method == "convert":
                self.begin().process.kill()
            return ask(self, method, *args)

        monkeypatch.setattr(LoneWorker, "_ask", kill)
        with pytest.raises(InputError, match=r"its reader died over it \(-9\)"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)

    @pytest.mark.system
    def test_modules_in_the_working_directory_are_not_taken_for_libraries(
        self, registry: str, corpus: Path, tmp_path: Path
    ) -> None:
        for name in ("numpy", "random", "torch", "fnet_ray"):
            (tmp_path / f"{name}.py").write_text("raise RuntimeError('a file of the user')")
        command = [FNET, "embed", registry, corpus, tmp_path / "out"]
        subprocess.run(command, check=True, cwd=tmp_path, timeout=120)

    @pytest.mark.system
    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_its_worker_ends_with_it_and_the_same_command_goes_on(
        self, sent: signal.Signals, registry: str, tmp_path: Path
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", [f"text {i}" for i in range(4000)])
        command = [FNET, "embed", registry, corpus, tmp_path / "out"]
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        while not (tmp_path / "out" / "run" / "done").exists():
            assert process.poll() is None
            time.sleep(0.01)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert workers
        # As a terminal sends Ctrl-C: to all that it started.
        (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
        assert process.wait(timeout=30) != 0
        assert psutil.wait_procs(workers, timeout=30)[1] == []
        subprocess.run(command, check=True, timeout=120)
        rows = pq.read_table(tmp_path / "out" / "embeddings")["source_row"].to_pylist()
        assert sorted(rows) == list(range(4000))


class Counter:
    """What tests put into a child process."""

    def __init__(self, count: int) -> None:
        if count < 0:
            raise ValueError(f"below zero: {count}")
        self.count = count

    def add(self, number: int) -> int:
        print("what is printed is no answer")
        self.count += number
        return self.count

    def end(self) -> None:
        os._exit(7)


class TestObjectInAChild:
    """It is called as if it were here, whatever becomes of its process."""

    def test_it_keeps_its_state(self) -> None:
        counter = InChild(Counter, 3)
        assert [counter.call("add", 1), counter.call("add", 2)] == [4, 6]

    def test_what_it_raises_is_raised_here_and_it_goes_on(self) -> None:
        counter = InChild(Counter, 3)
        with pytest.raises(TypeError, match="unsupported operand"):
            counter.call("add", "one")
        assert counter.call("add", 1) == 4

    def test_one_that_cannot_be_made_says_why_and_ends(self) -> None:
        counter = InChild(Counter, -1)
        with pytest.raises(ValueError, match="below zero: -1"):
            counter.call("add", 1)
        assert counter.process.poll() is not None

    def test_one_that_dies_says_its_status(self) -> None:
        counter = InChild(Counter, 3)
        with pytest.raises(ChildDiedError, match="7") as died:
            counter.call("end")
        assert died.value.status == 7
