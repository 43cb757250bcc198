"""What README.md and the pages of docs/ say to type, and what they say it prints."""

import contextlib
import glob
import io
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fnet_cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# A fence's title says why a block is not run: ```console title="needs a cluster"
FENCE = re.compile(
    r'^(?P<indent> *)```(?P<kind>\w*)(?: title="(?P<title>[^"]+)")?(?P<rest>.*)\n'
    r"(?P<text>(?:.*\n)*?)(?P=indent)```$",
    re.MULTILINE,
)
SHELL = re.compile(r"[|<>;&`]|\$\(|\$\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page; `title` says why it is not run."""

    place: str
    kind: str
    title: str | None
    text: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(
            place=f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}",
            kind=found["kind"] + found["rest"],
            title=found["title"],
            text=found["text"],
        )
        for found in FENCE.finditer(text)
    ]


def steps_of(block: Block) -> Iterator[tuple[str, str]]:
    """Each thing to type, with what the block says that it prints."""
    if block.kind == "python":
        yield block.text, ""
    else:
        for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, printed = step.replace("\\\n", "").partition("\n")
            yield command, printed


def run_page(page: Path) -> None:
    """Run a page's blocks in their order, in this folder; those of Python share their names."""
    names: dict[str, Any] = {"__name__": "page"}
    printed = ""
    for block in blocks_of(page):
        if block.title is None and block.kind == "text":
            compare(block.place, block.text, printed)
        elif block.title is None and block.kind in ("console", "python"):
            for typed, said in steps_of(block):
                printed = run_python(typed, names) if block.kind == "python" else run(typed)
                compare(f"{block.place}: {typed}", said, printed)


def run_python(program: str, names: dict[str, Any]) -> str:
    with shown() as printed:
        exec(program, names)
    return printed.getvalue()


def run(command: str) -> str:
    """Run a command: `fnet` within this process, for a new one takes seconds to import all."""
    words = shlex.split(command)
    if words[0] == "fnet" and not SHELL.search(re.sub(r"\"[^\"]*\"|'[^']*'", "", command)):
        found = [sorted(glob.glob(word)) or [word] for word in words[1:]]
        with shown() as printed:
            try:
                status = main([word for each in found for word in each])
            except SystemExit as end:  # argparse, of --version and of mistakes
                status = end.code
        assert status == 0, f"{command}\n{printed.getvalue()}"
        return printed.getvalue()
    bash = ["bash", "-euc", command]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    result = subprocess.run(bash, check=False, **both)
    assert result.returncode == 0, f"{command}\n{result.stdout}"
    return result.stdout


@contextlib.contextmanager
def shown() -> Iterator[io.StringIO]:
    """What a terminal shows: both streams."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.redirect_stderr(printed),
    ):
        yield printed


def compare(place: str, said: str, printed: str) -> None:
    """Every line said is printed, in this order; … stands for anything, and times vary."""
    lines = [re.escape(" ".join(line.split())) for line in said.splitlines() if line.strip()]
    timeless = (re.sub(r"[\d\\.]+(?=\\ s\b)", r"[\\d.]+", line) for line in lines)
    patterns = [re.sub(r"(\\ )?…(\\ )?", ".*", line) for line in timeless]
    found = iter(" ".join(line.split()) for line in printed.splitlines())
    missing = [each for each in patterns if not any(re.fullmatch(each, line) for line in found)]
    assert missing == [], f"{place}\n{said}\nis not in\n{printed}"
