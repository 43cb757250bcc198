"""The page of an output, and what a job records for it."""

import json
import random
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_ray.output.audit import audit
from fnet_ray.output.lease import Lease
from fnet_ray.output.manifest import Manifest
from fnet_ray.output.stores import open_store
from fnet_ray.reporting.likeness import project
from fnet_registry import TextEncoder
from fnet_registry.errors import InputError, JobError, OutputError
from tests.job.written import work_of, write_output

STORED = Path(__file__).parent / "stored"
WORDS = ["river", "mountain", "cloud", "engine", "table", "paper", "window", "garden", "stone"]
ROWS = 300


def text(number: int) -> str:
    draw = random.Random(number)
    return " ".join(draw.choices(WORDS, k=draw.randint(1, 40)))


def page_of(output: Path | str, **options) -> str:
    fnet_ray.report(output, **options)
    return open_store(output).read("run/report.html").decode()


def visible(page: str) -> str:
    """What a reader sees: without tags, styles and scripts."""
    body = re.sub(r"<(style|script|svg)\b.*?</\1>", "", page.partition("<body>")[2], flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def rows(count: int, **columns) -> pa.Table:
    return pa.table({"text": [text(n) for n in range(count)], **columns})


@pytest.fixture(scope="module")
def job(
    ray_session: None, registry_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> fnet_ray.Report:
    """A tracked job on rows with a topic, two of which have no text."""
    folder = tmp_path_factory.mktemp("reported")
    corpus = [{"topic": "land" if n % 3 else "home", "text": text(n)} for n in range(ROWS)]
    corpus[7]["text"] = corpus[100]["text"] = None
    pq.write_table(pa.Table.from_pylist(corpus), folder / "walks.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registry_uri)
        mlflow.set_tracking_uri(registry_uri)
        return fnet_ray.embed("models:/fnet/1", folder / "walks.parquet", folder / "out")


@pytest.mark.usefixtures("ray_session")
class TestJob:
    """A job of two shards or more."""

    @pytest.fixture
    def page(self, job: fnet_ray.Report) -> str:
        return Path(job.output, "run", "report.html").read_text()

    def test_the_page_says_what_was_embedded_with_what_how_fast_and_what_went_wrong(
        self, page: str
    ) -> None:
        told = visible(page)
        assert "finished walks.parquet 298 of 300 rows were embedded with models:/fnet/1" in told
        assert re.search(r"as vectors of 32 numbers, at [\d,.]+ rows per second", told)
        assert "2 rows were rejected." in told
        assert "null 2 rows row 7 of" in told
        assert "Coloured by topic" in told
        assert re.search(r"land 1\d\d home \d\d", told)

    def test_the_run_holds_the_same_page_and_pictures(self, job: fnet_ray.Report) -> None:
        folder = Path(mlflow.artifacts.download_artifacts(run_id=job.tracking_run))
        files = {f.relative_to(folder) for f in folder.rglob("*") if f.is_file()}
        names = {"throughput", "stages", "lengths", "cosines", "norms", "rejects", "map"}
        assert {f.stem for f in files if f.parent.name == "pictures"} == names
        for file in files - {Path("report.json")}:
            data = (folder / file).read_bytes()
            assert data == Path(job.output, "run", file).read_bytes()
            assert file.suffix == ".html" or data.startswith(b"\x89PNG")

    def test_the_page_says_what_was_taken_over(self, job: fnet_ray.Report, tmp_path: Path) -> None:
        corpus = pq.read_table(Path(job.output).with_name("walks.parquet"))
        texts = [*corpus["text"].to_pylist()[:9], "a text that is new"]
        pq.write_table(pa.table({"text": texts[:9]}), tmp_path / "known.parquet")
        pq.write_table(pa.table({"text": texts}), tmp_path / "more.parquet")
        pages = {}
        for name in ("known", "more"):
            report = fnet_ray.embed(
                *("models:/fnet/1", tmp_path / f"{name}.parquet", tmp_path / name),
                reuse=job.output,
                tracking=False,
            )
            assert report.reused == 8
            pages[name] = visible(page_of(tmp_path / name))
        assert "Rows embedded 8 of 9, 8 reused" in pages["known"]
        assert "No text was tokenized: all vectors come from an older output." in pages["known"]
        assert "Rows embedded 9 of 10, 8 reused" in pages["more"]
        assert "The picture counts those that were computed anew." in pages["more"]

    def test_the_page_needs_nothing_else(self, page: str) -> None:
        assert not re.search(r"""(src|href|url\()\s*=?\s*["']?(https?:|//|data:)""", page)
        assert "<link" not in page
        assert len(page.encode()) < 5_000_000

    def test_stages_and_lengths_are_recorded_shard_by_shard(
        self, job: fnet_ray.Report, encoder: TextEncoder
    ) -> None:
        store = open_store(job.output)
        manifest = Manifest.read(store)
        assert manifest is not None
        counts: dict[int, int] = {}
        for finding in audit(store, manifest):
            assert finding.commit
            work = finding.commit.work
            stages = ("read_seconds", "tokenize_seconds", "seconds", "commit_seconds")
            assert all(work[stage] > 0 for stage in stages)
            for length, count in work["lengths"]:
                counts[length] = counts.get(length, 0) + count
        texts = [text(n) for n in range(ROWS) if n not in (7, 100)]
        lengths = [len(ids) + 2 for ids in encoder.tokenizer.tokenize(texts)]
        assert sum(counts.values()) == len(lengths)
        assert max(lengths) > 64
        step = {n: 1 << max(0, n.bit_length() - 6) for n in lengths}
        assert counts == {
            n: sum(each - each % step[each] == n for each in lengths)
            for n in {each - each % step[each] for each in lengths}
        }

    def test_neighbours_are_those_of_a_search(self, job: fnet_ray.Report, page: str) -> None:
        articles = re.findall(r"<h4>.*?<span dir=\"auto\">(.*?)</span>.*?</article>", page, re.S)
        scores = re.findall(r'class="score">([\d.]+)<', page)
        assert len(articles) == 6
        query = next(text(n) for n in range(ROWS) if text(n).startswith(articles[0].rstrip("…")))
        found = fnet_ray.search(job.output, query, k=6).results()[0]
        assert scores[:5] == [f"{hit['score']:.3f}" for hit in found[1:]]

    def test_vectors_that_are_too_alike_are_named(self, page: str) -> None:
        # Random weights: every text has close to the same vector.
        assert "Search will be poor." in page
        assert "une or whiten this version" in page

    def test_the_command_writes_the_page_anew(
        self, job: fnet_ray.Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "a map.parquet"
        assert main(["report", job.output, "--export", str(target), "--color", "topic"]) == 0
        printed = capsys.readouterr().out
        assert f"{job.output}/run/report.html" in printed
        assert f"embedding-atlas '{target}' --text text --x x --y y" in printed
        table = pq.read_table(target)
        assert table.num_rows == 298
        columns = ["x", "y", "neighbors", "topic", "text", "source_file", "source_row"]
        assert table.column_names == columns
        assert np.isfinite(table["x"].to_numpy()).all()
        first = table["neighbors"][0].as_py()
        assert 0 not in first["ids"]
        assert first["distances"] == sorted(first["distances"])

    def test_windows_of_nested_columns_in_float16(
        self, preset_folder: Path, tmp_path: Path
    ) -> None:
        long = [{"doc": {"text": f"{text(n)} " * 9, "lang": "en"}} for n in range(5)]
        pq.write_table(pa.Table.from_pylist(long), tmp_path / "docs.parquet")
        fnet_ray.embed(
            preset_folder,
            tmp_path / "docs.parquet",
            tmp_path / "out",
            tracking=False,
            column="doc.text",
            keep=["doc.text", "doc.lang"],
            output_column="doc.vector",
            embedding_dtype="float16",
            long_text="split",
        )
        told = visible(page_of(tmp_path / "out"))
        assert re.search(r"None was cut: longer ones were split, 5 texts into \d+ windows", told)
        assert ", window " in Path(tmp_path, "out/run/report.html").read_text()
        assert "doc.text" in told

    def test_without_the_extra_a_job_says_what_is_missing_and_goes_on(
        self,
        preset_folder: Path,
        corpus: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        job = fnet_ray.embed(preset_folder, corpus, tmp_path / "out")
        assert job.embedded == 6
        [said] = [r.getMessage() for r in caplog.records if "report" in r.getMessage()]
        assert said.endswith('it needs matplotlib: pip install "fnet-registry[report]"')
        assert not (tmp_path / "out/run/report.html").exists()
        with pytest.raises(JobError, match=r'needs matplotlib: pip install "fnet-registry'):
            fnet_ray.report(tmp_path / "out")


class TestThinOutputs:
    """Outputs that have little to show."""

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_few_rows(self, tmp_path: Path, count: int) -> None:
        told = visible(page_of(write_output(tmp_path, [rows(count)])))
        assert f"{count} of {count} rows were embedded" in told
        assert "No row was rejected." in told
        assert "No column has few enough values to colour by" in told
        assert ("There are no two unlike rows to compare." in told) == (count == 1)

    def test_rows_that_are_all_the_same(self, tmp_path: Path) -> None:
        output = write_output(tmp_path, [pa.table({"text": ["same"] * 3})], dim=1)
        assert "3 of 3 rows" in visible(page_of(output))

    def test_no_vector_is_a_number(self, tmp_path: Path) -> None:
        told = visible(page_of(write_output(tmp_path, [rows(60)], length=float("inf"))))
        assert "No vector is finite." in told
        assert "stand in 60 rows of the sample" in told
        assert "There is no vector to show." in told

    def test_nothing_but_rejects(self, tmp_path: Path) -> None:
        output = write_output(tmp_path, [rows(0)], rejects=["null", "null", "not UTF-8"])
        told = visible(page_of(output))
        assert "0 of 3 rows were embedded" in told
        assert "3 rows were rejected." in told
        assert "No row is embedded yet." in told
        with pytest.raises(OutputError, match=r"must have rows to map. Received: none"):
            fnet_ray.report(output, export=tmp_path / "map.parquet")

    def test_reasons_that_differ_in_numbers_alone_stand_together(self, tmp_path: Path) -> None:
        reasons = ["70 tokens, more than 64", "1,200 tokens, more than 64", "null"]
        told = visible(page_of(write_output(tmp_path, [rows(3)], rejects=reasons)))
        assert "N tokens, more than N 2 rows" in told
        assert "(1,200 tokens, more than 64)" in told

    def test_no_text_is_kept(self, tmp_path: Path) -> None:
        table = pa.table({"id": [f"doc-{n}" for n in range(30)], "size": range(30)})
        told = visible(page_of(write_output(tmp_path, [table], id_column="id")))
        assert re.search(r"1 doc-\d+ \d\.\d{3} doc-\d+", told)

    @pytest.mark.parametrize("folder", ["s3://bucket/", "s3://bucket/deep/", "/a/", "/"])
    def test_files_are_told_by_what_differs_in_their_paths(
        self, folder: str, tmp_path: Path
    ) -> None:
        places = [f"{folder}{name}.parquet" for name in ("x/a", "xy/b")] * 20
        table = rows(40, source_file=places, source_row=range(40))
        told = visible(page_of(write_output(tmp_path, [table], id_column="text")))
        assert "Coloured by source_file" in told
        assert re.search(r" x/a\.parquet 20 xy/b\.parquet 20 ", told)

    def test_a_tab_that_was_asked_for(self, tmp_path: Path) -> None:
        store = open_store(write_output(tmp_path, [rows(3)]))
        manifest = Manifest.read(store)
        assert manifest
        parameters = replace(manifest.parameters, delimiter="\t")
        replace(manifest, parameters=parameters).write(store)
        assert "delimiter &#39;\\t&#39;" in visible(page_of(store.url))

    def test_an_output_that_is_not_finished(self, tmp_path: Path) -> None:
        told = visible(page_of(write_output(tmp_path, [rows(10)], planned=4)))
        assert "stopped, 25 % done" in told
        assert "the same fnet embed command goes on" in told

    def test_an_output_that_is_being_written(self, tmp_path: Path) -> None:
        output = write_output(tmp_path, [rows(10)], planned=4)
        with Lease(open_store(output)):
            told = visible(page_of(output))
        assert "running, 25 % done" in told
        assert re.search(r"The job is at work \(process \d+ on ", told)

    def test_an_output_that_has_nothing_yet(self, tmp_path: Path) -> None:
        told = visible(page_of(write_output(tmp_path, [], planned=4)))
        assert "0 of 4 rows were embedded" in told
        assert "Nothing is committed yet." in told

    @pytest.mark.parametrize("damage", ["gone", "cut", "other bytes"])
    def test_damaged_files_are_named(self, tmp_path: Path, damage: str) -> None:
        output = write_output(tmp_path, [rows(10), rows(10)])
        file = tmp_path / "embeddings/shard-00000001.parquet"
        data = file.read_bytes()
        file.unlink()
        if damage != "gone":
            file.write_bytes(data[:100] if damage == "cut" else bytes(len(data)))
        told = visible(page_of(output))
        assert "Files of the output are damaged." in told
        assert "shard-00000001.parquet" in told

    def test_an_older_output_lacks_what_was_not_recorded(self, tmp_path: Path) -> None:
        shutil.copytree(STORED / "format-2", tmp_path / "out")
        told = visible(page_of(tmp_path / "out"))
        assert "2 of 3 rows were embedded with models:/fnet/1" in told
        assert "Not recorded: the output was made, at least in part, by an older" in told
        assert "Machine hours not recorded" in told

    def test_no_output(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report", str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("fnet: error: Expected the output of fnet embed. Received: ")
        assert error.count("\n") == 1


class TestColours:
    """The column that a map is coloured by."""

    def test_the_first_with_few_values(self, tmp_path: Path) -> None:
        table = rows(30, number=range(30), kind=["a", "b", "c"] * 10, flag=[True, False] * 15)
        told = visible(page_of(write_output(tmp_path, [table])))
        assert "Coloured by kind" in told
        assert "a 10 b 10 c 10" in told

    def test_many_values_share_the_last_colour(self, tmp_path: Path) -> None:
        table = rows(60, kind=[f"kind {min(n, 25)}" for n in range(60)])
        told = visible(page_of(write_output(tmp_path, [table]), color="kind"))
        assert "kind 25 35" in told
        assert "other 17" in told

    @pytest.mark.parametrize("missing", [None, float("nan")])
    def test_numbers_in_bands(self, tmp_path: Path, missing: float | None) -> None:
        table = rows(21, price=pa.array([*map(float, range(20)), missing], pa.float64()))
        told = visible(page_of(write_output(tmp_path, [table]), color="price"))
        assert "0 to 3.8 4" in told
        assert "no value 1" in told

    def test_one_number_and_values_that_are_none(self, tmp_path: Path) -> None:
        values = [1.0] * 5 + [float("nan")] * 12 + [float("inf")] * 3
        table = rows(20, price=pa.array(values, pa.float64()))
        told = visible(page_of(write_output(tmp_path, [table]), color="price"))
        assert "no value 12" in told
        assert "1.0 5" in told

    def test_dates_that_python_lacks(self, tmp_path: Path) -> None:
        days = pa.array([0, 2**62, None], pa.timestamp("us"))
        told = visible(page_of(write_output(tmp_path, [rows(3, day=days)]), color="day"))
        assert "1970-01-01 00:00:00 1" in told
        assert f"value out of range: {2**62}" in told

    def test_many_rows_of_one_vector(self) -> None:
        places, method = project(np.ones((60, 8), np.float32))
        assert (places.tolist(), method) == ([[0.0, 0.0]] * 60, "principal components")

    def test_a_file_with_a_colon_in_its_name(self, tmp_path: Path) -> None:
        target = tmp_path / "a:b.parquet"
        fnet_ray.report(write_output(tmp_path / "out", [rows(12)]), export=target)
        assert pq.read_table(target).num_rows == 12

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        output = write_output(tmp_path / "out", [rows(3)])
        with pytest.raises(OutputError, match=r"Received: .*none/map.parquet \(\[Errno 2\]"):
            fnet_ray.report(output, export=tmp_path / "none/map.parquet")

    @pytest.mark.parametrize("name", ["map", "map.csv", "-map.parquet"])
    def test_a_file_that_embedding_atlas_would_take_for_something_else(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        output = write_output(tmp_path / "out", [rows(3)])
        if name.endswith(".parquet"):
            assert "embedding-atlas ./-map.parquet " in str(
                fnet_ray.report(output, export=name).atlas
            )
        else:
            with pytest.raises(InputError, match=rf"must end in .parquet.* Received: {name}"):
                fnet_ray.report(output, export=name)
            assert not (tmp_path / name).exists()

    @pytest.mark.parametrize(
        ("color", "words"),
        [
            ("nothing", r"coloured by a column of the output, one of text, tags.*'nothing'"),
            ("tags", r"column of texts, numbers or truth values.*'tags', of list"),
        ],
    )
    def test_columns_that_cannot_colour(self, tmp_path: Path, color: str, words: str) -> None:
        output = write_output(tmp_path, [rows(3, tags=[["a"], [], ["b"]])])
        with pytest.raises(InputError, match=words):
            fnet_ray.report(output, color=color)

    def test_a_corpus_that_has_the_maps_own_columns(self, tmp_path: Path) -> None:
        table = rows(12, x=range(12), x_=range(12), neighbors=range(12))
        written = fnet_ray.report(write_output(tmp_path, [table]), export=tmp_path / "m.parquet")
        names = pq.read_schema(tmp_path / "m.parquet").names
        assert names[:7] == ["x", "y", "neighbors", "text", "x__", "x_", "neighbors_"]
        assert written.atlas


class TestWork:
    """What the work took."""

    def test_pauses_are_left_out_and_machines_added_up(self, tmp_path: Path) -> None:
        works = {0: work_of(0), 1: work_of(1, host="node-2"), 2: work_of(2, started=2e9)}
        told = visible(page_of(write_output(tmp_path, [rows(10)] * 3, works=works)))
        # Shards take 13.5 s each; the second begins 3.5 s before the first ends, elsewhere.
        assert "Machine hours 0.01125, on 2 machines" in told
        assert "30 of 30 rows" in told
        assert "Dotted lines stand for pauses of more than five minutes." in told

    def test_of_a_large_output_some_files_are_read(self, tmp_path: Path) -> None:
        output = write_output(tmp_path, [rows(100)] * 20)
        told = visible(page_of(output))
        assert "1,500 rows, drawn at random from 2,000, laid out" in told
        assert "among the 1,600 rows of 16 of the 20 files" in told
        assert len(json.dumps(told)) < 50_000
