"""Vectors taken over from an older output: those that a fresh run makes, to the last bit."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fnet_ray
from fnet_cli.main import main
from fnet_ray.output.layout import GONE
from fnet_ray.output.manifest import FORMAT_VERSION, Manifest
from fnet_ray.output.stores import open_store
from fnet_ray.reuse.hashes import hash_column, hashes_of, text_hashes
from fnet_ray.reuse.known import KnownTexts
from tests.job.corpora import WRITERS, write_parquet
from tests.job.test_resume import StoppedError, stop_after

pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("ray_session")]

STORED, DATA = Path(__file__).parent / "stored", Path(__file__).parents[1] / "data"
LONG = " ".join(f"word{i}" for i in range(90))
TEXTS = ["one", "two", "", LONG, None, "naïve", "nai\u0308ve", "two", LONG + " more", "last"]
EDITED = ["last", "two", None, "new", LONG, "", "one", "nai\u0308ve", "new", LONG + " else"]
KNOWN = 6
"""How many texts of the edited rows the first ones hold."""

TWO_THREADS = fnet_ray.WorkerRequest(workers=(1, 1), cpus_per_worker=2)
PAIR = ("text", "embedding")

Embed = Callable[..., fnet_ray.Report]


@pytest.fixture(scope="module")
def embed(preset_folder: Path) -> Embed:
    def run(corpus: Any, output: Path, model: Any = preset_folder, **options: Any) -> Any:
        return fnet_ray.embed(model, corpus, output, tracking=False, **options)

    return run


@pytest.fixture(scope="module")
def older(embed: Embed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output of `TEXTS` that no test changes."""
    folder = tmp_path_factory.mktemp("older")
    embed(write_parquet(folder / "corpus.parquet", TEXTS), folder / "out")
    return folder / "out"


@pytest.fixture
def changed(older: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(older, tmp_path / "changed"))


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "edited.parquet", EDITED)


def stored(output: Path) -> pa.Table:
    """All rows of an output; equal tables hold equal bits."""
    return pq.read_table(output / "embeddings")


def gone(output: Path) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pq.read_table(output / GONE).to_pylist()]


@pytest.mark.parametrize(
    "options",
    [
        {"keep": [], "embedding_dtype": "float16", "long_text": "error"},
        {"id_column": "id", "long_text": "split", "overlap": 5, "output_column": "vector"},
        {"long_text": "split", "windows": "mean"},
    ],
    ids=str,
)
def test_a_run_that_reuses_gives_the_bits_of_a_fresh_one(
    options: dict[str, Any], tmp_path: Path, edited: Path, embed: Embed
) -> None:
    old = write_parquet(tmp_path / "old.parquet", TEXTS)
    embed(old, tmp_path / "old", **options)
    fresh = embed(edited, tmp_path / "fresh", **options)
    again = embed(edited, tmp_path / "again", reuse=tmp_path / "old", **options)

    assert stored(tmp_path / "again").equals(stored(tmp_path / "fresh"))
    assert again.reused == KNOWN - (options["long_text"] == "error")
    assert (again.embedded, again.rejected) == (fresh.embedded, fresh.rejected)
    assert again.truncated == fresh.truncated
    assert again.tokens < fresh.tokens


@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.csv"])
def test_files_may_be_edited_renamed_moved_and_of_another_format(
    name: str, older: Path, tmp_path: Path, embed: Embed
) -> None:
    folder = tmp_path / "deep" / "er"
    folder.mkdir(parents=True)
    WRITERS[name](folder / f"b-{name}", EDITED[:4])
    WRITERS[name](tmp_path / f"a-{name}", EDITED[4:])
    fresh = embed(tmp_path, tmp_path / "fresh")
    again = embed(tmp_path, tmp_path / "again", reuse=older)
    assert stored(tmp_path / "again").equals(stored(tmp_path / "fresh"))
    assert (fresh.reused, fresh.gone, again.reused) == (0, None, KNOWN)
    assert [row for _, _, row in gone(tmp_path / "again")] == [5, 8]


class TestWhatIsTakenOver:
    """Texts alone tell: equal ones from any row, and no others."""

    def test_the_other_columns_are_those_of_now(
        self, older: Path, edited: Path, tmp_path: Path, embed: Embed
    ) -> None:
        embed(edited, tmp_path / "out", reuse=older)
        labels = {row["text"]: row["label"] for row in stored(tmp_path / "out").to_pylist()}
        assert labels["last"] == 0
        assert labels["one"] == 6

    def test_a_text_of_another_normal_form_is_another_text(
        self, older: Path, tmp_path: Path, embed: Embed
    ) -> None:
        texts = ["na\u00efve", "nai\u0308ve", "\uff4e\uff41\u00efve"]
        corpus = write_parquet(tmp_path / "corpus.parquet", texts)
        assert embed(corpus, tmp_path / "out", reuse=older).reused == 2

    def test_rows_that_were_rejected_are_tried_again(
        self, older: Path, tmp_path: Path, embed: Embed
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", [None, "one", ""])
        report = embed(corpus, tmp_path / "out", reuse=older, reject_empty=True)
        assert (report.reused, report.embedded, report.rejected) == (1, 1, 2)

    def test_it_meets_append(self, older: Path, tmp_path: Path, embed: Embed) -> None:
        first = write_parquet(tmp_path / "a.parquet", ["brand new"])
        second = write_parquet(tmp_path / "b.parquet", ["two", "newer"])
        embed(first, tmp_path / "out")
        report = embed([first, second], tmp_path / "out", append=True, reuse=older)
        assert (report.rows, report.reused) == (3, 1)
        chained = embed(second, tmp_path / "chained", reuse=tmp_path / "out")
        assert (chained.reused, chained.gone, chained.tokens) == (2, 1, 0)
        rows = {row["text"]: row["embedding"] for row in stored(tmp_path / "chained").to_pylist()}
        assert rows["two"] == stored(older)["embedding"][1].as_py()

    def test_the_preview_says_how_much(
        self, older: Path, edited: Path, preset_folder: Path
    ) -> None:
        found = fnet_ray.preview(preset_folder, edited, reuse=older)
        assert found.reused_share == KNOWN / len(EDITED)


def test_what_went_away_is_told_by_ids_where_both_outputs_have_them(
    tmp_path: Path, embed: Embed
) -> None:
    def write(name: str, rows: dict[int, str]) -> Path:
        table = pa.table({"id": list(rows), "text": list(rows.values())})
        pq.write_table(table, tmp_path / name)
        return tmp_path / name

    before = write("before.parquet", {1: "one", 2: "two " * 99, 3: "three", 4: "three"})
    after = write("after.parquet", {1: "edited", 4: "three"})
    options: dict[str, Any] = {"id_column": "id", "long_text": "split"}
    embed(before, tmp_path / "old", **options)
    report = embed(after, tmp_path / "new", reuse=tmp_path / "old", **options)
    assert (report.reused, report.gone) == (1, 2)
    assert gone(tmp_path / "new") == [("2", None, None), ("3", None, None)]


def test_equal_texts_of_a_shard_are_computed_once(
    tmp_path: Path, preset_folder: Path, embed: Embed
) -> None:
    once = embed(write_parquet(tmp_path / "a.parquet", ["a", LONG]), tmp_path / "once")
    texts = ["a", LONG, None, "a", LONG, LONG]
    twice = embed(write_parquet(tmp_path / "b.parquet", texts), tmp_path / "twice")
    assert (twice.tokens, twice.embedded, twice.truncated) == (once.tokens, 5, 3)
    vectors = np.array(stored(tmp_path / "twice")["embedding"].to_pylist())
    first = np.array(stored(tmp_path / "once")["embedding"].to_pylist())
    np.testing.assert_array_equal(vectors, first[[0, 1, 0, 1, 1]])


class TestWhatIsNotTakenOver:
    """Vectors that a fresh run would not make, and those that nobody can vouch for."""

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"model": DATA / "transformers_base"}, "the model's digest was '.*' and is '"),
            ({"embedding_dtype": "float16"}, "embedding_dtype was 'float32' and is 'float16'"),
            ({"long_text": "split"}, "long_text was 'truncate' and is 'split'"),
            ({"dtype": "bfloat16"}, "1 of 1 shards .*: dtype was 'float32' and is 'bfloat16'"),
            ({"workers": TWO_THREADS}, "1 of 1 shards .*: threads was 1 and is 2"),
        ],
        ids=["model", "stored dtype", "long texts", "dtype", "threads"],
    )
    def test_those_of_another_kind(
        self, options: Any, why: str, older: Path, tmp_path: Path, embed: Embed, caplog: Any
    ) -> None:
        corpus = write_parquet(tmp_path / "corpus.parquet", TEXTS)
        report = embed(corpus, tmp_path / "out", reuse=older, **options)
        assert (report.reused, report.gone) == (0, 0)
        assert re.search(f"{older} (is|are not) reused: {why}", caplog.text)

    @pytest.mark.parametrize("name", ["processor", "device", "versions"])
    def test_those_that_something_else_computed(
        self, name: str, changed: Path, edited: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        [commit] = (changed / "run" / "done").iterdir()
        values = json.loads(commit.read_text())
        values["work"][name] = "something else"
        commit.write_text(json.dumps(values))
        assert fnet_ray.preview(preset_folder, edited, reuse=changed).reused_share == 0

    def test_those_whose_file_was_changed_although_it_is_as_long(
        self, changed: Path, edited: Path, tmp_path: Path, embed: Embed, caplog: Any
    ) -> None:
        [file] = (changed / "embeddings").iterdir()
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        report = embed(edited, tmp_path / "out", reuse=changed)
        assert (report.reused, report.embedded) == (0, 9)
        assert f"{KNOWN} texts of an older output could not be read there" in caplog.text

    @pytest.mark.parametrize("folder", ["embeddings", "run/texts"])
    def test_those_of_shards_that_are_damaged_or_were_never_done(
        self, folder: str, changed: Path, edited: Path, preset_folder: Path, caplog: Any
    ) -> None:
        [file] = (changed / folder).iterdir()
        file.unlink()
        assert fnet_ray.preview(preset_folder, edited, reuse=changed).reused_share == 0
        assert f"Shard 0 of {changed} is left out: {folder}/{file.name} is missing" in caplog.text


class TestWhatIsRefused:
    """In one line, before anything is written."""

    def refusal(self, reuse: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> str:
        arguments = ["embed", DATA / "kerashub", STORED, output, "--reuse", reuse, "--no-tracking"]
        assert main(list(map(str, arguments))) == 2
        assert not (output / "embeddings" / "shard-00000001.parquet").exists()
        printed = capsys.readouterr().err
        assert printed.count("\n") == 1
        return printed

    @pytest.mark.parametrize("number", [2, 3])
    def test_an_output_of_an_older_release(self, number: int, tmp_path: Path, capsys: Any) -> None:
        printed = self.refusal(STORED / f"format-{number}", tmp_path / "out", capsys)
        assert "must hold hashes of its texts and what computed its vectors" in printed
        assert f"of format {number}" in printed
        assert not (tmp_path / "out").exists()

    def test_an_output_of_a_newer_release(self, changed: Path, tmp_path: Path, capsys: Any) -> None:
        manifest = changed / "run" / "manifest.json"
        values = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**values, "format_version": FORMAT_VERSION + 1}))
        assert "a newer fnet-registry reads it" in self.refusal(changed, tmp_path / "out", capsys)

    def test_a_folder_that_is_no_output(self, tmp_path: Path, capsys: Any) -> None:
        printed = self.refusal(tmp_path / "none", tmp_path / "out", capsys)
        assert "Expected the output of fnet embed to reuse" in printed

    def test_the_output_itself(self, changed: Path, tmp_path: Path, capsys: Any) -> None:
        (tmp_path / "link").symlink_to(changed)
        for same in (changed, tmp_path / "link", changed / "run" / ".."):
            assert "must be another folder than" in self.refusal(same, changed, capsys)


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, embed: Embed) -> None:
    texts = [f"text {i}" for i in range(600)]
    embed(write_parquet(tmp_path / "old.parquet", texts[::-1]), tmp_path / "old")
    corpus = write_parquet(tmp_path / "corpus.parquet", [*texts, *(f"new {i}" for i in range(9))])
    with pytest.raises(StoppedError):
        embed(corpus, tmp_path / "out", reuse=tmp_path / "old", on_progress=stop_after(1))
    assert 0 < fnet_ray.read_status(tmp_path / "out").done < 609
    report = embed(corpus, tmp_path / "out", reuse=tmp_path / "old")
    assert (report.reused, report.embedded, report.gone) == (600, 609, 0)
    rows = stored(tmp_path / "out").sort_by("source_row")
    assert rows["text"].to_pylist() == pq.read_table(corpus)["text"].to_pylist()
    old = dict(zip(*(stored(tmp_path / "old")[name].to_pylist() for name in PAIR), strict=True))
    assert rows["embedding"].to_pylist()[:600] == [old[text] for text in texts]


@pytest.mark.parametrize("number", [2, 3])
def test_an_output_that_an_older_release_began_goes_on_without_hashes(
    number: int, tmp_path: Path, preset_folder: Path, embed: Embed
) -> None:
    output = Path(shutil.copytree(STORED / f"format-{number}", tmp_path / "out"))
    manifest = Manifest.read(open_store(output))
    assert manifest
    corpus = write_parquet(tmp_path / "more.parquet", ["one"])
    pq.write_table(pq.read_table(corpus).drop_columns("label"), corpus)
    options: dict[str, Any] = {"id_column": "id", "keep": ["id", "text"]}
    report = embed(corpus, output, model="models:/fnet/1", append=True, **options)
    assert (report.rows, report.shards) == (4, 2)
    assert fnet_ray.read_status(output, check=True).damage == {}
    assert not (output / "run" / "texts").exists()


class TestKnownTexts:
    """The index: exact, whatever halves of hashes are equal."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
    def test_it_finds_the_first_of_equal_texts(self, pairs: list[tuple[int, int]]) -> None:
        hashes = np.array(pairs, np.uint64).reshape(-1, 2)
        known = KnownTexts.of(hashes, np.arange(len(pairs)))
        asked = [(first, second) for first in range(5) for second in range(5)]
        found = known.find(np.array(asked, np.uint64))
        places = [pairs.index(each) if each in pairs else -1 for each in asked]
        assert found.tolist() == places

    def test_a_text_costs_24_bytes(self) -> None:
        hashes = text_hashes(map(str, range(1000)))
        known = KnownTexts.of(hashes, np.arange(1000))
        assert known.first.nbytes + known.second.nbytes + known.place.nbytes == 24_000

    def test_hashes_travel_through_arrow_unchanged(self) -> None:
        hashes = text_hashes(["", "a", "b" * 10_000_000])
        column = pa.chunked_array([hash_column(hashes).slice(1), hash_column(hashes[:1])])
        np.testing.assert_array_equal(hashes_of(column), hashes[[1, 2, 0]])
