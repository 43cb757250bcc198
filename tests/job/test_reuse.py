"""Vectors taken over from an older output: those that a fresh run makes, to the last bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from tests.job.corpora import write_parquet

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("ray_session")]

LONG = " ".join(f"word{i}" for i in range(90))
TEXTS = ["one", "two", "", LONG, None, "naïve", "nai\u0308ve", "two", LONG + " more", "last"]
EDITED = ["last", "two", None, "new", LONG, "", "one", "nai\u0308ve", "new", LONG + " else"]


@pytest.fixture
def embed(preset_folder: Path) -> Callable[..., fnet_ray.Report]:
    def run(corpus: Any, output: Path, **options: Any) -> fnet_ray.Report:
        return fnet_ray.embed(preset_folder, corpus, output, tracking=False, **options)

    return run


def stored(output: Path) -> pa.Table:
    """All rows of an output; equal tables hold equal bits."""
    return pq.read_table(output / "embeddings")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keep": []},
        {"embedding_dtype": "float16"},
        {"id_column": "id", "output_column": "vector"},
        {"long_text": "error"},
        {"long_text": "split", "overlap": 5},
        {"long_text": "split", "overlap": 5, "windows": "mean"},
        {"dtype": "bfloat16"},
    ],
    ids=str,
)
def test_a_run_that_reuses_gives_the_bits_of_a_fresh_one(
    options: dict[str, Any], tmp_path: Path, embed: Callable[..., fnet_ray.Report]
) -> None:
    old = write_parquet(tmp_path / "old.parquet", TEXTS)
    new = write_parquet(tmp_path / "new.parquet", EDITED)
    embed(old, tmp_path / "old", **options)
    fresh = embed(new, tmp_path / "fresh", **options)
    again = embed(new, tmp_path / "again", reuse=tmp_path / "old", **options)

    assert stored(tmp_path / "again").equals(stored(tmp_path / "fresh"))
    assert again.reused == (5 if options.get("long_text") == "error" else 6)
    assert (again.embedded, again.rejected) == (fresh.embedded, fresh.rejected)
    assert again.truncated == fresh.truncated
    assert again.tokens < fresh.tokens
