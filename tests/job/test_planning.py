"""What a job sets down before a shard is read, with no Ray."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.cluster.pool import ActorPool
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.planning import open_manifest, shard_inputs
from fnet_ray.model import PinnedModel, resolve_model
from fnet_ray.options import Parameters
from fnet_ray.output.audit import audit, finish_commits
from fnet_ray.output.commits import commit_shard
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.store import Store
from fnet_ray.output.stores import open_store
from fnet_ray.progress.tracking import tracked
from fnet_ray.stages.message import unpack
from fnet_ray.stages.read import ReadShard
from fnet_ray.stages.requests import ShardRequests
from fnet_ray.stages.tokens import Windowing
from fnet_registry.errors import InputError, LeaseError
from tests.job.corpora import TEXTS, table, write_parquet
from tests.job.written import write_output

POOL = ActorPool(least=1, most=1, cpus=1, gpus=0, threads=1)


class Planned:
    """An output, and the planning of inputs into it."""

    def __init__(self, folder: Path, model: PinnedModel) -> None:
        self.store, self.model = open_store(folder), model

    def plan(self, *files: Path, lease: Lease | None = None, **options: Any) -> Manifest:
        if lease is None:
            with Lease(self.store) as own:
                return self.plan(*files, lease=own, **options)
        manifest = open_manifest(self.store, self.model, Parameters(**options))
        found = find_inputs(files, output=self.store.url)
        return shard_inputs(
            manifest,
            found,
            self.store,
            self.model,
            POOL,
            lease=lease,
            append=True,
            skip_damaged=False,
        )

    def read(self, manifest: Manifest, shard: int = 0) -> dict[str, pa.Table]:
        """Read and tokenize a shard."""
        read = ReadShard(
            columns=manifest.parameters.columns,
            carried=manifest.carried,
            reject_empty=False,
            windowing=Windowing(sequence_length=64),
            tokenizer_proto=self.model.checkpoint.tokenizer_proto or b"",
        )
        request = ShardRequests(manifest.shardings, {})[shard]
        return unpack(read(pa.Table.from_pylist([request])))[1]


@pytest.fixture
def output(tmp_path: Path, preset_folder: Path) -> Planned:
    return Planned(tmp_path / "out", resolve_model(preset_folder))


def take_over(store: Store) -> None:
    """As a driver does that finds no sign of life in the one before it."""
    store.write("run/lease/00000002.json", b"{}")


class TestDriverThatLostItsLease:
    """It was stopped for a while, and another went on in its place."""

    def test_writes_no_plan(self, corpus: Path, output: Planned) -> None:
        with Lease(output.store) as lease:
            take_over(output.store)
            with pytest.raises(LeaseError, match="took over because this driver stopped"):
                output.plan(corpus, lease=lease)
        assert Manifest.read(output.store) is None

    def test_names_no_tracking_run(self, corpus: Path, output: Planned) -> None:
        with Lease(output.store) as lease:
            manifest = output.plan(corpus, lease=lease)
            stored = output.store.read("run/manifest.json")
            take_over(output.store)
            with pytest.raises(LeaseError), tracked(manifest, output.store, lease):
                pass
        assert output.store.read("run/manifest.json") == stored

    def test_takes_back_no_shard(self, tmp_path: Path) -> None:
        store = open_store(write_output(tmp_path / "out", [table(TEXTS)]))
        manifest = Manifest.read(store)
        assert manifest
        store.write("embeddings/shard-00000000.parquet", b"half of it")
        with Lease(store) as lease:
            take_over(store)
            with pytest.raises(LeaseError):
                list(finish_commits(store, manifest, lease))
        assert store.exists("run/done/shard-00000000.json")


def test_a_commit_of_other_rows_is_not_the_plans(
    tmp_path: Path, corpus: Path, output: Planned
) -> None:
    manifest = output.plan(corpus)
    ranges = output.read(manifest)["reading"]["ranges"][0].as_py()
    commit_shard(output.store, 0, rows=6, rejects=0, files={}, work={"ranges": ranges})
    assert [found.damage for found in audit(output.store, manifest)] == [None]

    other = Planned(tmp_path / "other", output.model)
    manifest = other.plan(write_parquet(tmp_path / "other.parquet", TEXTS))
    [found] = audit(output.store, manifest)
    assert found.damage == "run/done/shard-00000000.json is not of this job's shard"


def test_inputs_without_a_row_settle_no_columns(
    tmp_path: Path, corpus: Path, output: Planned
) -> None:
    nothing = tmp_path / "nothing.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), nothing)
    assert output.plan(nothing).carried.names == ["text"]
    assert output.plan(corpus).carried.names == ["id", "label", "text"]
    narrow = tmp_path / "narrow.parquet"
    pq.write_table(pa.table({"text": ["a text"]}), narrow)
    with pytest.raises(InputError, match="Appended inputs must have the columns and types"):
        output.plan(narrow)


def test_an_output_that_is_moved_takes_its_converted_inputs_along(
    tmp_path: Path, corpus: Path, output: Planned
) -> None:
    manifest = output.plan(corpus)
    [read] = manifest.inputs
    copies = [output.store.path(f"run/staged/{corpus.name}"), str(corpus), ""]
    inputs = tuple(replace(read, parquet=copy) for copy in copies)
    sharding = replace(manifest.shardings[0], inputs=inputs)
    replace(manifest, shardings=(sharding,)).write(output.store)
    there = (tmp_path / "out").rename(tmp_path / "moved")
    moved = Manifest.read(open_store(there))
    assert moved
    copies[0] = str(there / "run" / "staged" / corpus.name)
    assert [each.parquet for each in moved.inputs] == copies


@pytest.mark.parametrize("step", ["log_params", "log_input", "set_tags"])
def test_a_run_that_was_cut_off_at_its_start_gets_all_that_belongs_there(
    step: str,
    corpus: Path,
    tmp_path: Path,
    registry: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = Planned(tmp_path / "out", resolve_model(registry))
    log = getattr(mlflow, step)

    def log_and_fail(*arguments: Any, **options: Any) -> None:
        log(*arguments, **options)
        raise ConnectionError

    with Lease(output.store) as lease:
        manifest = output.plan(corpus, lease=lease)
        with monkeypatch.context() as patch:
            patch.setattr(mlflow, step, log_and_fail)
            with pytest.raises(ConnectionError), tracked(manifest, output.store, lease):
                pass
        more = write_parquet(tmp_path / "more.parquet", ["one more"])
        manifest = output.plan(more, lease=lease)
        with tracked(manifest, output.store, lease) as (tracker, _):
            run = mlflow.get_run(str(tracker.run_id))
    assert run.data.tags["fnet.model"] == run.data.params["model"] == registry
    assert run.data.params["column"] == "text"
    assert run.inputs
    assert len(run.inputs.model_inputs) == 1
    assert run.inputs.dataset_inputs


def test_rows_are_as_large_as_without_compression(
    tmp_path: Path, output: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fnet_ray.cluster.pool.LARGEST_BYTES", 1 << 20)
    texts = [f"{number} {'long ' * 8_000}" for number in range(100)]
    corpus = write_parquet(tmp_path / "long.parquet", texts, compression="zstd")
    assert corpus.stat().st_size < 1 << 18
    [sharding] = output.plan(corpus).shardings
    assert 20 <= sharding.shard_rows <= 27
