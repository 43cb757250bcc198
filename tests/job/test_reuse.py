"""Vectors taken over from an older output: those that a fresh run makes, to the last bit."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
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
from fnet_ray.output.manifest import FORMAT_VERSION
from fnet_ray.reuse.hashes import hash_column, hashes_of, text_hashes
from fnet_ray.reuse.kind import kind_of_work
from fnet_ray.reuse.known import KnownTexts
from fnet_registry import TextEncoder
from fnet_registry.errors import JobError
from fnet_registry.presets.writing import write_checkpoint
from tests.job.corpora import WRITERS, write_parquet
from tests.job.test_resume import StoppedError, stop_after

pytestmark = pytest.mark.usefixtures("ray_session")

STORED, DATA = Path(__file__).parent / "stored", Path(__file__).parents[1] / "data"
LONG = " ".join(f"word{i}" for i in range(90))
TEXTS = ["one", "two", "", LONG, None, "naïve", "nai\u0308ve", "two", LONG + " more", "last"]
EDITED = ["last", "two", None, "new", LONG, "", "one", "nai\u0308ve"]
KNOWN = 6
"""How many texts of the edited rows the first ones hold."""

TWO_THREADS = fnet_ray.WorkerRequest(workers=(1, 1), cpus_per_worker=2)

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


def gone(output: Path) -> list[Any]:
    """The ids of the rows that went away, or their numbers where they have none."""
    rows = pq.read_table(output / GONE).to_pylist()
    return [row["source_row"] if row["id"] is None else row["id"] for row in rows]


@pytest.mark.parametrize(
    ("options", "lost"),
    [
        ({"id_column": "id", "output_column": "v"}, ["row-2", "row-8", "row-9"]),
        pytest.param({"windows": "mean"}, [5, 8], marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.system
def test_long_texts_are_known_as_a_whole_with_all_their_windows(
    options: dict[str, Any], lost: list[Any], tmp_path: Path, edited: Path, embed: Embed
) -> None:
    options |= {"long_text": "split", "overlap": 5}
    old = write_parquet(tmp_path / "old.parquet", TEXTS)
    embed(old, tmp_path / "old", **options)
    fresh = embed(edited, tmp_path / "fresh", **options)
    again = embed(edited, tmp_path / "again", reuse=tmp_path / "old", **options)

    assert stored(tmp_path / "again").equals(stored(tmp_path / "fresh"))
    assert again.reused == KNOWN
    assert (again.embedded, again.rejected) == (fresh.embedded, fresh.rejected)
    assert again.tokens < fresh.tokens
    assert (again.gone, gone(tmp_path / "again")) == (len(lost), lost)


@pytest.mark.system
def test_files_may_be_edited_renamed_moved_and_of_another_format(
    tmp_path: Path, embed: Embed
) -> None:
    options: dict[str, Any] = {"keep": [], "embedding_dtype": "float16", "long_text": "error"}
    embed(write_parquet(tmp_path / "old.parquet", TEXTS), tmp_path / "old", **options)
    folder = tmp_path / "corpus" / "deep"
    folder.mkdir(parents=True)
    for name in ("corpus.parquet", "corpus.jsonl.gz", "corpus.csv"):
        WRITERS[name](folder / f"b-{name}", EDITED[:4])
        WRITERS[name](folder.parent / f"a-{name}", EDITED[4:])
    fresh = embed(folder.parent, tmp_path / "fresh", **options)
    again = embed(folder.parent, tmp_path / "again", reuse=tmp_path / "old", **options)
    assert stored(tmp_path / "again").equals(stored(tmp_path / "fresh"))
    assert (fresh.reused, fresh.gone) == (0, None)
    assert (again.embedded, again.rejected) == (fresh.embedded, fresh.rejected)
    assert again.reused == again.embedded - EDITED.count("new") * 3
    assert gone(tmp_path / "again") == [5]


def test_all_but_the_vector_is_read_anew(older: Path, tmp_path: Path, embed: Embed) -> None:
    texts = ["last", "", "na\u00efve", "nai\u0308ve", "\uff4e\uff41\u00efve", None]
    corpus = write_parquet(tmp_path / "corpus.parquet", texts)
    report = embed(corpus, tmp_path / "out", reuse=older, reject_empty=True)
    assert (report.reused, report.embedded, report.rejected) == (3, 4, 2)
    rows = stored(tmp_path / "out").to_pylist()
    assert [row["label"] for row in rows] == [0, 2, 3, 4]
    assert [row["source_file"] for row in rows] == [str(corpus)] * 4


def test_rows_without_an_id_do_not_hide_that_another_one_went_away(
    tmp_path: Path, embed: Embed
) -> None:
    rows = pa.table({"id": ["a", None, "", "c", None], "text": list("vwxyz")})
    pq.write_table(rows, tmp_path / "old.parquet")
    pq.write_table(rows.slice(0, 2), tmp_path / "new.parquet")
    embed(tmp_path / "old.parquet", tmp_path / "old", id_column="id")
    report = embed(
        tmp_path / "new.parquet", tmp_path / "new", reuse=tmp_path / "old", id_column="id"
    )
    assert (report.reused, report.gone, gone(tmp_path / "new")) == (2, 2, ["", "c"])


def test_an_older_file_that_lacks_its_id_column_gives_vectors_but_no_list_of_what_went_away(
    tmp_path: Path, embed: Embed, caplog: pytest.LogCaptureFixture
) -> None:
    rows = pa.table({"id": list("abc"), "text": list("xyz")})
    pq.write_table(rows, tmp_path / "old.parquet")
    pq.write_table(rows.slice(0, 2), tmp_path / "new.parquet")
    embed(tmp_path / "old.parquet", tmp_path / "old", id_column="id")
    [file] = (tmp_path / "old" / "embeddings").iterdir()
    pq.write_table(pq.read_table(file).drop_columns("id"), file)
    recommit(tmp_path / "old", file)
    report = embed(
        tmp_path / "new.parquet", tmp_path / "new", reuse=tmp_path / "old", id_column="id"
    )
    assert (report.reused, report.gone, report.embedded) == (2, 0, 2)
    assert f"such as id. Received: {file}" in caplog.text


def recommit(output: Path, file: Path) -> None:
    """Have the one shard's commit describe a data file as it is now."""
    [commit] = (output / "run" / "done").iterdir()
    values = json.loads(commit.read_text())
    [entry] = [each for each in values["files"] if each["name"].endswith(f"embeddings/{file.name}")]
    entry |= {
        "size": file.stat().st_size,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    commit.write_text(json.dumps(values))


def test_it_meets_append(older: Path, tmp_path: Path, embed: Embed, preset_folder: Path) -> None:
    first = write_parquet(tmp_path / "a.parquet", ["brand new"])
    second = write_parquet(tmp_path / "b.parquet", ["two", "newer"])
    embed(first, tmp_path / "out")
    report = embed([first, second], tmp_path / "out", append=True, reuse=older)
    assert (report.rows, report.reused) == (3, 1)
    vectors = {row["text"]: row["embedding"] for row in stored(tmp_path / "out").to_pylist()}
    assert vectors["two"] == stored(older)["embedding"][1].as_py()
    assert fnet_ray.preview(preset_folder, second, reuse=tmp_path / "out").reused_share == 1
    assert gone(tmp_path / "out")
    embed(write_parquet(tmp_path / "c.parquet", TEXTS), tmp_path / "out", append=True)
    assert not (tmp_path / "out" / GONE).exists()  # what it listed is here now


def test_the_preview_says_how_much(older: Path, edited: Path, preset_folder: Path) -> None:
    found = fnet_ray.preview(preset_folder, edited, reuse=older)
    assert found.reused_share == KNOWN / len(EDITED)


def test_equal_texts_of_a_shard_are_computed_once(
    tmp_path: Path, encoder: TextEncoder, embed: Embed
) -> None:
    texts = ["a", LONG, None, "a", LONG, LONG]
    report = embed(write_parquet(tmp_path / "corpus.parquet", texts), tmp_path / "out")
    assert report.tokens == len(encoder.tokenize(["a", LONG]).values)
    assert (report.embedded, report.truncated) == (5, 3)
    vectors = np.array(stored(tmp_path / "out")["embedding"].to_pylist(), np.float32)
    np.testing.assert_array_equal(vectors, encoder.encode([text for text in texts if text]))


class TestWhatIsNotTakenOver:
    """Vectors that a fresh run would not make, and those that nobody can vouch for."""

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"embedding_dtype": "float16"}, "embedding_dtype was 'float32' and is 'float16'"),
            ({"long_text": "split"}, "long_text was 'truncate' and is 'split'"),
            ({"dtype": "bfloat16"}, "dtype was 'float32' and is 'bfloat16'"),
            ({"workers": TWO_THREADS}, "threads was 1 and is 2"),
        ],
        ids=str,
    )
    def test_those_of_another_kind(
        self, options: Any, why: str, older: Path, edited: Path, preset_folder: Path, caplog: Any
    ) -> None:
        found = fnet_ray.preview(preset_folder, edited, reuse=older, **options)
        assert found.reused_share == 0
        assert re.search(f"{older} (is|are not) reused: {why}", caplog.text)

    def test_those_of_another_model(
        self,
        older: Path,
        edited: Path,
        tmp_path: Path,
        encoder: TextEncoder,
        embed: Embed,
        caplog: Any,
    ) -> None:
        arrays = {name: 2 * np.asarray(array) for name, array in encoder.checkpoint.arrays.items()}
        write_checkpoint(replace(encoder.checkpoint, arrays=arrays), tmp_path / "model")
        report = embed(edited, tmp_path / "out", model=tmp_path / "model", reuse=older)
        assert (report.reused, report.gone, report.embedded) == (0, 2, 7)
        assert f"Nothing of {older} is reused: the model's digest was '" in caplog.text

    @pytest.mark.parametrize("name", ["processor", "device", "versions"])
    def test_those_that_something_else_computed(
        self, name: str, changed: Path, edited: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        [commit] = (changed / "run" / "done").iterdir()
        values = json.loads(commit.read_text())
        values["work"][name] = "something else"
        commit.write_text(json.dumps(values))
        assert fnet_ray.preview(preset_folder, edited, reuse=changed).reused_share == 0

    def test_those_of_another_kind_than_a_node_that_joins_later(
        self, changed: Path, edited: Path, tmp_path: Path, embed: Embed, monkeypatch: Any
    ) -> None:
        [commit] = (changed / "run" / "done").iterdir()
        values = json.loads(commit.read_text())
        values["work"]["processor"] = "the first"
        commit.write_text(json.dumps(values))
        at_the_start = [kind_of_work(values["work"])]
        monkeypatch.setattr("fnet_ray.reuse.taking.kinds_of_workers", lambda *_: at_the_start)
        with pytest.raises(JobError, match=r"Received: a node on which processor was 'the first'"):
            embed(edited, tmp_path / "out", reuse=changed)

    def test_those_whose_file_was_changed_although_it_is_as_long(
        self, changed: Path, edited: Path, tmp_path: Path, embed: Embed, caplog: Any
    ) -> None:
        [file] = (changed / "embeddings").iterdir()
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        report = embed(edited, tmp_path / "out", reuse=changed)
        assert (report.truncated, report.shards) == (1, 1)
        assert (report.reused, report.embedded) == (0, 7)
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


@pytest.mark.usefixtures("many_shards")
@pytest.mark.system
def test_a_run_that_was_stopped_goes_on(older: Path, tmp_path: Path, embed: Embed) -> None:
    texts = EDITED * 200
    corpus, output = write_parquet(tmp_path / "corpus.parquet", texts), tmp_path / "out"
    with pytest.raises(StoppedError):
        embed(corpus, output, reuse=older, on_progress=stop_after(1))
    assert 0 < fnet_ray.read_status(output).done < len(texts)
    report = embed(corpus, output, reuse=older)
    assert (report.reused, report.embedded, report.gone) == (200 * KNOWN, 200 * 7, 2)
    assert report.truncated == 200  # as of a run that computes all
    rows = stored(output).sort_by("source_row")
    assert rows["text"].to_pylist() == [text for text in texts if text is not None]
    vectors = np.array(rows["embedding"].to_pylist()).reshape(200, 7, -1)
    assert (vectors == vectors[0]).all()


def test_an_output_that_an_older_release_began_goes_on_without_hashes(
    tmp_path: Path, embed: Embed
) -> None:
    output = Path(shutil.copytree(STORED / "format-3", tmp_path / "out"))
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
