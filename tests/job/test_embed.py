"""The job's way from files of texts to files of embeddings that any reader opens."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import ANY

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_registry import EncodingConfig, TextEncoder
from tests.job.corpora import TEXTS, WRITERS, write_json_lines, write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_columns_it_has_and_the_encoders_vectors(
    name: str, tmp_path: Path, preset_folder: Path, encoder: TextEncoder
) -> None:
    corpus = WRITERS[name](tmp_path / name, TEXTS)

    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", id_column="id")

    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert (report.rows, report.embedded, report.rejected) == (len(TEXTS), len(TEXTS), 0)
    assert found.column_names == ["id", "label", "text", "embedding"]
    assert found["text"].to_pylist() == TEXTS
    assert found["label"].to_pylist() == list(range(len(TEXTS)))
    np.testing.assert_array_equal(vectors(found), encoder.encode(TEXTS))


def test_plain_text_gives_a_row_for_each_line(tmp_path: Path, preset_folder: Path) -> None:
    (tmp_path / "corpus.txt").write_text("one line\n\nanother line\n")

    fnet_ray.embed(preset_folder, tmp_path / "corpus.txt", tmp_path / "out")

    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["text"].to_pylist() == ["one line", "another line"]
    assert found["source_row"].to_pylist() == [0, 2]


@pytest.mark.system
def test_a_folder_of_text_files_gives_a_row_for_each_file_where_asked_to(
    tmp_path: Path,
    preset_folder: Path,
    encoder: TextEncoder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    corpus = tmp_path / "corpus"
    (corpus / "lang=en").mkdir(parents=True)
    texts = {
        "a.txt": "one line\n\nanother line\nthe last",
        "b.txt": "",
        "lang=en/c.text": "a third",
    }
    for name, text in texts.items():
        (corpus / name).write_text(text)

    fnet_ray.embed(preset_folder, corpus, tmp_path / "lines")
    assert caplog.text.count("3 plain text files are read as 4 rows") == 1
    assert caplog.text.count("--whole-files makes each file one text") == 1
    fnet_ray.embed(preset_folder, corpus, tmp_path / "files", whole_files=True)
    assert caplog.text.count("--whole-files") == 1

    found = pq.read_table(tmp_path / "files" / "embeddings")
    assert found["text"].to_pylist() == list(texts.values())
    assert found["source_row"].to_pylist() == [0, 0, 0]
    assert found["lang"].to_pylist() == [None, None, "en"]
    np.testing.assert_array_equal(vectors(found), encoder.encode(found["text"].to_pylist()))


def test_without_an_id_column_rows_are_told_by_file_and_row(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    fnet_ray.embed(preset_folder, [corpus], tmp_path / "out", keep=[])

    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found.column_names == ["source_file", "source_row", "embedding"]
    assert set(found["source_file"].to_pylist()) == {str(corpus)}
    assert found["source_row"].to_pylist() == list(range(len(TEXTS)))


def test_a_folder_is_read_to_its_bottom_and_files_may_differ_in_format_and_fields(
    tmp_path: Path, preset_folder: Path
) -> None:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    write_parquet(folder / "a.parquet", TEXTS[:2])
    write_json_lines(folder / "deep" / "b.jsonl", TEXTS[2:4])
    (folder / "deep" / "c.jsonl").write_text('{"text": "only a text"}\n')
    (folder / "_SUCCESS").write_text("")
    (folder / "README.md").write_text("no data")

    fnet_ray.embed(preset_folder, folder, tmp_path / "out")

    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert found["text"].to_pylist() == [*TEXTS[:4], "only a text"]
    assert found["label"].to_pylist() == [0, 1, 0, 1, None]


def test_a_column_to_keep_may_be_named_twice(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", keep=["label", "id", "label"])
    [file] = (tmp_path / "out" / "embeddings").iterdir()
    names = pq.read_schema(file).names
    assert names == ["label", "id", "source_file", "source_row", "embedding"]


def test_a_limit_takes_the_first_rows(corpus: Path, tmp_path: Path, preset_folder: Path) -> None:
    assert fnet_ray.embed(preset_folder, corpus, tmp_path / "out", limit=4).rows == 4
    assert pq.read_table(tmp_path / "out" / "embeddings")["text"].to_pylist() == TEXTS[:4]


def test_vectors_of_another_name_leave_an_inputs_own_as_they_are(
    tmp_path: Path, preset_folder: Path, encoder: TextEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, output = tmp_path / "corpus.parquet", tmp_path / "out"
    pq.write_table(pa.table({"text": TEXTS, "embedding": [[0.5]] * len(TEXTS)}), corpus)

    fnet_ray.embed(preset_folder, corpus, output, output_column="a.vector")

    found = pq.read_table(output / "embeddings")
    assert found.column_names == ["text", "embedding", "source_file", "source_row", "a.vector"]
    assert found["embedding"].to_pylist() == [[0.5]] * len(TEXTS)
    np.testing.assert_array_equal(vectors(found, "a.vector"), encoder.encode(TEXTS))
    assert fnet_ray.read_status(output).output_column == "a.vector"
    [[hit]] = fnet_ray.search(output, TEXTS[1], k=1, show=["embedding"]).results()
    assert (hit["source_row"], hit["embedding"], "a.vector" in hit) == (1, [0.5], False)
    assert main(["embed", str(preset_folder), str(corpus), str(output)]) == 2
    said = "begun with output_column='a.vector'.* Received: output_column='embedding'"
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize(
    "uri", ["models:/fnet/1", "models:/fnet@champion"], ids=["version", "alias"]
)
def test_a_registered_model_is_pinned_and_named_in_every_file(
    uri: str, registry: str, corpus: Path, tmp_path: Path, encoder: TextEncoder
) -> None:
    report = fnet_ray.embed(uri, corpus, tmp_path / "out")

    assert report.model == registry
    file = next((tmp_path / "out" / "embeddings").iterdir())
    metadata = pq.read_metadata(file).metadata
    assert metadata[b"fnet.model"] == registry.encode()
    assert metadata[b"fnet.digest"] == report.digest.encode()
    encoding = EncodingConfig.from_dict(json.loads(metadata[b"fnet.encoding"]))
    assert encoding == encoder.config


@pytest.fixture(scope="module")
def output(
    ray_session: None, tmp_path_factory: pytest.TempPathFactory, preset_folder: Path
) -> Path:
    folder = tmp_path_factory.mktemp("readers")
    corpus = write_parquet(folder / "corpus.parquet", TEXTS)
    fnet_ray.embed(preset_folder, corpus, folder / "out", id_column="id")
    return folder / "out" / "embeddings"


class TestReaders:
    """What readers see, with no Ray in sight."""

    def test_pyarrow(self, output: Path, encoder: TextEncoder) -> None:
        field = pq.read_table(output).schema.field("embedding")
        assert field.type == pa.list_(pa.float32(), encoder.dim)
        assert not field.nullable

    def test_pandas(self, output: Path, encoder: TextEncoder) -> None:
        frame = pd.read_parquet(output)
        assert list(frame["text"]) == TEXTS
        np.testing.assert_array_equal(np.stack(frame["embedding"].tolist()), encoder.encode(TEXTS))

    def test_polars(self, output: Path, encoder: TextEncoder) -> None:
        frame = pl.read_parquet(output)
        assert frame.schema["embedding"] == pl.Array(pl.Float32, encoder.dim)
        np.testing.assert_array_equal(frame["embedding"].to_numpy(), encoder.encode(TEXTS))

    def test_duckdb(self, output: Path, encoder: TextEncoder) -> None:
        rows = duckdb.sql(
            f"SELECT text, embedding::FLOAT[{encoder.dim}] AS e, array_cosine_similarity(e, e) "
            f"FROM read_parquet('{output}/*.parquet')"
        ).fetchall()
        assert [row[0] for row in rows] == TEXTS
        np.testing.assert_array_equal(
            np.array([row[1] for row in rows], np.float32), encoder.encode(TEXTS)
        )

    def test_ray(self, output: Path) -> None:
        import ray.data

        assert ray.data.read_parquet(str(output)).count() == len(TEXTS)


class TestNoRows:
    """A day without rows is a day that is done."""

    @pytest.mark.parametrize("name", ["corpus.parquet", "corpus.csv"])
    @pytest.mark.parametrize(
        "options",
        [{}, {"long_text": "split"}, {"long_text": "split", "windows": "mean"}],
        ids=str,
    )
    def test_the_output_is_empty_and_finished(
        self,
        name: str,
        options: dict,
        tmp_path: Path,
        preset_folder: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        corpus, output = WRITERS[name](tmp_path / name, []), tmp_path / "out"

        report = fnet_ray.embed(preset_folder, corpus, output, id_column="id", **options)

        assert (report.rows, report.embedded, report.rejected) == (0, 0, 0)
        found = pq.read_table(output / "embeddings")
        assert found.num_rows == 0
        assert found.schema.field("embedding").type == pa.list_(pa.float32(), 32)
        assert {"id", "label", "text"} < set(found.column_names)
        assert len(pd.read_parquet(output / "embeddings")) == 0
        assert fnet_ray.embed(preset_folder, corpus, output, id_column="id", **options) == replace(
            report,
            seconds=ANY,
            encoding_seconds=ANY,
            rows_per_second=ANY,
            tokens_per_second=ANY,
        )
        assert main(["status", str(output)]) == 0
        assert "finished: 0 of 0 rows (100%)" in capsys.readouterr().out

    @pytest.mark.system
    def test_days_with_and_without_rows_may_be_appended(
        self, tmp_path: Path, preset_folder: Path
    ) -> None:
        days = tmp_path / "days"
        days.mkdir()
        for number, texts in enumerate([[], ["a text"], [], ["another"]]):
            write_parquet(days / f"{number}.parquet", texts)
            report = fnet_ray.embed(preset_folder, days, tmp_path / "out", append=True)
        assert (report.rows, report.embedded) == (2, 2)
        found = pq.read_table(tmp_path / "out" / "embeddings")
        assert found["text"].to_pylist() == ["a text", "another"]

    def test_a_plan_of_no_rows(
        self, tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", [])
        assert (
            main(["embed", str(preset_folder), str(corpus), str(tmp_path / "out"), "--plan"]) == 0
        )
        assert capsys.readouterr().out.startswith("0 rows in 1 file, 1 shard\nabout 0 tokens")


@pytest.mark.parametrize("write", [write_parquet, write_json_lines])
def test_a_name_that_is_not_utf_8_is_stored_with_its_bytes_as_digits(
    write: Callable, tmp_path: Path, preset_folder: Path
) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    name = b"a.parquet" if write is write_parquet else b"a.jsonl"
    os.rename(write(tmp_path / "written", TEXTS), folder + b"/" + name)
    for _ in range(2):
        fnet_ray.embed(preset_folder, os.fsdecode(folder), tmp_path / "out")
    found = pq.read_table(tmp_path / "out" / "embeddings")
    assert set(found["source_file"].to_pylist()) == {f"{tmp_path}/caf\\xe9/{name.decode()}"}
    assert fnet_ray.preview(preset_folder, os.fsdecode(folder)).rows == len(TEXTS)


def test_an_output_whose_name_is_not_utf_8_is_refused(
    corpus: Path, tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    assert main(["embed", str(preset_folder), str(corpus), output]) == 2
    errors = capsys.readouterr().err
    assert errors.endswith("must be UTF-8. Received: " + f"{tmp_path}/caf\\xe9\n")
    assert main(["status", output]) == 2


@pytest.mark.parametrize("way", ["output", "inputs", "url"])
def test_an_output_inside_the_inputs_is_none_of_them_by_any_way(
    way: str, tmp_path: Path, preset_folder: Path
) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    write_parquet(real / "a.parquet", TEXTS)
    inputs, output = {
        "output": (real, link / "out"),
        "inputs": (link, real / "out"),
        "url": (f"file://{real}", real / "out"),
    }[way]
    for _ in range(2):
        assert fnet_ray.embed(preset_folder, inputs, output).rows == len(TEXTS)


def test_damaged_files_can_be_left_out(
    corpus: Path, tmp_path: Path, preset_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")

    report = fnet_ray.embed(
        preset_folder, tmp_path / "*.parquet", tmp_path / "out", skip_damaged=True
    )

    assert report.rows == len(TEXTS)
    assert "damaged.parquet" in caplog.text


def vectors(table: pa.Table, name: str = "embedding") -> np.ndarray:
    """The embeddings of a table, of shape `(rows, dim)`."""
    column = table[name].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)
