"""The public names of the packages."""

from importlib import import_module

import pytest

PUBLIC = {
    "fnet_evaluate": [
        "Decision",
        "Evaluation",
        "Figure",
        "evaluate",
        "log_evaluation",
        "paired_difference",
        "promote",
        "roll_back",
    ],
    "fnet_tune": ["Tuning", "Whitening", "tune", "whiten"],
    "fnet_registry": [
        "Backbone",
        "Checkpoint",
        "EncodingConfig",
        "FNetBackbone",
        "FNetEncoder",
        "FNetTokenizer",
        "SharedEncoder",
        "TextEncoder",
    ],
}


@pytest.mark.parametrize("package", PUBLIC)
def test_all_holds_the_public_names_and_nothing_else(package: str) -> None:
    module = import_module(package)
    assert sorted(module.__all__) == PUBLIC[package]
    for name in PUBLIC[package]:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("package", PUBLIC)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        import_module(package).nonsense  # noqa: B018
