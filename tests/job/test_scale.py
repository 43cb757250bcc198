"""Jobs of a hundred thousand shards, and readers of large files."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fnet_ray.corpus.damage import read_range
from fnet_ray.corpus.files import InputFile
from fnet_ray.corpus.formats import PARQUET
from fnet_ray.corpus.shards import Input, RowRange, Sharding
from fnet_ray.progress.tally import Progress
from fnet_ray.stages.read import shard_request
from fnet_ray.stages.requests import ShardRequests


def of_rows(path: str, rows: int) -> Input:
    file = InputFile(path=path, format=PARQUET, size=1, version="1")
    return Input(file=file, parquet=path, rows=rows)


def test_a_job_may_have_100000_shards_over_as_many_files() -> None:
    inputs = tuple(of_rows(f"{i}.parquet", 70) for i in range(100_000))
    sharding = Sharding(inputs=inputs, rows=7_000_000, shard_rows=70)
    shards = list(sharding.ranges())
    assert len(shards) == len(sharding.shards) == 100_000


@pytest.mark.parametrize("shard_rows", [1, 3, 7, 10, 100])
def test_shards_hold_every_row_once_in_order(shard_rows: int) -> None:
    inputs = (of_rows("a", 5), of_rows("b", 0), of_rows("c", 1), of_rows("d", 12))
    sharding = Sharding(inputs=inputs, rows=17, shard_rows=shard_rows, first_shard=4)

    shards = dict(sharding.ranges())

    assert list(shards) == list(sharding.shards)
    for number, ranges in shards.items():
        assert sum(each.rows for each in ranges) == sharding.shard_length(number)
    rows = [(r.source, r.start + i) for s in shards.values() for r in s for i in range(r.rows)]
    expected = [(each.parquet, i) for each in inputs for i in range(each.rows)]
    assert rows == expected[:17]


def test_every_shard_that_is_left_is_asked_for_once_of_appended_inputs_too() -> None:
    first = Sharding(inputs=(of_rows("a", 5), of_rows("b", 4)), rows=9, shard_rows=2)
    empty = Sharding(inputs=(of_rows("c", 0),), rows=0, shard_rows=7, first_shard=5)
    last = Sharding(inputs=(of_rows("d", 3),), rows=3, shard_rows=2, first_shard=5)
    expected = [
        shard_request(shard, ranges)
        for sharding in (first, empty, last)
        for shard, ranges in sharding.ranges({"b": "s3://signed/b"})
    ]
    assert len(expected) == 7

    requests = ShardRequests([first, empty, last], {"b": "s3://signed/b"}, done={1, 5})

    assert list(requests) == [each for each in expected if each["shard"] not in (1, 5)]
    assert requests[-1:] == expected[-1:]
    assert not ShardRequests([first], {}, done=set(first.shards))


def test_requests_for_a_million_shards_are_made_one_by_one() -> None:
    sharding = Sharding(inputs=(of_rows("a", 10**9),), rows=10**9, shard_rows=1000)
    tracemalloc.start()
    requests = ShardRequests([sharding], {})
    last = requests[999_999]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert last == shard_request(999_999, sharding.ranges_of(999_999))
    assert peak < 64 << 20


@pytest.mark.parametrize("group_rows", [7, 64, 1000])
def test_any_run_of_rows_is_read_from_any_row_groups(group_rows: int, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": range(500)}), path, row_group_size=group_rows)
    for start, rows in [(0, 500), (0, 1), (499, 1), (63, 66), (250, 100)]:
        wanted = RowRange(source=str(path), parquet=str(path), start=start, rows=rows)
        found = read_range(wanted, "n", set(), places=set())
        assert found["n"].to_pylist() == list(range(start, start + rows))


@pytest.mark.slow
@pytest.mark.timeout(600)
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
