"""Texts longer than the model's sequence length, split into windows."""

import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnet_ray
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
