"""A user's mistake is named before any work starts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_registry.errors import InputError, OutputError
from tests.job.corpora import TEXTS, write_json_lines, write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


def test_a_missing_file(tmp_path: Path, preset_folder: Path) -> None:
    with pytest.raises(InputError, match=r"must be a file, .* Received: .*none\.parquet"):
        fnet_ray.embed(preset_folder, tmp_path / "none.parquet", tmp_path / "out")


def test_inputs_that_are_all_inside_the_output(corpus: Path, preset_folder: Path) -> None:
    with pytest.raises(InputError, match=r"must lie outside the output, .* Received: .*parquet"):
        fnet_ray.embed(preset_folder, corpus, corpus.parent)
    assert not (corpus.parent / "run").exists()


def test_an_output_of_no_name(corpus: Path, preset_folder: Path) -> None:
    with pytest.raises(OutputError, match=r"must be a folder, such as out .* an empty path"):
        fnet_ray.embed(preset_folder, corpus, "")


def test_a_missing_column(corpus: Path, tmp_path: Path, preset_folder: Path) -> None:
    with pytest.raises(InputError, match=r"column 'body'.* Received: id, label, text in"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", column="body")
    assert not (tmp_path / "out").exists()


def test_a_missing_field(tmp_path: Path, preset_folder: Path) -> None:
    corpus = write_json_lines(tmp_path / "corpus.jsonl", TEXTS)
    with pytest.raises(InputError, match=r"no line has the field 'body'; .*corpus\.jsonl"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", column="body")


def test_a_column_of_numbers(corpus: Path, tmp_path: Path, preset_folder: Path) -> None:
    with pytest.raises(InputError, match=r"'label' must hold texts. Received: int64"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", column="label")


def test_an_unknown_format(tmp_path: Path, preset_folder: Path) -> None:
    (tmp_path / "corpus.docx").write_text("")
    with pytest.raises(InputError, match=r"must end in \.parquet, .* Received: .*docx"):
        fnet_ray.embed(preset_folder, tmp_path / "corpus.docx", tmp_path / "out")


def test_a_damaged_file(corpus: Path, tmp_path: Path, preset_folder: Path) -> None:
    corpus.write_bytes(corpus.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"cannot be read.* Received: .*corpus\.parquet"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out")


def test_an_empty_file(tmp_path: Path, preset_folder: Path) -> None:
    (tmp_path / "corpus.parquet").touch()
    with pytest.raises(InputError, match=r"cannot be read.* Received: .*corpus\.parquet"):
        fnet_ray.embed(preset_folder, tmp_path / "corpus.parquet", tmp_path / "out")


def test_no_file_that_can_be_read(tmp_path: Path, preset_folder: Path) -> None:
    (tmp_path / "corpus.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"must be readable\. Received: 1 damaged files"):
        fnet_ray.embed(
            preset_folder, tmp_path / "corpus.parquet", tmp_path / "out", skip_damaged=True
        )


def test_columns_of_two_types(tmp_path: Path, preset_folder: Path) -> None:
    write_parquet(tmp_path / "a.parquet", TEXTS)
    pq.write_table(pa.table({"text": ["a"], "label": ["b"]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match=r"'label' must have one type .*int64 .*string"):
        fnet_ray.embed(preset_folder, tmp_path / "*.parquet", tmp_path / "out")


def test_a_column_named_as_ours(tmp_path: Path, preset_folder: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "embedding": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"leave .* out with --keep\. Received: embedding"):
        fnet_ray.embed(preset_folder, tmp_path / "a.parquet", tmp_path / "out")


def test_an_output_that_holds_other_files(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    write_parquet_into = tmp_path / "out" / "embeddings"
    write_parquet_into.mkdir(parents=True)
    write_parquet(write_parquet_into / "mine.parquet", TEXTS)
    with pytest.raises(OutputError, match="files of another origin"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
