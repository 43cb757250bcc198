"""Which files are inputs: what a folder or glob holds, whichever way it is there."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import fnet_ray
from fnet_ray.corpus.conversion import convert, convert_files
from fnet_ray.corpus.files import check_unchanged, find_inputs
from fnet_ray.corpus.storages import open_storage
from fnet_ray.options import Columns
from fnet_ray.output.layout import PAGE
from fnet_ray.output.stores import open_store
from fnet_registry.errors import InputError


def names(*patterns: Path | str) -> list[str]:
    return [os.path.basename(file.path) for file in find_inputs([*map(str, patterns)])]


class TestLinks:
    """A link is what it leads to."""

    @pytest.fixture
    def corpus(self, tmp_path: Path) -> Path:
        """A file, a link to a file elsewhere, and one to a folder elsewhere."""
        corpus, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
        for folder in (corpus, elsewhere / "sub"):
            folder.mkdir(parents=True)
        (corpus / "a.txt").write_text("a")
        (elsewhere / "blob").write_text("a longer text")
        (elsewhere / "sub" / "c.txt").write_text("c")
        (corpus / "b.txt").symlink_to(elsewhere / "blob")
        (corpus / "z").symlink_to(elsewhere / "sub")
        os.utime(elsewhere / "blob", (1, 1))
        return corpus

    @pytest.mark.parametrize("way", ["{}", "{}/**/*.txt", "file://{}"])
    def test_folders_and_globs_follow_them(self, way: str, corpus: Path) -> None:
        files = find_inputs(way.format(corpus))
        assert [file.path.rpartition("/")[2] for file in files] == ["a.txt", "b.txt", "c.txt"]
        assert files[1].size == len("a longer text")
        for file in files:
            check_unchanged(file.opened, file.path, size=file.size, version=file.version)

    def test_a_glob_of_nothing_but_links(self, corpus: Path) -> None:
        assert names(corpus / "b*") == ["b.txt"]

    def test_a_link_to_a_folder_that_it_is_in_leads_nowhere(self, corpus: Path) -> None:
        (corpus / "up").symlink_to("..")
        (corpus / "z" / "back").symlink_to(corpus)
        (corpus / "itself").symlink_to("itself")
        assert names(corpus) == names(corpus / "**" / "*.txt") == ["a.txt", "b.txt", "c.txt"]

    def test_a_broken_link_is_a_file_that_cannot_be_read(self, corpus: Path) -> None:
        (corpus / "b.txt").unlink()
        (corpus / "b.txt").symlink_to("nothing")
        broken = find_inputs(corpus)[1]
        with pytest.raises(InputError, match=r"No such file .*--skip-damaged.*b\.txt"):
            convert(broken, open_store(corpus.parent / "out"), Columns())


@pytest.mark.parametrize("name", ["List::Util.txt", "s3::b.txt", "::.txt", "a\n::.txt"], ids=ascii)
def test_a_name_may_hold_two_colons(name: str, tmp_path: Path) -> None:
    (tmp_path / "in::side").mkdir()
    (tmp_path / "in::side" / name).write_text("a")
    for pattern in (
        tmp_path / "in*" / "*",
        tmp_path / "in::side",
        f"file://{tmp_path}/in::side/{name}",
    ):
        [file] = find_inputs(pattern)
        store = open_store(tmp_path / "out::put")
        rows = pq.read_table(store.path(convert(file, store, Columns())))
        assert rows["text"].to_pylist() == ["a"]


def test_a_urls_name_may_hold_two_colons() -> None:
    _, path = open_storage("s3://bucket/in::side/::List::Util.txt")
    assert path == "bucket/in::side/::List::Util.txt"


def test_what_is_neither_a_file_nor_a_folder_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    os.mkfifo(tmp_path / "pipe.txt")
    assert names(tmp_path) == names(tmp_path / "*.txt") == ["a.txt"]
    with pytest.raises(InputError, match=r"must be a file, .* Received: .*pipe\.txt"):
        find_inputs(tmp_path / "pipe.txt")


class _Endless(BaseHTTPRequestHandler):
    """A server that does not say how long its answers are."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(b"one\ntwo\n" if self.command == "GET" else b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing."""


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session")
def test_a_server_need_not_say_how_large_a_file_is(tmp_path: Path, preset_folder: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        urls = [f"http://127.0.0.1:{server.server_port}/{name}.txt" for name in "ab"]
        report = fnet_ray.embed(preset_folder, urls, tmp_path / "out")
        server.shutdown()
    assert report.embedded == 4
    assert (tmp_path / "out" / PAGE).is_file()


@pytest.mark.xdist_group("ray")
@pytest.mark.usefixtures("ray_session")
def test_what_a_killed_driver_left_of_a_conversion_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    store = open_store(tmp_path / "out")
    [first] = find_inputs(tmp_path / "a.txt")
    earlier = Path(store.path(convert(first, store, Columns())))
    earlier.with_name(f".{earlier.name}.0123").write_bytes(b"half")
    (tmp_path / "b.txt").write_text("b")
    found = convert_files(find_inputs(tmp_path / "*.txt"), store, Columns(), skip_damaged=False)
    assert sorted(map(str, earlier.parent.iterdir())) == sorted(map(str, found.values()))
