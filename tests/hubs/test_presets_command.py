"""``fnet presets``: what there is to take, and what is here already."""

import json

import pytest

from fnet_cli.main import main
from fnet_registry.presets.fetch import fetch
from tests.hubs.conftest import Site


def cached(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict]:
    capsys.readouterr()
    assert main(["presets", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)["cached"]


def test_built_in_presets_are_listed(home, capsys: pytest.CaptureFixture[str]):
    assert main(["presets"]) == 0
    output = capsys.readouterr().out
    assert "82,861,056 parameters  kaggle://keras/f_net/keras/f_net_base_en/3" in output
    assert "In the cache: none" in output


def test_a_cached_preset_is_listed(site: Site, capsys: pytest.CaptureFixture[str]):
    fetch(site.handle)
    size = sum(map(len, site.files.values()))
    assert cached(capsys) == [
        {"handle": site.pinned, "complete": True, "verified": True, "size": size}
    ]
    assert main(["presets"]) == 0
    assert f"{site.pinned}        0.5 MB  complete, verified" in capsys.readouterr().out


def test_a_preset_without_weights_is_incomplete(site: Site, capsys: pytest.CaptureFixture[str]):
    fetch(site.handle, weights=False)
    (preset,) = cached(capsys)
    assert not preset["complete"]


@pytest.mark.parametrize(
    "index", [{"weight_map": {"a": 5}}, {"weight_map": {"a": [["b"]]}}, {"weight_map": {}}]
)
def test_a_preset_whose_index_of_weights_names_no_files_is_incomplete(
    huggingface_site: Site, index: dict, capsys: pytest.CaptureFixture[str]
):
    fetch(huggingface_site.handle, weights=False)
    huggingface_site.record.unlink()
    (huggingface_site.folder / "model.weights.json").write_text(json.dumps(index))
    (preset,) = cached(capsys)
    assert not preset["complete"]


def test_a_damaged_file_is_found_on_request(site: Site, capsys: pytest.CaptureFixture[str]):
    fetch(site.handle)
    site.damage("model.weights.h5")
    assert cached(capsys)[0]["verified"]
    assert not cached(capsys, "--check")[0]["verified"]


def test_another_models_folder_is_left_out(site: Site, capsys: pytest.CaptureFixture[str]):
    site.files["config.json"] = b'{"model_type": "bert"}'
    fetch(site.handle)
    assert cached(capsys) == []
