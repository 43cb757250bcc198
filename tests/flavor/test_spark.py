"""`mlflow.pyfunc.spark_udf` with the result type that MLflow infers."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from fnet_registry import TextEncoder

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not here"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

pyspark_sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")

TEXTS = ["a text", "another one", ""]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        pyspark_sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    yield session
    session.stop()


def test_a_column_of_texts(spark: Any, saved_model: Path, encoder: TextEncoder):
    embed = mlflow.pyfunc.spark_udf(spark, str(saved_model), env_manager="local")
    frame = spark.createDataFrame([(n, text) for n, text in enumerate(TEXTS)], ["id", "body"])
    embedded = frame.withColumn("embedding", embed("body"))
    assert embedded.schema["embedding"].dataType.simpleString() == "array<float>"
    rows = embedded.orderBy("id").collect()
    vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS))
