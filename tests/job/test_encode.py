"""`fnet_ray.encode`: embeddings inside one's own Ray Data pipeline."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import fnet_ray
from fnet_ray.dataset import TokenizeTexts
from fnet_ray.tokens import Windowing
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError
from tests.job.corpora import TEXTS

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("ray_session")]


def test_a_dataset_gains_a_column_of_vectors(
    preset_folder: Path, encoder: TextEncoder, tmp_path: Path
) -> None:
    import ray.data

    table = pa.table({"n": range(len(TEXTS)), "body": TEXTS})
    dataset = fnet_ray.encode(ray.data.from_arrow(table), preset_folder, column="body")
    found = dataset.map(lambda row: {**row, "n": row["n"] + 1}).to_pandas().sort_values("n")

    assert list(found["n"]) == list(range(1, len(TEXTS) + 1))
    np.testing.assert_array_equal(np.stack(list(found["embedding"])), encoder.encode(TEXTS))


@pytest.mark.parametrize("column", ["text", "n"])
def test_a_column_that_is_there_is_not_written_over(column: str, encoder: TextEncoder) -> None:
    tokenize = TokenizeTexts(
        column="text",
        output_column=column,
        windowing=Windowing(sequence_length=64),
        tokenizer_proto=encoder.checkpoint.tokenizer_proto or b"",
    )
    with pytest.raises(InputError, match=f"one that the dataset has not. Received: '{column}'"):
        tokenize(pa.table({"text": ["a"], "n": [1]}))


def test_a_row_that_is_no_text_is_named(preset_folder: Path) -> None:
    import ray.data
    from ray.exceptions import RayTaskError

    table = pa.table({"text": pa.array(["a", None])})
    with pytest.raises(RayTaskError, match="Row 1 must be a text"):
        fnet_ray.encode(ray.data.from_arrow(table), preset_folder).materialize()
