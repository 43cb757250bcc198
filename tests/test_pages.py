"""README and the pages of docs/: what they say to type runs, and prints what they say.

`docs/tour.md` starts in an empty folder. README has its data at hand, all other pages the folder
that it leaves, each a copy of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.flavor.conftest import empty_database, use_registry  # noqa: F401
from tests.pages import PAGES, ROOT, blocks_of, compare, run, run_page
from tests.tune.conftest import pair

TOUR, README = ROOT / "docs" / "tour.md", ROOT / "README.md"
KAGGLE_FOLDER = "models/keras/f_net/keras/f_net_base_en/3"
REPOSITORY = "https://github.com/fnet-registry/fnet-registry/blob/main/"
OWN_TESTS = {  # which start what the page needs
    "docs/serving.md": "tests/examples/test_examples.py",
    "docs/vector-stores.md": "tests/job/test_vector_stores.py",
}
RUN_HERE = [page for page in PAGES if str(page.relative_to(ROOT)) not in OWN_TESTS]
NOT_RUN = {
    "README.md": ["needs the package index", "needs GitHub"],
    "docs/flavor.md": ["runs until it is stopped"],
    "docs/install.md": [
        "needs the package index",
        "needs GitHub",
        "needs a clone and the package index",
    ],
    "docs/job.md": ["needs a cluster"],
    "docs/mteb.md": ["needs mteb and a network", "needs mteb"],
    "docs/tune.md": ["needs a cluster"],
}


@pytest.fixture(scope="module")
def hub_cache(preset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache in which the published preset is a small one, and no hub."""
    cache = tmp_path_factory.mktemp("cache")
    shutil.copytree(preset_folder, cache / KAGGLE_FOLDER)
    (cache / f"{KAGGLE_FOLDER}.complete").touch()  # as kagglehub marks it
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAGGLEHUB_CACHE", str(cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("XDG_CACHE_HOME", str(cache / "xdg"))
        patch.setenv("COLUMNS", "300")  # so that no text is cut, however long the path
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def toured(
    hub_cache: None,
    ray_session: None,
    empty_database: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder that the tour leaves, and a user's examples that a small model learns from."""
    folder = tmp_path_factory.mktemp("tour")
    shutil.copy(empty_database, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        run_in(folder, TOUR, patch)
    pairs = [dict(zip(("anchor", "positive"), pair(n), strict=True)) for n in range(240)]
    pq.write_table(pa.Table.from_pylist(pairs), folder / "questions.parquet")
    return folder


def run_in(folder: Path, page: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(folder)
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    patch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    use_registry(folder / "mlflow.db")
    try:
        run_page(page)
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_EXPERIMENT_ID", None)


@pytest.mark.filterwarnings("default")  # a user sees them, too
@pytest.mark.parametrize(
    "page", [page for page in RUN_HERE if page != TOUR], ids=lambda page: page.name
)
@pytest.mark.system
def test_what_a_page_says_to_type_runs_and_prints_what_it_says(
    page: Path,
    toured: Path,
    empty_database: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if page == README:
        shutil.copy(empty_database, tmp_path / "mlflow.db")
        for name in ("pairs.parquet", "questions.parquet"):
            shutil.copy(toured / name, tmp_path)
    else:
        shutil.copytree(toured, tmp_path, dirs_exist_ok=True)
    run_in(tmp_path, page, monkeypatch)


def test_no_block_is_left_out_in_silence() -> None:
    blocks = {str(page.relative_to(ROOT)): blocks_of(page) for page in RUN_HERE}
    titles = {page: [block.title for block in each if block.title] for page, each in blocks.items()}
    assert {page: each for page, each in titles.items() if each} == NOT_RUN
    kinds = {"console", "python", "text", ""}
    everything = [block for each in blocks.values() for block in each]
    assert [b.place for b in everything if b.kind not in kinds] == []
    assert [b.place for b in everything if b.kind == "console" and b.text[:2] != "$ "] == []
    commands = re.compile(r"^(\$|pip|fnet|import) ", re.MULTILINE)
    assert [b.place for b in everything if b.kind == "" and commands.search(b.text)] == []
    for page in RUN_HERE:
        fences = re.findall(r"^ *(```|~~~)", page.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(blocks_of(page)), page


@pytest.mark.parametrize("said", ["one 1.5 s", "… 1 s\nthree", "  one   0 s \ntwo: …", ""])
def test_what_is_printed_may_be_said_in_part_and_with_other_times(said: str) -> None:
    compare("page.md:1", said, "one 2.75 s\ntwo: 0.5\nthree\n")


@pytest.mark.parametrize("said", ["one 2 s here", "three\none 2 s", "two: 0.4", "four"])
def test_a_page_that_says_what_is_not_printed_is_told(said: str) -> None:
    with pytest.raises(AssertionError, match="page.md:1"):
        compare("page.md:1", said, "one 2.75 s\ntwo: 0.5\nthree\n")


def test_a_command_that_fails_is_told() -> None:
    for command in ("fnet status nowhere", "fnet nonsense", "false | true; exit 3"):
        with pytest.raises(AssertionError, match=re.escape(command)):
            run(command)


@pytest.mark.parametrize(("page", "test"), OWN_TESTS.items())
def test_a_page_that_is_not_run_here_is_run_elsewhere(page: str, test: str) -> None:
    assert page.removeprefix("docs/") in (ROOT / test).read_text()


def test_every_link_to_a_file_leads_to_one() -> None:
    broken = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            inside = link.startswith(REPOSITORY)
            target = ROOT / link.removeprefix(REPOSITORY) if inside else page.parent / link
            if (inside or "://" not in link) and not target.is_file():
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_every_page_is_in_the_site_s_navigation() -> None:
    # What zensical does not ask for.
    named = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    there = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(named) == sorted(there)


@pytest.mark.skipif(find_spec("zensical") is None, reason='needs pip install -e ".[docs]"')
def test_the_site_is_built_with_no_broken_link_and_fetches_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("fnet_registry", "flavors", "pipelines"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    pages = {path: path.read_text() for path in (tmp_path / "site").rglob("*.html")}
    fetching = re.compile(
        r"<(?:script|img|iframe)[^>]*src=\"?https?:|<link[^>]*stylesheet[^>]*https?:"
    )
    assert [str(path) for path, text in pages.items() if fetching.search(text)] == []
    # With `repo_url`, the theme asks GitHub for stars and releases.
    assert not any('data-md-component="source"' in text for text in pages.values())
    reference = pages[tmp_path / "site" / "api" / "fnet_ray" / "index.html"]
    assert 'id="fnet_ray.embed"' in reference
