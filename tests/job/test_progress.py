"""Progress moves while shards are at hand, and never counts a row twice."""

import queue
import re
import time
from pathlib import Path

import pytest

import fnet_ray
from fnet_ray.output.commits import Commit
from fnet_ray.progress.live import Reporter, ShardProgress, start_board
from fnet_ray.progress.tally import Encoded, Progress, Tally
from tests.job.corpora import write_parquet


def commit(shard: int, rows: int) -> Commit:
    work = {"device": "cpu", "tokens": 7 * rows, "truncated": 0}
    return Commit(shard=shard, rows=rows, rejects=0, files=(), work=work)


def test_a_shard_at_work_counts_until_it_is_committed() -> None:
    tally = Tally(rows=300, shards=3)
    tally.add(commit(0, 100))
    encoded = {0: Encoded(100, 700), 1: Encoded(40, 280)}
    progress = tally.snapshot(encoded)
    assert (progress.encoded, progress.done, progress.tokens) == (140, 100, 980)
    tally.add(commit(1, 100))
    progress = tally.snapshot(encoded)
    assert (progress.encoded, progress.done, progress.tokens) == (200, 200, 1400)


def test_texts_that_are_cut_are_known_once_their_shard_is_tokenized() -> None:
    tally = Tally(rows=300, shards=3)
    assert tally.snapshot().cut_share == 0
    tokenized = {0: Encoded(0, 0, windows=100, truncated=75)}
    assert tally.snapshot(tokenized).cut_share == 0.75
    work = {"device": "cpu", "tokens": 7, "windows": 100, "truncated": 75}
    tally.add(Commit(shard=0, rows=100, rejects=0, files=(), work=work))
    assert tally.snapshot(tokenized).cut_share == 0.75
    assert tally.snapshot(tokenized | {1: Encoded(0, 0, windows=200)}).cut_share == 0.25


@pytest.mark.usefixtures("ray_session")
def test_a_job_that_cuts_most_texts_says_what_keeps_them_whole(
    tmp_path: Path, preset_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["a long text " * 100] * 600 + ["a short text"] * 300
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
    [said] = [r.getMessage() for r in caplog.records if "--long-text split" in r.getMessage()]
    assert re.match(r"\d+% of the texts are cut", said)


def test_rates_leave_out_what_was_done_before_and_the_time_until_work_began() -> None:
    tally = Tally(rows=300, shards=3)
    tally.started -= 100
    began = time.monotonic()
    assert tally.snapshot().seconds_left is None
    time.sleep(0.2)
    progress = tally.snapshot({0: Encoded(10, 70)})
    longest = time.monotonic() - began
    assert 10 / longest <= progress.rows_per_second <= 10 / 0.2
    assert progress.tokens_per_second == pytest.approx(7 * progress.rows_per_second)
    assert progress.seconds > 100


@pytest.mark.usefixtures("ray_session")
def test_rows_are_seen_before_their_shard_is_committed() -> None:
    seen: queue.Queue[Progress] = queue.Queue()
    board = start_board()
    reporter = Reporter(Tally(rows=300, shards=3), [seen.put], board)
    at_work = ShardProgress(board, 0, windows=100, truncated=25)
    with reporter:
        at_work.add(40, 280)
        while (progress := seen.get(timeout=60)).encoded == 0:
            pass
    assert (progress.encoded, progress.done, progress.tokens) == (40, 0, 280)
    assert progress.cut_share == 0.25


@pytest.mark.usefixtures("ray_session")
@pytest.mark.system
def test_a_job_of_several_seconds_reports_rows_of_shards_at_work(
    tmp_path: Path, preset_folder: Path
) -> None:
    texts = [f"{number} " + "a text of some length " * 20 for number in range(60_000)]
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)
    seen: list[Progress] = []
    fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False, on_progress=seen.append)
    assert any(progress.encoded > progress.done for progress in seen)
    assert seen[-1].encoded == seen[-1].done == 60_000


@pytest.mark.usefixtures("ray_session")
def test_an_error_of_the_callback_stops_the_job(tmp_path: Path, preset_folder: Path) -> None:
    def refuse(progress: Progress) -> None:
        raise ValueError("no more")

    corpus = write_parquet(tmp_path / "corpus.parquet", ["a text"] * 3_000)
    with pytest.raises(ValueError, match="no more"):
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False, on_progress=refuse)
