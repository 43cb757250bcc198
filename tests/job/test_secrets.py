"""Credentials in URLs open files, and are seen nowhere."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_cli.main import main
from fnet_registry.errors import HandleError, InputError, JobError
from fnet_registry.presets.handle import parse_handle
from fnet_registry.redaction import without_secrets
from tests.job.corpora import TEXTS, write_json_lines, write_parquet
from tests.job.web import PASSWORD, SIGNATURE, USER, run_web_server

FNET = Path(sys.executable).with_name("fnet")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host:80/c.parquet", "http://host:80/c.parquet"),
        ("https://token@host/c", "https://host/c"),
        (
            "https://host/c.parquet?X-Amz-Signature=abc&x=1 is gone",
            "https://host/c.parquet is gone",
        ),
        ("s3://KEY:SEC/RET@bucket/c.parquet", "s3://bucket/c.parquet"),
        ("postgresql://user:p@ss@host/db", "postgresql://host/db"),
        ("hf://user:tok@org/name", "hf://org/name"),
        ("with url: /api?X-Amz-Credential=abc&a=b", "with url: /api?X-Amz-Credential=***&a=b"),
        ("abfs://box@account.dfs.core.windows.net/c?sv=1&sig=abc", None),
        ("http://host:8080/user@mail/c.parquet", "http://host:8080/user@mail/c.parquet"),
        ("s3://bucket/part-?.parquet", "s3://bucket/part-?.parquet"),
        ("s3://bucket/a:b@c.parquet", "s3://bucket/a:b@c.parquet"),
        ("postgresql://u:pa'ss@db/x", "postgresql://db/x"),
        ("https://u:p'w@h/", "https://h/"),
        ("https://to'ken@h/", "https://h/"),
        ("s3://AKIA:12/abc@bucket", "s3://bucket"),
        ("https://host/c#access_token=abc", None),
        ("models:/fnet@champion", "models:/fnet@champion"),
        ("hf://org/name@main", "hf://org/name@main"),
        ("/folder/a@b?c=d.parquet", "/folder/a@b?c=d.parquet"),
    ],
)
def test_what_is_shown_of_a_url(text: str, shown: str | None) -> None:
    assert without_secrets(text) == (shown or text.replace("abc", "***"))


def test_an_error_shows_no_credentials() -> None:
    with pytest.raises(HandleError, match="Received: 'hf://org/name") as caught:
        parse_handle("hf://user:tok@org/name")
    assert "tok@" not in str(caught.value)


@pytest.mark.parametrize("where", ["input", "output"])
def test_an_object_stores_url_holds_no_credentials(
    where: str, corpus: Path, tmp_path: Path, preset_folder: Path
) -> None:
    url = "s3://AKIAKEY:sec/ret@bucket/c.parquet"
    paths = (url, tmp_path / "out") if where == "input" else (corpus, url)
    with pytest.raises(JobError, match=r"environment, .* s3://\*\*\*@bucket/c.parquet") as caught:
        fnet_ray.embed(preset_folder, *paths)
    assert "AKIAKEY" not in str(caught.value)


@pytest.mark.usefixtures("ray_session")
class TestJob:
    """A real server that wants a password, or a signature."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "served").mkdir()
        return tmp_path / "served"

    @pytest.fixture
    def host(self, folder: Path) -> Iterator[str]:
        with run_web_server(folder) as host:
            yield host

    @pytest.mark.parametrize("write", [write_parquet, write_json_lines])
    def test_a_password_opens_files_and_is_stored_nowhere(
        self,
        write,
        host: str,
        folder: Path,
        tmp_path: Path,
        preset_folder: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        name = write(folder / f"c.{'parquet' if write is write_parquet else 'jsonl'}", TEXTS).name
        output = tmp_path / "out"

        report = fnet_ray.embed(
            preset_folder, f"http://{USER}:{PASSWORD}@{host}/{name}", output, limit=4
        )

        found = pq.read_table(output / "embeddings")
        assert set(found["source_file"].to_pylist()) == {f"http://{host}/{name}"}
        tracked = mlflow.MlflowClient().get_run(report.tracking_run)
        seen = repr(tracked.to_dictionary()) + repr(tracked.inputs) + "".join(capfd.readouterr())
        files = [file.read_bytes() for file in output.rglob("*") if file.is_file()]
        columns = [pq.read_table(file).to_pylist() for file in (output / "run").glob("*.parquet")]
        assert PASSWORD not in seen + repr(columns)
        assert PASSWORD.encode() not in b"".join(files)

    def test_a_signature_may_be_another_one_when_the_job_goes_on(
        self, host: str, folder: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        write_parquet(folder / "c.parquet", [*TEXTS] * 100)
        signed = f"http://{host}/c.parquet?X-Amz-Expires=60&X-Amz-Signature={SIGNATURE}"
        output = tmp_path / "out"
        fnet_ray.embed(preset_folder, signed + "1", output)
        for done in (*(output / "embeddings").iterdir(), *(output / "run" / "done").iterdir()):
            if "00000001" in done.name:
                done.unlink()

        assert fnet_ray.embed(preset_folder, signed + "2", output).rows == len(TEXTS) * 100
        assert fnet_ray.preview(preset_folder, signed + "3").rows == len(TEXTS) * 100

    def test_what_differs_in_its_query_alone_is_no_second_file(
        self, host: str, folder: Path, tmp_path: Path, preset_folder: Path
    ) -> None:
        write_parquet(folder / "c.parquet", TEXTS)
        signed = f"http://{host}/c.parquet?X-Amz-Signature={SIGNATURE}"
        with pytest.raises(InputError, match="differ in more than .* Received: .* twice"):
            fnet_ray.embed(preset_folder, [signed, signed + "2"], tmp_path / "out")

    @pytest.mark.parametrize("path", ["c.parquet", "none.parquet", "folder", "*.parquet"])
    @pytest.mark.parametrize("plan", [[], ["--plan"]], ids=["job", "plan"])
    def test_a_mistake_does_not_show_it(
        self,
        path: str,
        plan: list[str],
        host: str,
        tmp_path: Path,
        preset_folder: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        url = f"http://{USER}:wrong{PASSWORD}@{host}/{path}"
        assert main(["embed", str(preset_folder), url, str(tmp_path / "out"), *plan]) == 2
        errors = "".join(capfd.readouterr())
        assert f"Received: http://{host}/{path}" in errors
        assert PASSWORD not in errors


@pytest.mark.system
def test_a_tracking_server_that_wants_a_password(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"http://{USER}:{PASSWORD}@127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    command = [FNET, "embed", "models:/fnet/1", corpus, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert PASSWORD not in done.stdout + done.stderr
