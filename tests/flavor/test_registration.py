"""Registering: once for each content, with its origin, and the same from many processes."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException

import fnet_mlflow
from fnet_mlflow.content.digest import content_digest
from fnet_mlflow.registry.catalog import find_version, list_versions
from fnet_registry import EncodingConfig, FNetBackbone, TextEncoder
from fnet_registry.errors import ModelError, PresetError
from fnet_registry.presets.checkpoint import Checkpoint

GOLDEN_DIGEST = "37789b95167452eb43dbf1d52212bc3814c9c680ebd5e13887c172d41faac226"

REGISTER = """
import sys, mlflow, fnet_mlflow
mlflow.set_experiment("tests")
print(fnet_mlflow.register_preset(sys.argv[1], "fnet", alias="champion").version)
"""


def versions(name: str = "fnet") -> list[int]:
    found = mlflow.MlflowClient().search_model_versions(f"name = '{name}'")
    return sorted(int(version.version) for version in found)


def test_a_logged_model_says_which_version_it_became(register: Callable):
    register()
    client = mlflow.MlflowClient()
    version = client.get_model_version("fnet", "1")
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    noted = json.loads(logged.tags["mlflow.modelVersions"])
    assert [(entry["name"], int(entry["version"])) for entry in noted] == [("fnet", 1)]


class TestOnce:
    def test_the_same_preset_is_one_version(self, register: Callable):
        first, second = register(), register()
        assert (first.model_uri, first.created) == ("models:/fnet/1", True)
        assert (second.model_uri, second.created) == ("models:/fnet/1", False)
        assert versions() == [1]

    def test_another_encoding_is_another_version(self, register: Callable):
        register()
        assert register(sequence_length=32).version == 2
        assert register(sequence_length=32, pooling="cls").version == 3
        assert register(normalize=True).version == 4
        assert register(model_config={"dtype": "bfloat16"}).version == 5
        assert register(pooling="mean", sequence_length=64).version == 1

    def test_the_place_and_the_format_of_the_preset_do_not_count(
        self, register: Callable, preset_folder: Path, registry: Path
    ):
        register()
        copy = shutil.copytree(preset_folder, registry / "elsewhere")
        assert fnet_mlflow.register_preset(copy, "fnet").version == 1
        TextEncoder.from_preset(copy).backbone.save_to_preset(str(registry / "anew"))
        shutil.copytree(copy / "assets", registry / "anew" / "assets", dirs_exist_ok=True)
        assert fnet_mlflow.register_preset(registry / "anew", "fnet").version == 1

    def test_one_changed_weight_is_another_version(
        self, register: Callable, encoder: TextEncoder, registry: Path
    ):
        register()
        backbone = FNetBackbone.from_config(encoder.backbone.get_config())
        weights = [weight.copy() for weight in encoder.backbone.get_weights()]
        weights[0][0, 0] = np.nextafter(weights[0][0, 0], np.float32(1))
        backbone.set_weights(weights)
        again = fnet_mlflow.register_preset(backbone, "fnet", tokenizer=encoder.tokenizer)
        assert again.version == 2

    def test_force_makes_another(self, register: Callable):
        register()
        assert register(force=True).version == 2
        assert register().version == 1

    def test_under_another_name_it_is_another_version(self, register: Callable, preset_folder):
        register()
        assert fnet_mlflow.register_preset(preset_folder, "other").created

    def test_a_deleted_version_is_made_again(self, register: Callable):
        register()
        mlflow.MlflowClient().delete_model_version("fnet", "1")
        assert register().version == 2


@pytest.mark.system
def test_processes_at_once_end_up_with_one_version(registry: Path, preset_folder: Path):
    command = [sys.executable, "-c", REGISTER, str(preset_folder)]
    environment = {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri()}
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    (remaining,) = versions()
    assert set(printed) == {str(remaining)}
    assert mlflow.MlflowClient().get_model_version_by_alias("fnet", "champion").version == remaining
    assert len(mlflow.search_logged_models(output_format="list")) == 1


class TestProvenance:
    def test_tags_and_description(self, register: Callable, preset_folder: Path):
        register(tags={"team": "search"}, alias="champion")
        version = mlflow.MlflowClient().get_model_version("fnet", "1")
        tags = version.tags
        assert tags["team"] == "search"
        assert tags["fnet.handle"] == str(preset_folder)
        assert tags["fnet.pooling"] == "mean"
        assert tags["fnet.parameter_count"] == "44992"
        assert len(tags["fnet.source_sha256.model.weights.h5"]) == 64
        assert not [value for value in tags.values() if value.startswith("{")]
        assert len(tags["fnet.content_sha256"]) == 64
        assert version.description is not None
        assert version.description.startswith("FNet text encoder with 2 layers and 32 dimensions")
        assert version.aliases == ["champion"]

    def test_the_model_card_and_its_licence(self, registry: Path, preset_folder: Path):
        preset = Path(shutil.copytree(preset_folder, registry / "preset"))
        card = "---\nlicense: apache-2.0\nlanguage: en\n---\n\n# FNet, tuned on queries\n"
        (preset / "README.md").write_text(card)
        fnet_mlflow.register_preset(preset, "fnet")
        version = mlflow.MlflowClient().get_model_version("fnet", "1")
        assert version.description == "# FNet, tuned on queries"
        assert version.tags["fnet.license"] == "apache-2.0"

    @pytest.mark.parametrize(
        "card",
        [
            "---\n[broken\n---\ntext",
            "---\n- a list\n---\ntext",
            "no header",
            "---\nunclosed",
            "\x00",
        ],
    )
    def test_a_strange_model_card_stops_nothing(
        self, registry: Path, preset_folder: Path, card: str
    ):
        preset = Path(shutil.copytree(preset_folder, registry / "preset"))
        (preset / "README.md").write_text(card)
        assert fnet_mlflow.register_preset(preset, "fnet").created

    def test_a_long_model_card_is_cut(self, registry: Path, preset_folder: Path):
        preset = Path(shutil.copytree(preset_folder, registry / "preset"))
        (preset / "README.md").write_text("word " * 5000)
        fnet_mlflow.register_preset(preset, "fnet")
        description = mlflow.MlflowClient().get_model_version("fnet", "1").description
        assert description is not None
        assert len(description) == 5000
        assert description.endswith("…")


class TestRefused:
    @pytest.mark.parametrize("alias", ["latest", "v1", "V12", "a b", "é", ""])
    def test_aliases_that_mlflow_reserves_or_rejects(self, register: Callable, alias: str):
        with pytest.raises(ModelError, match="An alias holds letters"):
            register(alias=alias)
        assert mlflow.MlflowClient().search_registered_models() == []

    def test_a_name_that_mlflow_rejects_before_the_preset_is_read(self, registry: Path):
        with pytest.raises(MlflowException, match="Invalid model name 'a/b'"):
            fnet_mlflow.register_preset("hf://nobody/nothing", "a/b")

    @pytest.mark.parametrize("name", ["two\nlines", "\udcff", """o'brien's "model\""""])
    def test_a_name_that_no_search_finds_or_no_table_shows(self, registry: Path, name: str):
        with pytest.raises(ModelError, match="letters and signs that can be printed"):
            fnet_mlflow.register_preset("hf://nobody/nothing", name)
        assert mlflow.MlflowClient().search_registered_models() == []

    @pytest.mark.parametrize(
        ("tag", "value", "words"),
        [
            ("a,b", "c", "A tag's name holds at most 250 letters"),
            ("../a", "b", "as a relative path may"),
            ("a", "\udcff", r"Received: 'a=\\udcff'"),
            ("k" * 251, "v", "at most 250 letters"),
            ("a", "v" * 100_001, "its value 100,000 characters"),
            ("fnet.embedding_dim", "many", "A tag must not begin with fnet."),
        ],
        ids=["comma", "path", "no Unicode", "long name", "long value", "of ours"],
    )
    def test_a_tag_before_there_is_a_version(
        self, register: Callable, tag: str, value: str, words: str
    ):
        with pytest.raises(ModelError, match=words):
            register(tags={tag: value})
        assert mlflow.MlflowClient().search_registered_models() == []

    def test_a_folder_that_is_no_preset(self, registry: Path):
        with pytest.raises(PresetError, match="must hold `config.json`"):
            fnet_mlflow.register_preset(registry, "fnet")
        assert mlflow.MlflowClient().search_registered_models() == []

    def test_a_reference_to_what_lies_on_no_hub(self, register: Callable):
        with pytest.raises(ModelError, match="Only a preset on a hub can be referred to"):
            register(reference=True)


@pytest.mark.parametrize("name", ["o'brien", 'say "hi"', "fnet-1.0_x", "über", "a b"])
def test_names_are_quoted(registry: Path, preset_folder: Path, name: str):
    assert fnet_mlflow.register_preset(preset_folder, name).created
    assert not fnet_mlflow.register_preset(preset_folder, name).created


def test_a_version_whose_tags_were_edited_is_left_out_of_the_list(
    register: Callable, caplog: pytest.LogCaptureFixture
):
    register()
    register(force=True)
    mlflow.MlflowClient().delete_model_version_tag("fnet", "1", "fnet.weights_bytes")
    assert [entry.version for entry in list_versions("fnet")] == [2]
    assert "models:/fnet/1 is left out" in caplog.text


def test_a_logged_model_s_tags_are_not_those_of_ours(registry: Path, preset_folder: Path):
    with pytest.raises(ModelError, match=r"must not begin with fnet\..*'fnet.embedding_dim'"):
        fnet_mlflow.log_model(preset_folder, "fnet", tags={"fnet.embedding_dim": "many"})


def test_a_version_that_is_not_ready_does_not_count(register: Callable):
    register()
    digest = mlflow.MlflowClient().get_model_version("fnet", "1").tags["fnet.content_sha256"]
    assert find_version(mlflow.MlflowClient(), "fnet", digest) is not None
    assert find_version(mlflow.MlflowClient(), "fnet", "0" * 64) is None


def test_a_local_preset_is_registered_without_a_warning(
    register: Callable, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING, logger="fnet_mlflow"):
        register()
    assert not caplog.records


def test_the_digest_of_a_content_never_changes(checkpoint: Checkpoint):
    """A release that changed it would register everything anew."""
    assert content_digest(checkpoint, EncodingConfig(sequence_length=64), {}) == GOLDEN_DIGEST


def test_buckets_and_int8_weights_are_versions_of_their_own(
    registry: Path, preset_folder: Path
) -> None:
    plain = fnet_mlflow.register_preset(preset_folder, "fnet")
    bucketed = fnet_mlflow.register_preset(preset_folder, "fnet", buckets=[8, 64])
    int8 = fnet_mlflow.register_preset(preset_folder, "fnet", quantization="int8")
    assert [plain.version, bucketed.version, int8.version] == [1, 2, 3]
    assert [entry.encoding for entry in list_versions("fnet")] == [
        "mean/64",
        "mean/8,64",
        "mean/64/int8",
    ]
    expected = TextEncoder.from_preset(preset_folder, buckets=[8, 64]).encode(["a text"])
    loaded = fnet_mlflow.load_model(bucketed.model_uri)
    np.testing.assert_array_equal(loaded.encode(["a text"]), expected)
