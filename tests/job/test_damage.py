"""Damaged input: what can be read goes through, the other rows are rejects with the reason."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_ray.corpus.damage import invalid_values
from fnet_ray.corpus.files import find_inputs
from fnet_ray.corpus.planning import open_corpus
from fnet_ray.options import Parameters
from fnet_ray.output.local_store import LocalStore
from fnet_registry.errors import InputError
from tests.job.corpora import TEXTS, WRITERS, write_parquet

pytestmark = pytest.mark.usefixtures("ray_session")

ROWS, GROUP = 600, 200
DAMAGED = set(range(GROUP, 2 * GROUP))
"""The rows of the second of three row groups."""


def write(path: Path, **options) -> Path:
    texts = [f"text number {i}" for i in range(ROWS)]
    return write_parquet(path, texts, row_group_size=GROUP, use_dictionary=False, **options)


def chunk(path: Path, column: str) -> tuple[int, int]:
    """Where a column of the second row group begins in a file, and its bytes."""
    group = pq.read_metadata(path).row_group(1)
    columns = [group.column(number) for number in range(group.num_columns)]
    [found] = [each for each in columns if each.path_in_schema == column]
    return found.data_page_offset, found.total_compressed_size


def flip(path: Path, start: int, count: int = 60) -> None:
    data = bytearray(path.read_bytes())
    data[start : start + count] = bytes(byte ^ 0xFF for byte in data[start : start + count])
    path.write_bytes(data)


def flip_page(path: Path, column: str) -> Path:
    """Flip 60 bytes in the middle of a column of the second row group."""
    start, size = chunk(path, column)
    flip(path, start + size // 2)
    return path


def rejects(output: Path) -> list[dict]:
    return pq.read_table(output / "rejects").sort_by("source_row").to_pylist()


def embedded_rows(output: Path) -> list[int]:
    return sorted(pq.read_table(output / "embeddings")["label"].to_pylist())


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd"])
def test_a_damaged_row_group_takes_its_rows_and_no_others(
    compression: str, tmp_path: Path, preset_folder: Path
) -> None:
    for column in ("text", "label"):
        path = write(tmp_path / f"{column}.parquet", compression=compression)
        start, size = chunk(path, column)
        # In the middle of a page, Zstandard tells damage from data only by luck.
        flip(path, start if compression == "zstd" else start + size // 2)
    write_parquet(tmp_path / "whole.parquet", TEXTS)

    report = fnet_ray.embed(
        preset_folder, tmp_path / "*.parquet", tmp_path / "out", id_column="id", tracking=False
    )

    assert (report.rejected, report.damaged) == (2 * GROUP, 2 * GROUP)
    kept = [row for row in range(ROWS) if row not in DAMAGED]
    assert embedded_rows(tmp_path / "out") == sorted([*kept, *kept, *range(len(TEXTS))])
    lost = rejects(tmp_path / "out")
    for name in ("text.parquet", "label.parquet"):
        found = [row for row in lost if row["source_file"] == str(tmp_path / name)]
        assert [row["source_row"] for row in found] == sorted(DAMAGED)
        assert [row["id"] for row in found] == [f"row-{row}" for row in sorted(DAMAGED)]
    assert all(row["reason"].startswith("damaged row group 1: ") for row in lost)


def test_an_id_that_cannot_be_read_is_null(tmp_path: Path, preset_folder: Path) -> None:
    corpus = flip_page(write(tmp_path / "a.parquet"), "id")
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", id_column="id", tracking=False)
    lost = rejects(tmp_path / "out")
    assert [(row["id"], row["source_row"]) for row in lost] == [(None, r) for r in sorted(DAMAGED)]


def test_damage_to_a_column_that_is_not_asked_for_is_none(
    tmp_path: Path, preset_folder: Path
) -> None:
    corpus = flip_page(write(tmp_path / "a.parquet"), "label")
    report = fnet_ray.embed(
        preset_folder, corpus, tmp_path / "out", id_column="id", keep=[], tracking=False
    )
    assert (report.embedded, report.rejected) == (ROWS, 0)


def test_a_row_group_of_fewer_rows_than_the_footer_names(
    tmp_path: Path, preset_folder: Path
) -> None:
    """As where a page's header is damaged so that it can still be read."""
    few = [f"text number {i}" for i in range(GROUP)]
    corpus = write_parquet(tmp_path / "a.parquet", few, compression="none", use_dictionary=False)
    data = corpus.read_bytes()
    many = write_parquet(
        tmp_path / "b.parquet", [*few, *few], compression="none", use_dictionary=False
    ).read_bytes()
    length = int.from_bytes(many[-8:-4], "little") + 8
    corpus.write_bytes(data + many[-length:])  # the footer of a file of twice the rows

    report = fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)

    assert (report.embedded, report.damaged) == (0, 2 * GROUP)


def test_values_that_no_reader_of_the_output_could_read_are_rejected(
    tmp_path: Path, preset_folder: Path
) -> None:
    names = pa.array([b"good", b"\xff\xfe", b"also good"], pa.binary()).view(pa.string())
    corpus = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS[:3], "name": names, "id": names}), corpus)

    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", id_column="id", tracking=False)

    assert pq.read_table(tmp_path / "out" / "embeddings")["name"].to_pylist() == [
        "good",
        "also good",
    ]
    [row] = rejects(tmp_path / "out")
    assert (row["id"], row["source_row"]) == (None, 1)
    assert row["reason"] == "the column 'id' holds no valid string"


def test_the_command_ends_with_status_1_and_says_how_many(
    tmp_path: Path, preset_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = flip_page(write(tmp_path / "a.parquet", compression="gzip"), "text")
    arguments = ["embed", str(preset_folder), str(corpus), str(tmp_path / "out"), "--no-tracking"]
    for _ in range(2):
        assert main(arguments) == 1
        printed = capsys.readouterr().out
        assert f"{ROWS - GROUP} rows embedded" in printed
        assert f"damaged     {GROUP} of these could not be read" in printed


def test_a_plan_samples_around_the_damage(tmp_path: Path, preset_folder: Path) -> None:
    corpus = flip_page(write(tmp_path / "a.parquet", compression="gzip"), "text")
    assert fnet_ray.preview(preset_folder, corpus).rows == ROWS


def test_no_damage_to_a_files_data_stops_a_job(tmp_path: Path, preset_folder: Path) -> None:
    """Whatever bytes are hit, each row is embedded or rejected."""
    luck = random.Random(0)
    for number, compression in enumerate(["none", "snappy", "gzip", "zstd", "lz4", "brotli"] * 4):
        path = write(tmp_path / f"{number:02d}.parquet", compression=compression)
        start, size = chunk(path, luck.choice(["id", "label", "text"]))
        flip(path, start + luck.randrange(size - 60))
    report = fnet_ray.embed(
        preset_folder, tmp_path / "*.parquet", tmp_path / "out", id_column="id", tracking=False
    )
    assert report.rows == 24 * ROWS
    assert report.damaged > 0
    assert report.damaged % GROUP == 0
    assert pq.read_table(tmp_path / "out" / "rejects").num_rows == report.rejected


class TestFilesThatCannotBeOpened:
    """These stop a job before it starts, or are left out with `--skip-damaged`."""

    @staticmethod
    def half(path: Path) -> None:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    @staticmethod
    def footer(path: Path) -> None:
        flip(path, path.stat().st_size - 200, 100)

    @pytest.mark.parametrize("damage", [half, footer], ids=["cut", "its footer"])
    def test_parquet(self, damage: Callable, tmp_path: Path) -> None:
        damage(write(tmp_path / "a.parquet"))
        self.check(tmp_path)

    @pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.csv"])
    @pytest.mark.parametrize("damage", ["cut", "flipped"])
    def test_compressed_lines(self, damage: str, name: str, tmp_path: Path) -> None:
        luck = random.Random(0)
        plain = WRITERS[name](tmp_path / name, [str(luck.random()) for _ in range(5000)])
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        if damage == "cut":
            self.half(path)
        else:
            flip(path, path.stat().st_size // 2)
        self.check(tmp_path)

    def check(self, folder: Path) -> None:
        files = find_inputs(write_parquet(folder / "z.parquet", TEXTS))
        files += [file for file in find_inputs(folder) if file not in files]
        store = LocalStore(root=folder / "out")
        with pytest.raises(InputError, match=r"cannot be read: .*--skip-damaged.* Received: "):
            open_corpus(files, store, Parameters())
        found = open_corpus(files, store, Parameters(), skip_damaged=True)
        assert [each.rows for each in found.inputs] == [len(TEXTS), 0]
        assert found.carried.names == ["id", "label", "text"]


def test_a_value_that_is_no_text_in_a_list_is_that_of_its_row_alone() -> None:
    values = pa.array([b"ok", b"\xff", b"ok"] * 3, pa.binary()).view(pa.string())
    lists = pa.chunked_array([pa.ListArray.from_arrays(pa.array(range(10), pa.int32()), values)])
    assert invalid_values(lists) == [1, 4, 7]
    assert invalid_values(lists.slice(2, 2)) == []
