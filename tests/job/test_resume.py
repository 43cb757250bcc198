"""The same call again goes on; anything else is refused; and what won stays."""

import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_ray.corpus.shards import Sharding
from fnet_ray.options import Parameters
from fnet_ray.output.audit import audit, finish_commits
from fnet_ray.output.commits import Commit, commit_shard, publish, remove_uncommitted
from fnet_ray.output.lease import Lease
from fnet_ray.output.local_store import LocalStore
from fnet_ray.output.manifest import Manifest
from fnet_ray.progress.tally import Progress
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError, LeaseError, OutputError
from fnet_registry.presets.writing import write_checkpoint
from tests.job.corpora import write_json_lines, write_parquet

ROWS = 1200


class StoppedError(Exception):
    """A job that is stopped in the middle."""


def stop_after(shards: int):
    def stop(progress: Progress) -> None:
        if progress.shards_done >= shards:
            raise StoppedError

    return stop


def commits(output: Path) -> dict[int, Commit]:
    store = LocalStore(root=output)
    manifest = Manifest.read(store)
    assert manifest
    return {found.shard: found.commit for found in audit(store, manifest) if found.commit}


@pytest.fixture
def long_corpus(tmp_path: Path) -> Path:
    texts = [f"text number {i}" if i % 20 else None for i in range(ROWS)]
    return write_parquet(tmp_path / "corpus.parquet", texts, row_group_size=170)


@pytest.mark.usefixtures("ray_session", "many_shards")
@pytest.mark.system
def test_a_stopped_job_goes_on_and_every_row_is_there_once(
    long_corpus: Path, tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    output = tmp_path / "out"
    with pytest.raises(StoppedError):
        fnet_ray.embed(preset_folder, long_corpus, output, on_progress=stop_after(1))
    before = commits(output)
    assert 0 < len(before) < fnet_ray.read_status(output).shards
    assert fnet_ray.read_status(output).state == "stopped"

    report = fnet_ray.embed(preset_folder, long_corpus, output)

    assert (report.rows, report.rejected) == (ROWS, ROWS // 20)
    after = commits(output)
    assert {shard: after[shard] for shard in before} == before
    found = pq.read_table(output / "embeddings").sort_by("source_row")
    rejected = pq.read_table(output / "rejects")["source_row"].to_pylist()
    assert sorted(found["source_row"].to_pylist() + rejected) == list(range(ROWS))
    np.testing.assert_array_equal(
        np.array(found["embedding"].to_pylist(), np.float32),
        encoder.encode(found["text"].to_pylist()),
    )
    assert fnet_ray.read_status(output).state == "finished"
    assert list((output / "run" / "staging").iterdir()) == []


@pytest.mark.usefixtures("ray_session")
def test_a_finished_job_does_nothing_again(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
    [file] = (tmp_path / "out" / "embeddings").iterdir()
    written = file.stat().st_mtime_ns
    report = (tmp_path / "out" / "run" / "report.json").read_text()
    assert fnet_ray.embed(preset_folder, corpus, tmp_path / "out").rows == 6
    assert file.stat().st_mtime_ns == written
    assert (tmp_path / "out" / "run" / "report.json").read_text() == report  # speed included


@pytest.mark.usefixtures("ray_session")
@pytest.mark.system
def test_a_list_of_inputs_that_a_killed_run_left_is_no_list_of_others(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    output = tmp_path / "out"
    fnet_ray.embed(preset_folder, corpus, output)
    [left, added] = (write_parquet(tmp_path / f"{name}.parquet", [name]) for name in ("b", "c"))
    killed = shutil.copytree(output, tmp_path / "killed")
    fnet_ray.embed(preset_folder, [corpus, left], killed, append=True)
    shutil.copy(killed / "run" / "inputs-0001.parquet", output / "run")  # the manifest was not
    for _ in range(2):
        report = fnet_ray.embed(preset_folder, [corpus, added], output, append=True)
        assert report.rows == 7
    assert pq.read_table(output / "embeddings")["text"].to_pylist()[-1] == "c"


@pytest.mark.usefixtures("ray_session")
def test_an_output_inside_the_inputs_folder_is_no_input(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    for _ in range(2):
        assert fnet_ray.embed(preset_folder, tmp_path, tmp_path / "out").rows == 6


@pytest.mark.usefixtures("ray_session")
def test_a_job_that_left_a_damaged_file_out_goes_on_without_it(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    for append in (False, False, True):
        report = fnet_ray.embed(
            preset_folder,
            tmp_path / "*.parquet",
            tmp_path / "out",
            skip_damaged=True,
            append=append,
        )
        assert report.rows == 6


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.usefixtures("ray_session", "many_shards")
@pytest.mark.system
def test_files_are_appended_where_those_before_are_not_named_and_their_copies_are_gone(
    done: bool, tmp_path: Path, preset_folder: Path
) -> None:
    before = write_json_lines(tmp_path / "before.jsonl", [f"text {n}" for n in range(ROWS)])
    if done:
        fnet_ray.embed(preset_folder, before, tmp_path / "out")
        before.unlink()
    else:
        with pytest.raises(StoppedError):
            fnet_ray.embed(preset_folder, before, tmp_path / "out", on_progress=stop_after(1))
    shutil.rmtree(tmp_path / "out" / "run" / "staged")
    more = write_json_lines(tmp_path / "more.jsonl", ["one more"])
    report = fnet_ray.embed(preset_folder, more, tmp_path / "out", append=True)
    assert (report.rows, report.embedded) == (ROWS + 1, ROWS + 1)


@pytest.mark.usefixtures("ray_session")
def test_an_empty_first_day_is_no_matter(tmp_path: Path, preset_folder: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.touch()
    write_json_lines(second, ["a text"])
    options = {"id_column": "id", "append": True, "tracking": False}
    for day in (first, second):
        fnet_ray.embed(preset_folder, day, tmp_path / "out", **options)
    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found.select(["id", "text"]).to_pylist() == [{"id": "row-0", "text": "a text"}]


def test_a_finished_job_is_told_without_ray(
    corpus: Path, tmp_path: Path, preset_folder: Path, ray_session: None
) -> None:
    command = ["embed", preset_folder, corpus, tmp_path / "out", "--no-tracking"]
    assert main(list(map(str, command))) == 0
    program = [Path(sys.executable).with_name("fnet"), *command]
    told = subprocess.run(program, check=True, capture_output=True, text=True)
    assert told.stdout.startswith("finished already: 6 rows embedded with ")
    assert "starting Ray" not in told.stderr
    more = write_parquet(tmp_path / "more.parquet", ["one more"])
    assert fnet_ray.embed(preset_folder, [corpus, more], tmp_path / "out", append=True).rows == 7


@pytest.mark.usefixtures("ray_session")
class TestRefused:
    """Going on with something else than what the output was begun with."""

    @pytest.fixture
    def output(self, corpus: Path, tmp_path: Path, preset_folder: Path) -> Path:
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
        return tmp_path / "out"

    def test_other_parameters(self, output: Path, corpus: Path, preset_folder: Path) -> None:
        with pytest.raises(OutputError, match=r"id_column=None.* Received: id_column='id'"):
            fnet_ray.embed(preset_folder, corpus, output, id_column="id")

    def test_another_model(self, output: Path, corpus: Path, tmp_path: Path, encoder) -> None:
        arrays = dict(encoder.checkpoint.arrays)
        arrays["pooler.bias"] = arrays["pooler.bias"] + 1
        write_checkpoint(replace(encoder.checkpoint, arrays=arrays), tmp_path / "other")
        with pytest.raises(OutputError, match=r"begun with .*kerashub .* Received: .*other"):
            fnet_ray.embed(tmp_path / "other", corpus, output)

    def test_a_changed_file(self, output: Path, corpus: Path, preset_folder: Path) -> None:
        write_parquet(corpus, ["changed"])
        with pytest.raises(OutputError, match=r"Received: .*corpus\.parquet, which has changed"):
            fnet_ray.embed(preset_folder, corpus, output)

    def test_a_new_file_unless_appended(
        self, output: Path, corpus: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        more = write_parquet(tmp_path / "more.parquet", ["one more"])
        with pytest.raises(OutputError, match=r"--append.* Received: new, .*more\.parquet"):
            fnet_ray.embed(preset_folder, [corpus, more], output)

        report = fnet_ray.embed(preset_folder, [corpus, more], output, append=True)

        assert report.rows == 7
        assert pq.read_table(output / "embeddings")["text"].to_pylist()[-1] == "one more"

    def test_an_appended_file_beyond_the_limit(
        self, corpus: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        more = write_parquet(tmp_path / "more.parquet", ["one more"])
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", limit=6, tracking=False)
        with pytest.raises(InputError, match=r"limit of 6 is reached\. .*more\.parquet"):
            fnet_ray.embed(preset_folder, [corpus, more], tmp_path / "out", limit=6, append=True)


class TestFencing:
    """The first commit of a shard wins, whoever comes late."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(root=tmp_path)

    def commit(self, store: LocalStore, data: bytes):
        files = {"embeddings": (data, 1)}
        return commit_shard(store, 0, rows=1, rejects=0, files=files, work={})

    def test_a_second_attempt_changes_nothing(self, store: LocalStore) -> None:
        first = self.commit(store, b"first")
        assert self.commit(store, b"second") == first
        assert store.read("embeddings/shard-00000000.parquet") == b"first"
        assert store.names("run/staging") == []

    def test_what_a_killed_worker_left_unfinished_is_removed(
        self, store: LocalStore, tmp_path: Path
    ) -> None:
        killed = (
            "import os; from pathlib import Path\n"
            "from fnet_ray.output.local_store import LocalStore\n"
            f"with LocalStore(root=Path({str(tmp_path)!r})).create('run/staging/half'): os._exit(9)"
        )
        assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
        assert len(list((tmp_path / "run" / "staging").iterdir())) == 1
        remove_uncommitted(store)
        assert list((tmp_path / "run" / "staging").iterdir()) == []

    def test_a_claim_that_is_refused_for_its_own_sake_has_won(self, tmp_path: Path) -> None:
        class Late(LocalStore):
            """As a client that repeats a request whose answer was lost."""

            def claim(self, name: str, data: bytes) -> bool:
                return super().claim(name, data) and super().claim(name, data)

        store = Late(root=tmp_path)
        commit = self.commit(store, b"data")
        assert store.read(commit.files[0].name) == b"data"
        with Lease(store) as lease:
            lease.check()

    def test_one_of_many_at_once_wins(self, store: LocalStore) -> None:
        barrier = threading.Barrier(8)
        won = []

        def attempt(number: int) -> None:
            barrier.wait()
            won.append(self.commit(store, b"%d" % number))

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len({commit.files[0].sha256 for commit in won}) == 1
        assert store.names("embeddings") == ["shard-00000000.parquet"]

    def test_a_claim_whose_files_were_not_moved_is_finished_by_the_next_driver(
        self, store: LocalStore
    ) -> None:
        commit = self.commit(store, b"data")
        [file] = commit.files
        store.move(file.name, file.uncommitted)  # as if the worker had died between the two
        manifest = Manifest(
            model="",
            digest="",
            encoding={},
            parameters=Parameters(),
            carried=pa.schema([]),
            shardings=(Sharding(inputs=(), rows=1, shard_rows=1),),
        )
        assert list(finish_commits(store, manifest)) == [commit]
        assert store.read(file.name) == b"data"
        publish(store, commit)
        assert store.read(file.name) == b"data"


class TestLease:
    """One driver at a time."""

    def test_a_second_driver_is_refused(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path)
        with Lease(store):
            assert Lease.holder(store)
            with pytest.raises(LeaseError, match="Only one driver .* another driver on this"):
                Lease(store).__enter__()
        assert Lease.holder(store) is None
        with Lease(store):
            pass

    def test_a_driver_elsewhere_holds_it_until_it_is_silent_for_a_minute(
        self, tmp_path: Path
    ) -> None:
        store = LocalStore(root=tmp_path)
        elsewhere = {"host": "elsewhere", "pid": 1, "renewed": time.time(), "released": False}
        store.write("run/lease/00000001.json", json.dumps(elsewhere).encode())
        with pytest.raises(LeaseError, match="process 1 on elsewhere; free in"):
            Lease(store).__enter__()

        elsewhere["renewed"] -= 61
        store.write("run/lease/00000001.json", json.dumps(elsewhere).encode())
        with Lease(store):
            assert store.names("run/lease") == ["00000001.json", "00000002.json"]

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
    def test_a_damaged_one_is_free(self, content: bytes, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path)
        store.write("run/lease/00000001.json", content)
        store.write("run/lease/notes.txt", b"mine")
        assert Lease.holder(store) is None
        with Lease(store):
            assert Lease.holder(store)

    def test_a_driver_that_slept_sees_at_once_that_another_took_over(self, tmp_path: Path) -> None:
        store = LocalStore(root=tmp_path)
        with Lease(store) as lease:  # its renewal sleeps for seconds yet
            store.write("run/lease/00000002.json", b"{}")
            with pytest.raises(LeaseError, match="took over because this driver stopped"):
                lease.check()

    def test_a_driver_that_another_took_over_from_stops(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fnet_ray.output.lease.RENEW_SECONDS", 0.05)
        store = LocalStore(root=tmp_path)
        with Lease(store) as lease:
            lease.check()
            store.write("run/lease/00000002.json", b"{}")
            time.sleep(0.5)
            with pytest.raises(LeaseError, match="took over because this driver stopped"):
                lease.check()
