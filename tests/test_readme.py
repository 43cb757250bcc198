"""The README's code runs, in its order, in one folder, against a small preset in the cache."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(
    r"^```(console|python)\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL
)
KAGGLE_FOLDER = "models/keras/f_net/keras/f_net_base_en/3"


def commands_of(kind: str, block: str) -> list[list[str]]:
    if kind == "python":
        return [[sys.executable, "-c", block]]
    return [["bash", "-c", line.removeprefix("$ ")] for line in block.splitlines()]


@pytest.mark.xdist_group("ray")
def test_the_readme_runs_as_it_stands(preset_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(preset_folder, tmp_path / "kaggle" / KAGGLE_FOLDER)
    (tmp_path / "kaggle" / f"{KAGGLE_FOLDER}.complete").touch()  # as kagglehub marks it
    (tmp_path / "corpus").mkdir()
    texts = pa.table({"id": range(40), "text": [f"item {number}" for number in range(40)]})
    pq.write_table(texts, tmp_path / "corpus" / "news.parquet")
    pairs = {
        "anchor": [f"query {n}" for n in range(9)],
        "positive": [f"item {n}" for n in range(9)],
    }
    pq.write_table(pa.table(pairs), tmp_path / "dev.parquet")
    (tmp_path / "sts.csv").write_text(
        "text_a,text_b,score\n" + "".join(f"item {n},item {n % 3},{n % 3}\n" for n in range(9))
    )
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "KAGGLEHUB_CACHE": str(tmp_path / "kaggle"),
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
    }
    environment.pop("MLFLOW_REGISTRY_URI", None)
    for kind, block in BLOCKS:
        for command in commands_of(kind, block):
            result = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    embedded = pq.read_table(tmp_path / "embeddings" / "embeddings")
    assert embedded.num_rows == 40
    assert embedded.schema.field("embedding").type == pa.list_(pa.float32(), 32)


def test_the_readme_has_code() -> None:
    assert {kind for kind, _ in BLOCKS} == {"console", "python"}
