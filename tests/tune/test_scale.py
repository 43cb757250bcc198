"""Millions of examples take disk, and no memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_registry import FNetTokenizer
from fnet_registry.encoding.config import complete_encoding
from fnet_tune.data.prepared import prepare
from fnet_tune.data.reading import open_source
from fnet_tune.data.survey import survey
from fnet_tune.training.batches import Batches
from fnet_tune.training.sampling import EachOnce

COUNT = 10_000_000
AT_ONCE = 50_000


def memory_mb() -> float:
    """What the process holds of its own; pages of mapped files are the system's to take back.

    Arrow keeps what was freed for the next batch: up to 200 MB, however many there were.
    """
    pa.default_memory_pool().release_unused()
    lines = Path("/proc/self/status").read_text().splitlines()
    [kib] = (line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(kib) / 1024


def write_pairs(path: Path) -> None:
    names = pa.schema([("anchor", pa.string()), ("positive", pa.string())])
    with pq.ParquetWriter(path, names) as writer:
        for start in range(0, COUNT, AT_ONCE):
            numbers = range(start, start + AT_ONCE)
            anchors = [f"question number {number} of the list" for number in numbers]
            positives = [f"answer {number * 7919 % COUNT}, number {number}" for number in numbers]
            writer.write_batch(pa.record_batch([anchors, positives], schema=names))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_ten_million_pairs_are_read_in_flat_memory(preset_folder: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.parquet")
    tokenizer = FNetTokenizer.from_preset(preset_folder)
    before = memory_mb()
    source = open_source(tmp_path / "pairs.parquet", {})
    found = survey(source, hold_out=True)
    examples = prepare(source, found, tmp_path, tokenizer=tokenizer, sequence_length=32)
    assert len(examples) == COUNT - 1000
    batches = Batches(
        examples=examples,
        sampler=EachOnce(count=len(examples), seed=0),
        batch_size=128,
        encoding=complete_encoding(64, sequence_length=32),
        pad_token_id=tokenizer.pad_token_id,
    )
    texts = {int(np.prod(batches.read(step).examples.text.shape)) for step in range(1000)}
    assert texts == {256}
    assert memory_mb() - before < 150
