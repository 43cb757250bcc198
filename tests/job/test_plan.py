"""`fnet embed --plan` sees what the job would see, and bears what the job bears."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_registry.errors import InputError
from tests.job.corpora import write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")


def test_inputs_without_a_text_take_no_time(
    tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", [None, None])
    assert main(["embed", str(preset_folder), str(corpus), str(tmp_path / "out"), "--plan"]) == 0
    assert capsys.readouterr().out == (
        "2 rows in 1 file, 1 shard\nabout 0 tokens; 0.0% of the texts would be cut\n"
        "100.0% of the rows would be rejected\n"
    )


def test_bytes_that_are_no_text_are_passed_over(tmp_path: Path, preset_folder: Path) -> None:
    texts = pa.array([b"good", b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": texts}), tmp_path / "corpus.parquet")
    assert fnet_ray.preview(preset_folder, tmp_path / "corpus.parquet").rows == 2


def test_damaged_files_and_the_outputs_own_are_left_out(
    corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    (tmp_path / "out" / "embeddings").mkdir(parents=True)
    write_parquet(tmp_path / "out" / "embeddings" / "a.parquet", ["embedded"])
    found = fnet_ray.preview(preset_folder, tmp_path, output=tmp_path / "out", skip_damaged=True)
    assert (found.files, found.rows) == (2, 6)


@pytest.mark.parametrize("asked", [{"id_column": "key"}, {"keep": ["key"]}], ids=["id", "keep"])
def test_a_column_that_is_not_there(asked: dict, corpus: Path, preset_folder: Path) -> None:
    with pytest.raises(InputError, match="column 'key', which was asked for"):
        fnet_ray.preview(preset_folder, corpus, **asked)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"long_text": "split"},
        {"long_text": "split", "overlap": 20},
        {"long_text": "split", "overlap": 20, "windows": "mean"},
        {"long_text": "error"},
        {"reject_empty": True},
    ],
    ids=str,
)
def test_the_options_of_the_job_are_the_plans(
    options: dict, tmp_path: Path, preset_folder: Path
) -> None:
    corpus = write_parquet(tmp_path / "corpus.parquet", ["a long text " * 100, "short", "", None])
    found = fnet_ray.preview(preset_folder, corpus, **options)
    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", **options)
    assert (found.rows, found.tokens) == (report.rows, report.tokens)
    assert found.rejected_share == report.rejected / report.rows
    assert (found.truncated_share > 0) == (report.truncated > 0)
    assert found.seconds == pytest.approx(found.rows / found.rows_per_second)


def test_every_option_of_the_command_reaches_the_plan(
    corpus: Path, tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["embed", str(preset_folder), str(corpus), str(tmp_path / "out"), "--plan"]
    printed = []
    for options in ([], ["--long-text", "split"], ["--long-text", "split", "--overlap", "30"]):
        assert main([*command, *options]) == 0
        printed.append(capsys.readouterr().out.splitlines()[1])
    assert len(set(printed)) == 3
    assert "16.7% of the texts would be cut" in printed[0]
    assert "0.0% of the texts would be cut" in printed[1]
    write_parquet(corpus, ["a long text " * 100])
    assert main(command) == 0
    assert "--long-text split embeds all of each" in capsys.readouterr().out
    assert main([*command, "--overlap", "64"]) == 2
