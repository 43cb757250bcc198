"""A million stored vectors are searched in memory that does not grow with them."""

import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fnet_mlflow.content.digest import content_digest
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import PARQUET
from fnet_ray.corpus.shards import Input, Sharding
from fnet_ray.options import Parameters
from fnet_ray.output.commits import commit_shard
from fnet_ray.output.layout import EMBEDDINGS
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_ray.stages.commit import to_parquet
from fnet_registry import FNetBackbone, FNetTokenizer, TextEncoder
from tests.evaluate.conftest import random_texts, write_parquet
from tests.programs import run_program

DIM, SHARD, QUERIES = 256, 20_000, 1_000

PROGRAM = """
import re, sys
from pathlib import Path
from fnet_evaluate import evaluate
peaks = []
for output in sys.argv[3:]:
    [found] = evaluate(sys.argv[1], sys.argv[2], corpus=output)
    status = Path("/proc/self/status").read_text()
    peaks.append(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
print(*peaks, found.count, found.figures["recall@1"].value)
"""


@pytest.fixture(scope="module")
def preset(preset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset with vectors as long as those of small published encoders."""
    folder = tmp_path_factory.mktemp("preset")
    FNetBackbone(
        vocabulary_size=1000,
        num_layers=1,
        hidden_dim=DIM,
        intermediate_dim=DIM,
        max_sequence_length=32,
    ).save_to_preset(str(folder))
    FNetTokenizer.from_preset(str(preset_folder)).save_to_preset(str(folder))
    return folder


def store_vectors(preset: Path, output: Path, rows: int) -> Path:
    """An output as a job writes it: random vectors, and those of the queries among them."""
    encoder = TextEncoder.from_preset(preset)
    queries = encoder.encode(random_texts(QUERIES))
    store, random = open_store(output), np.random.default_rng(0)
    source = InputFile(path="/corpus.parquet", format=PARQUET, size=1, version="1")
    inputs = (Input(file=source, parquet=source.path, rows=rows),)
    schema = pa.schema([("id", pa.int64()), ("embedding", pa.list_(pa.float32(), DIM))])
    Manifest(
        model=str(preset),
        digest=content_digest(encoder.checkpoint, encoder.config, {}),
        encoding=encoder.config.to_dict(),
        parameters=Parameters(id_column="id"),
        carried=pa.schema([("id", pa.int64())]),
        shardings=(Sharding(inputs=inputs, rows=rows, shard_rows=SHARD),),
    ).write(store)
    for shard in range(rows // SHARD):
        vectors = random.standard_normal((SHARD, DIM), np.float32)
        ids = np.arange(shard * SHARD, (shard + 1) * SHARD)
        if shard == 0:
            vectors[:QUERIES] = queries
        lists = pa.FixedSizeListArray.from_arrays(vectors.reshape(-1), DIM)
        table = pa.table([ids, lists], schema=schema)
        files = {EMBEDDINGS: (to_parquet(table, schema), SHARD)}
        work = {"device": "cpu", "tokens": 0, "truncated": 0}
        commit_shard(store, shard, rows=SHARD, rejects=0, files=files, work=work)
    return output


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_million_vectors_take_no_more_memory_than_forty_thousand(
    preset: Path, tmp_path: Path
) -> None:
    table = {"query": random_texts(QUERIES), "relevant_ids": range(QUERIES)}
    data = write_parquet(tmp_path / "queries.parquet", table)
    outputs = [store_vectors(preset, tmp_path / str(rows), rows) for rows in (40_000, 1_000_000)]
    printed = run_program(PROGRAM, str(preset), str(data), *map(str, outputs))
    small, large, count, recall = map(float, re.findall(r"[\d.]+", printed))
    print(f"peak {small / 1e6:.2f} GB with 40,000 vectors, {large / 1e6:.2f} GB with 1,000,000")
    assert (count, recall) == (QUERIES, 1.0)
    assert large - small < 150_000
    assert large < 2_000_000
