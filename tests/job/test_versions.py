"""Workers that do not run what the driver runs."""

from dataclasses import replace
from pathlib import Path

import pytest

import fnet_ray
from fnet_ray.cluster.environment import Environment
from fnet_registry.errors import JobError

OTHER = "fnet-registry 0.0.0, torch 1.0"


def test_a_worker_names_what_its_vectors_depend_on() -> None:
    worker = Environment.of_this_process("cpu")
    assert "fnet-registry" in worker.versions
    assert "torch" in worker.versions
    assert worker.device.startswith("cpu (")
    worker.check_versions(Environment.of_this_process())


def test_other_versions_are_refused() -> None:
    worker = Environment.of_this_process("cpu")
    with pytest.raises(JobError, match=r"must run the driver's versions \(fnet-registry 0\.0\.0"):
        worker.check_versions(replace(worker, versions=OTHER))


@pytest.mark.usefixtures("ray_session")
def test_a_job_with_such_workers_is_refused_in_one_line(
    corpus: Path, tmp_path: Path, preset_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = replace(Environment.of_this_process(), versions=OTHER)
    monkeypatch.setattr(Environment, "of_this_process", lambda: driver)
    with pytest.raises(JobError, match="All workers must run the driver's versions") as raised:
        fnet_ray.embed(preset_folder, corpus, tmp_path / "out", tracking=False)
    assert "\n" not in str(raised.value)
