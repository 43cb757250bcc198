"""`fnet_ray.encode`: embeddings inside one's own Ray Data pipeline."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_ray.dataset import TokenizeTexts
from fnet_ray.stages.tokens import Windowing
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError
from tests.job.corpora import TEXTS

pytestmark = pytest.mark.usefixtures("ray_session")


def test_a_dataset_gains_a_column_of_vectors(
    preset_folder: Path, encoder: TextEncoder, tmp_path: Path
) -> None:
    import ray.data

    table = pa.table({"n": range(len(TEXTS)), "body": TEXTS})
    dataset = fnet_ray.encode(ray.data.from_arrow(table), preset_folder, column="body")
    found = dataset.map(lambda row: {**row, "n": row["n"] + 1}).to_pandas().sort_values("n")

    assert list(found["n"]) == list(range(1, len(TEXTS) + 1))
    np.testing.assert_array_equal(np.stack(list(found["embedding"])), encoder.encode(TEXTS))


class TestVectors:
    """What the column is, wherever it is looked at."""

    @pytest.fixture
    def dataset(self, preset_folder: Path):
        import ray.data

        table = pa.table({"n": range(len(TEXTS)), "text": TEXTS})
        return fnet_ray.encode(ray.data.from_arrow(table), preset_folder)

    @pytest.mark.parametrize("format", ["default", "numpy"])
    def test_batches(self, format: str, dataset, encoder: TextEncoder) -> None:  # noqa: A002
        [batch] = dataset.iter_batches(batch_size=len(TEXTS), batch_format=format)
        assert batch["embedding"].dtype == np.float32
        order = np.argsort(batch["n"])
        np.testing.assert_array_equal(batch["embedding"][order], encoder.encode(TEXTS))

    def test_batches_of_what_is_materialized_and_cut(self, dataset) -> None:
        kept = dataset.materialize().limit(4)
        [batch] = kept.iter_batches(batch_size=None)
        assert (batch["embedding"].dtype, batch["embedding"].shape) == (np.float32, (4, 32))

    @pytest.mark.system
    def test_rows_and_frames(self, dataset, encoder: TextEncoder) -> None:
        [row] = dataset.sort("n").take(1)
        np.testing.assert_array_equal(row["embedding"], encoder.encode(TEXTS[:1])[0])
        frame = dataset.to_pandas().sort_values("n")
        np.testing.assert_array_equal(np.stack(list(frame["embedding"])), encoder.encode(TEXTS))

    def test_tensors(self, dataset) -> None:
        vectors = dataset.select_columns(["embedding"])
        [batch] = vectors.iter_torch_batches(batch_size=len(TEXTS))
        assert tuple(batch["embedding"].shape) == (len(TEXTS), 32)

    def test_files_hold_lists(self, dataset, encoder: TextEncoder, tmp_path: Path) -> None:
        dataset.write_parquet(str(tmp_path / "out"))
        for file in (tmp_path / "out").iterdir():
            kind = pq.read_schema(file).field("embedding").type
            assert kind == pa.list_(pa.float32(), encoder.dim)
        found = pq.read_table(tmp_path / "out").sort_by("n")
        np.testing.assert_array_equal(found["embedding"].to_pylist(), encoder.encode(TEXTS))


@pytest.mark.parametrize("column", ["text", "n"])
def test_a_column_that_is_there_is_not_written_over(column: str, encoder: TextEncoder) -> None:
    tokenize = TokenizeTexts(
        column="text",
        output_column=column,
        windowing=Windowing(sequence_length=64),
        tokenizer_proto=encoder.checkpoint.tokenizer_proto or b"",
    )
    with pytest.raises(InputError, match=f"does not have. Received: '{column}'"):
        tokenize(pa.table({"text": ["a"], "n": [1]}))


def test_texts_may_be_a_field_inside_a_column(encoder: TextEncoder) -> None:
    tokenize = TokenizeTexts(
        column="doc.text",
        output_column="embedding",
        windowing=Windowing(sequence_length=64),
        tokenizer_proto=encoder.checkpoint.tokenizer_proto or b"",
    )
    nested = tokenize(pa.table({"doc": [{"text": text} for text in TEXTS]}))
    flat = tokenize(pa.table({"doc.text": TEXTS, "doc": [{"text": None}] * len(TEXTS)}))
    assert nested["__fnet_tokens"] == flat["__fnet_tokens"]
    with pytest.raises(InputError, match=r"must have the column 'doc\.text'\. Received: text"):
        tokenize(pa.table({"text": TEXTS}))


def test_a_row_that_is_no_text_is_named(preset_folder: Path) -> None:
    import ray.data
    from ray.exceptions import RayTaskError

    table = pa.table({"text": pa.array(["a", None])})
    with pytest.raises(RayTaskError, match="Row 1 must be a text"):
        fnet_ray.encode(ray.data.from_arrow(table), preset_folder).materialize()
