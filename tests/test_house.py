"""The house: few modules in a room, small files, one place for each thing, errors that help."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import fnet_registry.errors

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "fnet_cli",
    "fnet_registry",
    "flavors/fnet_mlflow",
    "pipelines/fnet_ray",
    "pipelines/fnet_evaluate",
)
MODULES = {
    str(path.relative_to(ROOT)): path.read_text()
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}
ERRORS = {name for name in vars(fnet_registry.errors) if name.endswith("Error")}


def modules_with(pattern: str) -> list[str]:
    return [name for name, text in MODULES.items() if re.search(pattern, text)]


def messages(text: str) -> Iterator[tuple[int, str]]:
    """The line and the fixed words of each message that is raised as one of our errors."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=kind), args=[message, *_])) if (
                kind in ERRORS and not isinstance(message, ast.Name | ast.Call)
            ):
                constants = [n.value for n in ast.walk(message) if isinstance(n, ast.Constant)]
                yield node.lineno, "".join(str(value) for value in constants)


def test_a_room_holds_at_most_thirteen_modules() -> None:
    rooms = [Path(name).parent for name in MODULES if not name.endswith("__init__.py")]
    assert [str(room) for room in set(rooms) if rooms.count(room) > 13] == []


def test_a_file_has_at_most_300_lines() -> None:
    assert [name for name, text in MODULES.items() if text.count("\n") > 300] == []


def test_no_docstring_leaves_its_reader_to_look_above() -> None:
    assert modules_with(r"See above\.") == []


def test_every_error_says_what_was_received() -> None:
    # A message that ends in a full stop and a space goes on with the error that it wraps.
    silent = [
        f"{name}:{line}: {message}"
        for name, text in MODULES.items()
        for line, message in messages(text)
        if "Received" not in message and " " in message and not message.endswith(". ")
    ]
    assert silent == []


def test_one_module_knows_the_output_folder() -> None:
    found = modules_with(r"""["'](run/|embeddings["'/]|rejects/)|shard-\{""")
    in_the_job = [name for name in found if name.startswith("pipelines/")]
    assert in_the_job == ["pipelines/fnet_ray/output/layout.py"]


def test_one_module_names_the_operators_that_torch_keeps_to_itself() -> None:
    assert modules_with(r"torch\.ops\.") == ["fnet_registry/engine/products.py"]


def test_one_module_reads_model_uris() -> None:
    parsing = modules_with(r"""removeprefix\(["']models:|models:/\+?\(\?""")
    assert parsing == ["flavors/fnet_mlflow/registry/uri.py"]


def test_every_package_carries_its_types() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)
