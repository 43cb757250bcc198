"""The whole job on an object store: a real client against a server on this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_ray.corpus.damage import read_range
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.shards import Input
from fnet_ray.output.audit import audit
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError, LeaseError
from tests.job.corpora import TEXTS, table, write_parquet
from tests.job.written import write_output
from tests.object_store import run_object_store

FNET = Path(sys.executable).with_name("fnet")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket that this process, and those that it starts, know how to reach."""
    import s3fs

    with run_object_store():
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("corpora")
        yield "s3://corpora"


class TestStore:
    """What the job needs of an object store."""

    def test_the_first_claim_wins(self, bucket: str) -> None:
        store = open_store(f"{bucket}/claims")
        assert store.claim("a/claim", b"first")
        assert not store.claim("a/claim", b"second")
        assert store.read("a/claim") == b"first"

    def test_a_move_may_be_repeated(self, bucket: str) -> None:
        store = open_store(f"{bucket}/moves")
        store.write("from", b"data")
        for _ in range(2):
            store.move("from", "to")
        assert store.names("") == ["to"]
        assert store.read("to") == b"data"

    def test_what_fails_half_way_is_not_there(self, bucket: str) -> None:
        store = open_store(f"{bucket}/halves")

        def fail_half_way() -> None:
            with store.create("file") as file:
                file.write(b"data")
                raise RuntimeError("half way")

        with pytest.raises(RuntimeError, match="half way"):
            fail_half_way()
        assert not store.exists("file")

    def test_a_lease(self, bucket: str) -> None:
        store = open_store(f"{bucket}/lease")
        with Lease(store), pytest.raises(LeaseError, match="free in"):
            Lease(store).__enter__()
        with Lease(store):
            pass


def test_a_missing_object(bucket: str, preset_folder: Path) -> None:
    with pytest.raises(InputError, match=r"Received: s3://corpora/none\.parquet"):
        fnet_ray.embed(preset_folder, f"{bucket}/none.parquet", f"{bucket}/out")


@pytest.mark.parametrize("where", ["input", "output"])
@pytest.mark.parametrize(
    "missing", [{"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, {"AWS_ACCESS_KEY_ID": None}], ids=str
)
def test_a_bucket_out_of_reach_is_one_line(
    missing: dict[str, str | None], where: str, bucket: str, tmp_path: Path, preset_folder: Path
) -> None:
    corpus = write_parquet(tmp_path / "a.parquet", TEXTS)
    paths = [f"{bucket}/in", tmp_path / "out"] if where == "input" else [corpus, f"{bucket}/out"]
    environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
    for name, value in missing.items():
        environment = {each: v for each, v in environment.items() if each != name}
        environment |= {} if value is None else {name: value}
    command = [FNET, "embed", preset_folder, *paths, "--no-tracking"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Received: s3://corpora/" in ended.stderr


def test_an_object_that_was_replaced_is_not_read_as_the_one_planned(bucket: str) -> None:
    store = open_store(f"{bucket}/replaced")
    sink = pa.BufferOutputStream()
    pq.write_table(table(TEXTS), sink)
    data = sink.getvalue().to_pybytes()
    store.write("a.parquet", data)
    [file] = find_inputs(f"{bucket}/replaced")
    wanted = Input(file=file, parquet=file.path, rows=len(TEXTS)).row_range(0, len(TEXTS))
    assert read_range(wanted, "text", set(), places=set())["text"].to_pylist() == TEXTS

    store.write("a.parquet", data.replace(b"quick brown", b"swift brown"))
    with pytest.raises(InputError, match=r"Received: s3://.* has changed"):
        read_range(wanted, "text", set(), places=set())
    store.remove("a.parquet")
    with pytest.raises(InputError, match=r"Received: s3://.* is gone"):
        read_range(wanted, "text", set(), places=set())


@pytest.mark.system
@pytest.mark.timeout(300)
def test_a_job_from_and_to_a_bucket(
    bucket: str, registry_uri: str, preset_folder: Path, encoder: TextEncoder
) -> None:
    inputs, output = open_store(f"{bucket}/in"), f"{bucket}/out"
    with inputs.create("a.parquet") as file:
        pq.write_table(table([*TEXTS, None]), file)
    inputs.write("deep/b.jsonl", b'{"text": "a line"}\nbroken\n')

    command = [FNET, "embed", preset_folder, f"{bucket}/in", output]
    subprocess.run(command, check=True, timeout=120)

    store = open_store(output)
    [name] = store.names("embeddings")
    whole = store.read(f"embeddings/{name}")
    store.write(f"embeddings/{name}", whole[: len(whole) // 2])
    assert fnet_ray.read_status(output).damage.keys() == {0}
    subprocess.run(command, check=True, timeout=120)

    status = fnet_ray.read_status(output, check=True)
    assert (status.state, status.rows, status.rejected) == ("finished", 9, 2)
    assert store.names("run/staging") == []
    manifest = Manifest.read(store)
    assert manifest
    found = pa.concat_tables(
        pq.read_table(pa.BufferReader(store.read(file.name)))
        for finding in audit(store, manifest)
        for file in (finding.commit.files if finding.commit else ())
        if file.name.startswith("embeddings/")
    )
    assert found["text"].to_pylist() == [*TEXTS, "a line"]
    np.testing.assert_allclose(
        np.array(found["embedding"].to_pylist(), np.float32),
        encoder.encode([*TEXTS, "a line"]),
        atol=1e-6,
    )
    subprocess.run([*command[:-1], f"{bucket}/again", "--reuse", output], check=True, timeout=120)
    again = open_store(f"{bucket}/again")
    assert json.loads(again.read("run/report.json"))["reused"] == len(TEXTS) + 1
    [name] = again.names("embeddings")
    reused = pq.read_table(pa.BufferReader(again.read(f"embeddings/{name}")))
    assert reused["embedding"].equals(found["embedding"])


def test_the_page_of_an_output_in_a_bucket(bucket: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = write_output(f"{bucket}/looked-at", [table(TEXTS), table(TEXTS)])
    assert main(["report", output]) == 0
    assert f"page      {output}/run/report.html" in capsys.readouterr().out
    store = open_store(output)
    assert b"12 of 12 rows" in store.read("run/report.html")
    assert "map.png" in store.names("run/pictures")
