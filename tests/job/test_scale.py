"""Plans of a hundred thousand shards, and readers of large files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.corpus.damage import read_rows
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import Format
from fnet_ray.corpus.shards import Plan, Source
from fnet_ray.progress.tally import Progress


def source(path: str, rows: int) -> Source:
    file = InputFile(path=path, format=Format.PARQUET, size=1, version="1")
    return Source(file=file, data=path, rows=rows)


def test_a_plan_may_have_100000_shards_over_as_many_files() -> None:
    sources = tuple(source(f"{i}.parquet", 70) for i in range(100_000))
    plan = Plan(sources=sources, rows=7_000_000, shard_rows=70)
    shards = list(plan.pieces())
    assert len(shards) == len(plan.shards) == 100_000


@pytest.mark.parametrize("shard_rows", [1, 3, 7, 10, 100])
def test_shards_hold_every_row_once_in_order(shard_rows: int) -> None:
    sources = (source("a", 5), source("b", 0), source("c", 1), source("d", 12))
    plan = Plan(sources=sources, rows=17, shard_rows=shard_rows, first_shard=4)

    shards = dict(plan.pieces())

    assert list(shards) == list(plan.shards)
    for number, pieces in shards.items():
        assert sum(piece.rows for piece in pieces) == plan.shard_length(number)
    rows = [(p.source, p.start + i) for s in shards.values() for p in s for i in range(p.rows)]
    expected = [(each.data, i) for each in sources for i in range(each.rows)]
    assert rows == expected[:17]


@pytest.mark.parametrize("group_rows", [7, 64, 1000])
def test_any_run_of_rows_is_read_from_any_row_groups(group_rows: int, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(500)}), path, row_group_size=group_rows)
    for start, rows in [(0, 500), (0, 1), (499, 1), (63, 66), (250, 100)]:
        with pq.ParquetFile(path) as file:
            found = read_rows(file, start, rows, ["n"])
        assert found["n"].to_pylist() == list(range(start, start + rows))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session")
def test_a_job_of_100000_shards_commits_its_first(
    tmp_path: Path, preset_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fnet_ray

    class FirstError(Exception):
        """The first shard is done."""

    def stop(progress: Progress) -> None:
        raise FirstError

    monkeypatch.setattr("fnet_ray.corpus.planning.shard_rows", lambda *_: 10)
    pq.write_table(pa.table({"text": ["a"] * 1_000_000}), tmp_path / "corpus.parquet")
    with pytest.raises(FirstError):
        fnet_ray.embed(
            preset_folder,
            tmp_path / "corpus.parquet",
            tmp_path / "out",
            tracking=False,
            on_progress=stop,
        )
    assert fnet_ray.read_status(tmp_path / "out").shards == 100_000
