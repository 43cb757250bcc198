"""Folders such as `year=2024/lang=en` are columns."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_ray.corpus.partitions import partition_types, partition_values, with_partitions
from fnet_registry.errors import InputError
from tests.job.corpora import write_json_lines, write_parquet

NULL = "__HIVE_DEFAULT_PARTITION__"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/data/year=2024/lang=en/part.parquet", {"year": "2024", "lang": "en"}),
        ("s3://bucket/year=2024/part-year=3.parquet", {"year": "2024"}),
        (f"/lang={NULL}/a.parquet", {"lang": None}),
        ("/a%20b=x%2Fy%3Dz/a.parquet", {"a b": "x/y=z"}),
        ("/lang=/a=b=c/a.parquet", {"lang": "", "a": "b=c"}),
        ("/n=1/n=2/a.parquet", {"n": "2"}),
        ("/=1/plain/a.parquet", {}),
    ],
)
def test_the_values_of_a_path(path: str, values: dict) -> None:
    assert partition_values(path) == values


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2024", "2025"], pa.int64()),
        (["01", NULL], pa.int64()),
        (["2024", "late"], pa.string()),
        (["1.5"], pa.string()),
        (["9" * 19], pa.string()),
        ([NULL], pa.string()),
    ],
    ids=str,
)
def test_a_column_has_one_type_for_all_files(values: list[str], kind: pa.DataType) -> None:
    assert partition_types(f"/n={value}/a.parquet" for value in values) == {"n": kind}


def test_a_column_in_the_file_wins() -> None:
    table = pa.table({"n": [7], "text": ["a"]})
    schema = pa.schema([("n", pa.int64()), ("m", pa.int64())])
    found = with_partitions(table, "/n=1/m=02/k=3/a.parquet", schema)
    assert found.to_pylist() == [{"n": 7, "text": "a", "m": 2}]


@pytest.mark.usefixtures("ray_session")
class TestJob:
    """A folder of partitions, in two formats."""

    @pytest.fixture
    def corpus(self, tmp_path: Path) -> Path:
        corpus = tmp_path / "corpus"
        for folder, write in {
            "year=2023/lang=en": write_parquet,
            "year=2024/lang=de%2Dat": write_json_lines,
            f"year=2024/lang={NULL}": write_parquet,
        }.items():
            (corpus / folder).mkdir(parents=True)
            name = "a.parquet" if write is write_parquet else "a.jsonl"
            write(corpus / folder / name, [folder, None])
        return corpus

    @pytest.mark.parametrize("pattern", [".", "*/*/*"])
    def test_partitions_are_carried(
        self, pattern: str, corpus: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        fnet_ray.embed(preset_folder, corpus / pattern, tmp_path / "out")
        found = pq.read_table(tmp_path / "out" / "embeddings")
        assert found.schema.field("year").type == pa.int64()
        assert found.schema.field("lang").type == pa.string()
        rows = sorted(
            zip(found["year"].to_pylist(), map(str, found["lang"].to_pylist()), strict=True)
        )
        assert rows == [(2023, "en"), (2024, "None"), (2024, "de-at")]

    def test_a_partition_may_be_the_id_or_alone_be_kept(
        self, corpus: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        options = {"id_column": "year", "keep": ["lang"]}
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", **options)
        found = pq.read_table(tmp_path / "out" / "embeddings")
        assert found.column_names == ["year", "lang", "embedding"]
        rejects = pq.read_table(tmp_path / "out" / "rejects")
        assert sorted(rejects["id"].to_pylist()) == ["2023", "2024", "2024"]
        assert fnet_ray.preview(preset_folder, corpus, **options).rows == 6

    def test_a_column_of_texts_stands_in_the_file(
        self, corpus: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        with pytest.raises(InputError, match="must have the column 'lang'"):
            fnet_ray.embed(preset_folder, corpus, tmp_path / "out", column="lang")
