"""`docs/vector-stores.md`: each store finds what `fnet search` finds."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fnet_ray
from tests.flavor.mlflow_server import find_postgres, run_postgres

pytestmark = pytest.mark.usefixtures("ray_session")

PAGE = (Path(__file__).parents[2] / "docs" / "vector-stores.md").read_text()
BLOCKS = dict(re.findall(r"^```python ?(\w*)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
WORDS = ["river", "mountain", "cloud", "engine", "table", "paper"]


@pytest.fixture(scope="module")
def folder(
    ray_session: None, preset_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with an output, `embeddings`."""
    folder = tmp_path_factory.mktemp("stores")
    texts = [f"{first} and {second}" for first in WORDS for second in WORDS]
    pq.write_table(pa.table({"text": texts}), folder / "corpus.parquet")
    fnet_ray.embed(preset_folder, folder / "corpus.parquet", folder / "embeddings", tracking=False)
    return folder


@pytest.fixture
def expected(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.chdir(folder)
    [hits] = fnet_ray.search("embeddings", "a river", k=3).results()
    return [hit["source_row"] for hit in hits]


def run_page(store: str, folder: Path) -> list[int]:
    """Run the page's first block, and a store's."""
    program = folder / f"with_{store}.py"
    program.write_text(f"{BLOCKS['']}\n{BLOCKS[store]}")
    return list(runpy.run_path(str(program))["nearest"])


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("store", ["duckdb", "lancedb", "qdrant_client", "faiss"])
def test_a_store_finds_the_same_rows(store: str, folder: Path, expected: list[int]) -> None:
    pytest.importorskip(store, reason=f"{store} comes with fnet-registry[dev-stores]")
    assert run_page(store, folder) == expected


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database `texts`, where a client without further words finds it."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with run_postgres(programs) as uri:
        port = uri.rpartition(":")[2].partition("/")[0]
        for name, value in {"PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "mlflow"}.items():
            monkeypatch.setenv(name, value)
        connection: Any = psycopg2.connect("dbname=postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM pg_available_extensions WHERE name = 'vector'")
            if not cursor.fetchall():
                pytest.skip("This PostgreSQL has no extension pgvector")
            cursor.execute("CREATE DATABASE texts")
        connection.close()
        yield


@pytest.mark.system
def test_pgvector_finds_the_same_rows(database: None, folder: Path, expected: list[int]) -> None:
    assert run_page("pgvector", folder) == expected


def test_the_page_has_a_recipe_for_each_store() -> None:
    assert set(BLOCKS) == {"", "duckdb", "lancedb", "qdrant_client", "faiss", "pgvector"}
