"""A finished output that was damaged: it is noticed, named, and made anew by the same command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
import fnet_ray.output.rejects as reasons
from fnet_cli.main import main
from fnet_ray.output.audit import _wrong
from fnet_ray.output.commits import commit_shard
from fnet_ray.output.local_store import LocalStore
from fnet_ray.stages.commit import CommitShard
from fnet_ray.stages.message import pack
from fnet_registry.errors import JobError, OutputError
from tests.job.corpora import write_json_lines, write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")

ROWS = 1200
SHARD = "shard-00000001"
DATA, REJECTS = f"embeddings/{SHARD}.parquet", f"rejects/{SHARD}.parquet"
COMMIT = f"run/done/{SHARD}.json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, preset_folder: Path, ray_session) -> Path:
    """A folder with a corpus and the output of a job of several shards."""
    folder = tmp_path_factory.mktemp("finished")
    texts = [f"text number {i}" if i % 20 else None for i in range(ROWS)]
    corpus = write_parquet(folder / "corpus.parquet", texts)
    fnet_ray.embed(preset_folder, corpus, folder / "out", tracking=False)
    assert (folder / "out" / DATA).exists()
    return folder


@pytest.fixture
def output(finished: Path, tmp_path: Path) -> Path:
    """The same output, to be damaged."""
    return shutil.copytree(finished / "out", tmp_path / "out")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = bytes(byte ^ 0xFF for byte in data[middle : middle + 60])
    file.write_bytes(data)


def to_another_shards(file: Path) -> None:
    file.write_bytes(file.with_name(file.name.replace("00000001", "00000000")).read_bytes())


def check_made_anew(finished: Path, output: Path, preset_folder: Path) -> None:
    """The same call makes the one damaged shard, which then is as it was, and no other."""
    others = {
        file: file.stat().st_mtime_ns
        for file in (output / "embeddings").iterdir()
        if file.name != f"{SHARD}.parquet"
    }
    report = fnet_ray.embed(preset_folder, finished / "corpus.parquet", output, tracking=False)
    assert (report.rows, report.rejected) == (ROWS, ROWS // 20)
    for name in (DATA, REJECTS):
        assert pq.read_table(output / name).equals(pq.read_table(finished / "out" / name))
    assert {file: file.stat().st_mtime_ns for file in others} == others
    assert fnet_ray.read_status(output, check=True).state == "finished"


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (DATA, cut),
        (DATA, Path.unlink),
        (REJECTS, cut),
        (COMMIT, empty),
        (COMMIT, cut),
        (COMMIT, to_another_shards),
    ],
)
def test_a_damaged_shard_is_named_and_made_anew(
    name: str,
    damage: Callable[[Path], None],
    finished: Path,
    output: Path,
    preset_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(output / name)

    assert main(["status", str(output)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("stopped: ")
    assert f"shard 1 is damaged: {name} " in printed

    check_made_anew(finished, output, preset_folder)


@pytest.mark.parametrize("name", [DATA, REJECTS])
def test_bytes_that_changed_are_found_by_a_check(
    name: str,
    finished: Path,
    output: Path,
    preset_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flip(output / name)
    assert main(["status", str(output)]) == 0
    capsys.readouterr()

    assert main(["status", str(output), "--check"]) == 1
    printed = capsys.readouterr().out
    assert f"shard 1 is damaged: {name} does not hold the bytes that were committed" in printed
    assert "the same fnet embed command embeds damaged shards again" in printed

    check_made_anew(finished, output, preset_folder)


@pytest.mark.parametrize("damage", [cut, Path.unlink])
def test_a_damaged_converted_input_is_made_anew_where_a_shard_needs_it(
    damage: Callable[[Path], None], tmp_path: Path, preset_folder: Path
) -> None:
    corpus, output = write_json_lines(tmp_path / "corpus.jsonl", ["a text"]), tmp_path / "out"
    fnet_ray.embed(preset_folder, corpus, output, tracking=False)
    [converted] = (output / "run" / "staged").iterdir()
    damage(converted)
    next((output / "embeddings").iterdir()).unlink()
    assert fnet_ray.embed(preset_folder, corpus, output, tracking=False).embedded == 1


def test_rows_that_are_neither_embedded_nor_rejected_are_never_committed(tmp_path: Path) -> None:
    store = LocalStore(root=tmp_path)
    commit = CommitShard(store=store, carried=pa.schema([]), places=frozenset(), metadata={})
    tables = {
        "embedded": pa.table({"embedding": [1.0]}),
        "rejected": reasons.REJECTS.empty_table(),
        "work": pa.table({"rows": [2], "embedded": [1]}),
    }
    with pytest.raises(JobError, match=r"Received: 2 rows, 1 embedded, 0 rejected"):
        commit(pack(0, tables))
    assert store.names("run/done") == store.names("embeddings") == []


def test_a_whole_output_passes_the_check(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(output), "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damage"] == {}


def test_files_beside_the_commits_and_the_data_are_left_alone(
    finished: Path, output: Path, preset_folder: Path
) -> None:
    names = ["run/done/notes.txt", "run/done/shard-00000001 (copy).json", "embeddings/_metadata"]
    for name in names:
        (output / name).write_text("mine")
    check_made_anew(finished, output, preset_folder)
    assert [(output / name).read_text() for name in names] == ["mine"] * 3


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("name", ["run/manifest.json", "run/inputs-0000.parquet"])
def test_a_damaged_record_is_a_clear_error(
    name: str,
    damage: Callable[[Path], None],
    finished: Path,
    output: Path,
    preset_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(output / name)
    corpus = finished / "corpus.parquet"
    for arguments in (["status"], ["embed", str(preset_folder), str(corpus)]):
        assert main([*arguments, str(output)]) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("fnet: error: ")
        assert errors.count("\n") == 1
        assert str(output) in errors


def test_the_record_of_what_was_begun_says_the_way_out(output: Path) -> None:
    cut(output / "run/manifest.json")
    with pytest.raises(OutputError, match=r"from a copy, or choose another output\. Received"):
        fnet_ray.read_status(output)


def test_a_file_that_moves_while_it_is_checked_is_whole(tmp_path: Path) -> None:
    store = LocalStore(root=tmp_path)
    files = {"embeddings": (b"data", 1)}
    [file] = commit_shard(store, 0, rows=1, rejects=0, files=files, work={}).files
    listed_before = {file.uncommitted: file.size}
    assert _wrong(store, file, listed_before, digests=True) is None
    store.remove(file.name)
    assert "does not hold" in str(_wrong(store, file, listed_before, digests=True))
