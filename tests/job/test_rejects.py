"""Bad rows go to a table of their own, each with its reason, and take no neighbours with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_ray.output.rejects import RejectLimit
from fnet_registry import TextEncoder
from fnet_registry.errors import JobError, RejectsError
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


def rejects(output: Path) -> list[dict]:
    return pq.read_table(output / "rejects").to_pylist()


def test_null_and_empty_texts(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["good", None, "", "also good"])

    report = fnet_ray.embed(
        preset_folder, corpus, tmp_path / "out", id_column="id", reject_empty=True
    )

    assert (report.rows, report.embedded, report.rejected) == (4, 2, 2)
    assert rejects(tmp_path / "out") == [
        {"id": "row-1", "source_file": str(corpus), "source_row": 1, "reason": "null"},
        {"id": "row-2", "source_file": str(corpus), "source_row": 2, "reason": "empty"},
    ]
    embedded = pq.read_table(tmp_path / "out" / "embeddings")
    assert embedded["text"].to_pylist() == ["good", "also good"]


def test_an_empty_text_is_a_text_by_default(
    tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", [""])
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
    found = pq.read_table(tmp_path / "out" / "embeddings")["embedding"].to_pylist()
    np.testing.assert_array_equal(found, encoder.encode([""]))


def test_lines_that_hold_no_text(tmp_path: Path, preset_folder: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(
        b'{"text": "good", "n": 1}\n'
        b'{"text": 5}\n'
        b"{broken\n"
        b"[1, 2]\n"
        b'{"n": 2}\n'
        b'{"text": "\xff"}\n'
        b'{"text": "\\ud800"}\n'
        b'{"text": "also good", "n": 2.5}\n'
    )

    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out")

    assert (report.embedded, report.rejected) == (2, 6)
    reasons = {row["source_row"]: row["reason"] for row in rejects(tmp_path / "out")}
    assert set(reasons) == {1, 2, 3, 4, 5, 6}
    assert reasons[1] == "not a text: 5"
    assert reasons[2].startswith("not JSON: ")
    assert reasons[3] == "not a JSON object: [1, 2]"
    assert reasons[4] == "no field 'text'"
    assert "utf-8" in reasons[5]
    assert "surrogate" in reasons[6]
    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["n"].to_pylist() == [1.0, 2.5]


def test_lines_of_another_width(tmp_path: Path, preset_folder: Path) -> None:
    (tmp_path / "corpus.csv").write_text('id,text\n0,good\n1\n2,"two\nlines"\n3,a,b\n')

    fnet_ray.embed(preset_folder, tmp_path / "corpus.csv", tmp_path / "out")

    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["text"].to_pylist() == ["good", "two\nlines"]
    assert found["source_row"].to_pylist() == [0, 2]
    assert [row["source_row"] for row in rejects(tmp_path / "out")] == [1, 3]


def test_bytes_that_are_no_text_in_a_column_of_texts(tmp_path: Path, preset_folder: Path) -> None:
    texts = pa.array([b"good", b"\xff\xfe", b"also good"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts, "n": [0, 1, 2]}), tmp_path / "corpus.parquet")

    fnet_ray.embed(preset_folder, tmp_path / "corpus.parquet", tmp_path / "out")

    assert pq.read_table(tmp_path / "out" / "embeddings")["n"].to_pylist() == [0, 2]
    assert [row["reason"] for row in rejects(tmp_path / "out")] == ["not UTF-8"]


def test_too_long_texts_where_these_are_refused(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["short", "very long " * 50, "short too"])

    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", long_text="error")

    assert (report.embedded, report.rejected, report.truncated) == (2, 1, 0)
    [row] = rejects(tmp_path / "out")
    assert row["source_row"] == 1
    assert row["reason"].endswith("tokens, more than 64")


def test_a_job_of_nothing_but_rejects_ends(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", [None] * 40)

    assert fnet_ray.embed(preset_folder, corpus, tmp_path / "out").rejected == 40

    assert pq.read_table(tmp_path / "out" / "embeddings").num_rows == 0
    assert len(rejects(tmp_path / "out")) == 40


@pytest.mark.parametrize("limit", ["1", "10%"])
def test_more_rejects_than_allowed_stop_the_job(
    limit: str, tmp_path: Path, preset_folder: Path
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["good", None, None, "good"])
    with pytest.raises(RejectsError, match=rf"At most {limit} of the rows may .* Received: 2 of 4"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", max_rejects=limit)


def test_nor_does_the_same_command_let_them_through(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["good", None])
    for _ in range(2):
        with pytest.raises(RejectsError, match="At most 0 of the rows may .* Received: 1 of 2"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", max_rejects=0)


@pytest.mark.parametrize("limit", ["²", "1%%", "-1", "", "%", "nan", "1e3", None])
def test_a_limit_that_is_no_number(limit: Any) -> None:
    with pytest.raises(JobError, match="limited by N or P%, such as 100 or 1%. Received: "):
        RejectLimit(limit)


def test_as_many_rejects_as_allowed_do_not(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["good", None, None, "good"])
    assert fnet_ray.embed(preset_folder, corpus, tmp_path / "out", max_rejects="50%").rejected == 2
