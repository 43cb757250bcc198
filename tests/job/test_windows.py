"""Texts longer than the model's sequence length, split into windows."""

import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnet_ray
from fnet_ray.output.stores import open_store
from fnet_ray.stages.commit import CommitShard
from fnet_ray.stages.encode import window_rows
from fnet_ray.stages.tokens import Windowing, Windows, make_windows
from fnet_registry import TextEncoder
from fnet_registry.encoding.packing import pack_texts
from fnet_registry.errors import InputError, OutputError
from tests.job.corpora import write_parquet

LONG = " ".join(f"word{i}" for i in range(60))


@given(st.integers(0, 200), st.integers(3, 20), st.data())
def test_windows_cover_every_token_and_share_the_overlap(
    count: int, length: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, length - 3))
    windowing = Windowing(sequence_length=length, long_text="split", overlap=overlap)
    ids = list(range(count))

    windows = [ids[part] for part in windowing.cut(count)]

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
    np.testing.assert_array_equal(again.span, windows.span)


def test_a_windows_row_holds_its_own_characters_and_its_documents_values(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "id": ["a", "b"],
            "text": ["one two", "three"],
            "title": ["x" * 100, None],
            "blob": [b"y" * 100, b""],
            "label": pa.array(["x", "y"]).dictionary_encode(),
            "tags": [["a"], None],
            "score": [0.5, None],
        }
    )
    windows = Windows(
        tokens=pack_texts([[1], [2], [3]], 8, cls_token_id=4, sep_token_id=5),
        document=np.array([0, 0, 1]),
        number=np.array([0, 1, 0], np.int32),
        span=np.array([[0, 3], [3, 7], [0, 5]]),
    )
    commit = CommitShard(
        store=open_store(tmp_path),
        carried=rows.schema,
        places=frozenset({"id", "source_file"}),
        metadata={"a": "b"},
    )

    data, count = commit._file(7, window_rows(rows, windows, np.ones(3, bool), "text"))

    found = pq.read_table(pa.BufferReader(data))
    assert count == 3
    assert found["text"].to_pylist() == ["one", " two", "three"]
    assert found["start"].to_pylist() == [0, 3, 0]
    assert found["end"].to_pylist() == [3, 7, 5]
    others = [name for name in rows.column_names if name != "text"]
    assert found.select(others).to_pylist() == rows.select(others).take([0, 0, 1]).to_pylist()
    assert found.schema.metadata == {b"a": b"b", b"fnet.shard": b"7"}
    kinds = {name: str(found.schema.field(name).type) for name in others}
    assert (kinds["id"], kinds["tags"]) == ("string", "list<element: string>")
    assert kinds["title"] == kinds["label"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert kinds["blob"] == "dictionary<values=binary, indices=int32, ordered=0>"


def test_a_long_list_is_not_repeated_for_each_window() -> None:
    count = 2000
    windows = Windows(
        tokens=pack_texts([[1]] * count, 8, cls_token_id=4, sep_token_id=5),
        document=np.zeros(count, np.int64),
        number=np.arange(count, dtype=np.int32),
        span=np.zeros((count, 2), np.int64),
    )
    rows = pa.table({"text": ["a"], "tokens": [[0] * 100_000]})
    with pytest.raises(InputError, match=r"list<item: int64> must be small .* with --keep"):
        window_rows(rows, windows, np.ones(count, bool), "text")
    rows = pa.table({"text": ["a"], "tokens": [[0] * 100]})
    assert window_rows(rows, windows, np.ones(count, bool), "text").num_rows == count


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

    def test_the_windows_of_a_text_are_together_the_text(
        self, tmp_path: Path, preset_folder: Path
    ) -> None:
        texts = [f"  {LONG} naïve — 東京 🚀 ﬁne\n" * 3, "short ", "", None]
        corpus = write_parquet(tmp_path / "corpus.parquet", texts)
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", long_text="split")
        found = pq.read_table(tmp_path / "out" / "embeddings").to_pylist()
        for row, text in enumerate(texts[:3]):
            windows = [w for w in found if w["source_row"] == row]
            assert "".join(w["text"] for w in windows) == text
            assert all(w["text"] == text[w["start"] : w["end"]] for w in windows)

    @pytest.mark.system
    def test_windows_take_memory_in_proportion_to_the_texts(
        self, tmp_path: Path, preset_folder: Path
    ) -> None:
        text = "a word " * 80_000
        rows = {"text": [text, "short", None], "body": [text, "short", None], "n": [1, 2, 3]}
        pq.write_table(pa.table(rows), tmp_path / "corpus.parquet")
        report = fnet_ray.embed(
            preset_folder, tmp_path / "corpus.parquet", tmp_path / "out", long_text="split"
        )
        assert report.embedded == 2
        [file] = (tmp_path / "out" / "embeddings").glob("*.parquet")
        found = pq.read_table(file)
        assert found.num_rows * len(text) > 2**31
        assert found.drop_columns("embedding").nbytes < 4 * len(text)
        assert found["body"][found.num_rows - 2].as_py() == text
        assert file.stat().st_size < found.num_rows * 32 * 4 + 2**20

    @pytest.mark.system
    def test_an_output_whose_windows_carry_whole_texts_is_not_gone_on_with(
        self, tmp_path: Path, preset_folder: Path
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", [LONG])
        options = {"long_text": "split", "windows": "mean"}
        for name, asked in {"rows": {"long_text": "split"}, "mean": options}.items():
            fnet_ray.embed(preset_folder, corpus, tmp_path / name, **asked)
            manifest = tmp_path / name / "run" / "manifest.json"
            values = json.loads(manifest.read_text())
            manifest.write_text(json.dumps({**values, "format_version": 1}))
        with pytest.raises(OutputError, match="whole text in each window.* another output"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "rows", long_text="split")
        assert fnet_ray.read_status(tmp_path / "rows").state == "finished"
        assert fnet_ray.embed(preset_folder, corpus, tmp_path / "mean", **options).embedded == 1

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
