"""`fnet embed` and `fnet status`, as a user types them."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from fnet_cli.main import main
from tests.job.corpora import TEXTS, write_json_lines

pytestmark = pytest.mark.usefixtures("ray_session")


def test_a_job_says_what_it_did_and_status_says_how_far_it_is(
    registry: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out")
    assert main(["embed", registry, str(corpus), output, "--id-column", "id"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("finished: 6 rows embedded with models:/fnet/1 in ")
    assert "\n1 text was cut to the model's sequence length\n" in printed
    assert f"{output}/embeddings/*.parquet" in printed

    assert main(["embed", registry, str(corpus), output, "--id-column", "id"]) == 0
    assert capsys.readouterr().out.startswith("finished already: 6 rows embedded with")
    again = str(tmp_path / "elsewhere/../out")
    assert main(["embed", registry, str(corpus), again, "--id-column", "id", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["rows"], report["before"], report["output"]) == (6, 6, output)

    assert main(["status", output]) == 0
    assert "finished: 6 of 6 rows (100%)" in capsys.readouterr().out
    assert main(["status", output, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shards_done"] == 1


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_says_how_to_go_on(
    registry: str, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    # Without MLflow's database, which an interrupted commit would leave locked in this process.
    command = ["embed", registry, str(corpus), str(output), "--no-tracking"]

    def press() -> None:
        while not (output / "run" / "manifest.json").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    assert main(command) == 130
    pressing.join()
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == "fnet: stopped; the same command goes on from here"
    assert told.out == ""
    assert main(command) == 0
    assert "6 rows embedded" in capsys.readouterr().out


def test_a_plan_writes_nothing(
    registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write_json_lines(tmp_path / "corpus.jsonl", TEXTS)
    assert main(["embed", registry, str(corpus), str(tmp_path / "out"), "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "6 rows in 1 file, 1 shard" in printed
    assert "16.7% of the texts would be cut" in printed
    command = ["embed", registry, str(corpus), str(tmp_path / "out"), "--plan", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 6
    assert list(tmp_path.iterdir()) == [corpus]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models:/fnet/1", "none.parquet", "out"], "must be a file, a folder or a glob"),
        (["models:/fnet/1", "corpus.parquet", "out", "--column", "body"], "column 'body'"),
        (["models:/fnet/99", "corpus.parquet", "out"], "version=99"),
        (["models:/nobody/1", "corpus.parquet", "out"], "nobody"),
        (["folder", "corpus.parquet", "out"], "config.json"),
        (["models:/fnet/1", "corpus.parquet", "out", "--workers", "0"], "number or MIN:MAX"),
        (["models:/fnet/1", "corpus.parquet", "ftp://out"], "must be a local folder"),
        (["models:/fnet/1", "corpus.parquet", "out", "--overlap", "64"], "overlap"),
        (
            ["folder", "corpus.parquet", "out", "--overlap", "1"],
            "--overlap needs --long-text split",
        ),
        (["folder", "corpus.parquet", "out", "--windows", "mean"], "--windows needs --long-text"),
        (["folder", "corpus.parquet", "out", "--whole-files"], "needs plain text files. Received"),
        (["folder", "corpus.parquet", "out", "--delimiter", ";"], "--delimiter needs CSV or TSV"),
        (["folder", "corpus.parquet", "out", "--header", "a", "--plan"], "--header needs CSV or"),
        (["models:/fnet/1", "corpus.parquet", "out", "--limit", "0"], "limit"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    arguments: list[str],
    words: str,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["embed", *arguments]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("fnet: error: ")
    assert words in errors
    assert errors.count("\n") == 1


def test_the_status_of_a_folder_without_a_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "Expected the output of an embedding job" in capsys.readouterr().err
