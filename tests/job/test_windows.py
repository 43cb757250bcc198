"""Texts longer than the model's sequence length, split into windows."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnet_ray
from fnet_ray.stages.commit import CommitShard
from fnet_ray.stages.encode import repeat_rows
from fnet_ray.store import open_store
from fnet_ray.tokens import Windowing, Windows, make_windows
from fnet_registry import TextEncoder
from tests.job.corpora import write_parquet

LONG = " ".join(f"word{i}" for i in range(60))


@given(st.integers(0, 200), st.integers(3, 20), st.data())
def test_windows_cover_every_token_and_share_the_overlap(
    count: int, length: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, length - 3))
    windowing = Windowing(sequence_length=length, long_text="split", overlap=overlap)
    ids = list(range(count))

    windows = windowing.cut(ids)

    assert all(len(window) <= windowing.room for window in windows)
    assert [i for n, w in enumerate(windows) for i in (w if n == 0 else w[overlap:])] == ids
    for first, second in itertools.pairwise(windows):
        assert second[:overlap] == first[len(first) - overlap :]


def test_a_short_text_is_its_only_window(encoder: TextEncoder) -> None:
    windowing = Windowing(sequence_length=64, long_text="split")
    windows, _ = make_windows(["short", "", LONG], windowing, encoder.tokenizer)
    assert windows.document.tolist()[:2] == [0, 1]
    assert windows.document.tolist().count(2) > 1
    assert not windows.tokens.truncated.any()


def test_windows_travel_through_arrow_unchanged(encoder: TextEncoder) -> None:
    windowing = Windowing(sequence_length=64, long_text="split", overlap=5)
    windows, _ = make_windows(["short", "", LONG], windowing, encoder.tokenizer)
    again = Windows.from_table(windows.to_table())
    np.testing.assert_array_equal(again.tokens.values, windows.tokens.values)
    np.testing.assert_array_equal(again.tokens.offsets, windows.tokens.offsets)
    np.testing.assert_array_equal(again.document, windows.document)
    np.testing.assert_array_equal(again.number, windows.number)


def test_repeated_rows_are_read_as_they_were(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "text": pa.chunked_array([["one", None], ["two", "one"]]),
            "label": pa.array(["x", "y", "x", None]).dictionary_encode(),
            "tags": [["a"], [], None, ["b", "c"]],
            "score": [0.5, None, 1.5, 2.5],
        }
    )
    document = np.array([0, 0, 1, 2, 2, 3])
    commit = CommitShard(store=open_store(tmp_path), carried=rows.schema, metadata={"a": "b"})
    data, count = commit._file(7, repeat_rows(rows, document))
    found = pq.read_table(pa.BufferReader(data))
    assert count == 6
    assert found.schema.remove_metadata() == rows.schema
    assert found.to_pylist() == rows.take(pa.array(document)).to_pylist()
    assert found.schema.metadata == {b"a": b"b", b"fnet.shard": b"7"}


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session")
class TestJob:
    """Both ways to store windows."""

    def test_rows_have_one_row_for_each_window(self, tmp_path: Path, preset_folder: Path) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", ["short", LONG, None])
        report = fnet_ray.embed(
            preset_folder, corpus, tmp_path / "out", id_column="id", long_text="split"
        )
        found = pq.read_table(tmp_path / "out" / "embeddings")
        assert report.embedded == 2
        assert found["id"].to_pylist()[:2] == ["row-0", "row-1"]
        assert set(found["id"].to_pylist()[1:]) == {"row-1"}
        assert found["window"].to_pylist() == [0, *range(found.num_rows - 1)]

    def test_a_text_is_stored_once_however_many_windows_it_has(
        self, tmp_path: Path, preset_folder: Path
    ) -> None:
        texts = ["a word " * 80_000, "short", None]
        corpus = write_parquet(tmp_path / "corpus.parquet", texts)
        report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", long_text="split")
        assert report.embedded == 2
        [file] = (tmp_path / "out" / "embeddings").glob("*.parquet")
        windows = pq.read_metadata(file).num_rows
        assert windows * len(texts[0]) > 2**31
        assert file.stat().st_size < windows * 32 * 4 + 2**20
        assert pq.read_schema(file).field("text").type == pa.string()
        last = next(pq.ParquetFile(file).iter_batches(1, columns=["text", "window"]))
        assert last.to_pylist() == [{"text": texts[0], "window": 0}]

    def test_mean_has_one_row_for_each_text(
        self, tmp_path: Path, preset_folder: Path, encoder: TextEncoder
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", ["short", LONG, None])
        fnet_ray.embed(
            preset_folder, corpus, tmp_path / "out", long_text="split", overlap=4, windows="mean"
        )
        found = pq.read_table(tmp_path / "out" / "embeddings")
        assert found["text"].to_pylist() == ["short", LONG]
        assert "window" not in found.column_names
        windowing = Windowing(sequence_length=64, long_text="split", overlap=4)
        windows, _ = make_windows([LONG], windowing, encoder.tokenizer)
        np.testing.assert_allclose(
            np.array(found["embedding"][1].as_py(), np.float32),
            encoder.encode_tokens(windows.tokens).mean(axis=0),
            rtol=1e-5,
            atol=1e-6,
        )
