"""What comes from an output is shown on its page, and never run."""

import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fnet_ray
from fnet_ray.output.stores import open_store
from fnet_ray.reporting.facts import gather
from fnet_ray.reporting.page import render
from fnet_ray.reporting.wording import excerpt, readable
from tests.job.written import write_output

RUN = "document.documentElement.dataset.ran=1"
PAYLOADS = [
    f"</script><script>{RUN}</script>",
    f"<script>{RUN}</script>",
    f'"><img src=x onerror="{RUN}">',
    f"'><svg onload='{RUN}'>",
    f"</title></style><iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"javascript:{RUN}",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- -->]]><![CDATA[",
    "&lt;b&gt; &amp; &#34;",
    "$\\frac{1}{2}$ \\alpha",
    "\u202eright to left\u2028\u0000\x1b[31m",
    "</path></svg></b></dl></main>",
]
hostile = st.builds(
    "{}{}{}".format,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(PAYLOADS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)


class Structure(HTMLParser):
    """The tags of a page with the names of their attributes, and the texts in its map."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.titles: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        if tag == "title":
            self.titles.append("")

    def handle_data(self, data: str) -> None:
        if self.titles and self.tags[-1][0] == "title":
            self.titles[-1] += data


def written(folder: Path, said: str) -> str:
    """An output that says so in its texts, values, columns, reasons, model and path."""
    column, kind = f"text {said}", f"kind {said}"
    texts = [f"{said} {n}" for n in range(6)]
    table = pa.table({column: texts, kind: [said, "other"] * 3})
    shutil.rmtree(folder, ignore_errors=True)
    return write_output(
        folder,
        [table],
        rejects=[f"refused {said}"],
        model=f"models:/{said}",
        path=f"/corpus/{said}",
        column=column,
    )


def rendered(output: str) -> str:
    return render(gather(open_store(output)), {}, made=0.0)


@settings(max_examples=25, deadline=None)
@given(said=hostile)
def test_whatever_is_said_the_page_has_the_same_elements(
    tmp_path_factory: pytest.TempPathFactory, said: str
) -> None:
    folder = tmp_path_factory.mktemp("hostile", numbered=True) / "out"
    page = rendered(written(folder, said))
    structure = Structure(page)
    assert structure.tags == Structure(rendered(written(folder, "plain words"))).tags
    assert sum(tag == "script" for tag, _ in structure.tags) == 1
    shown = readable(excerpt(f"{said} 3"))
    assert any(shown in title.splitlines() or shown in title for title in structure.titles)


def test_a_text_of_quotes_alone_makes_no_large_page(tmp_path: Path) -> None:
    table = pa.table({"text": ['"' * 10_000] * 2000, "kind": ["<" * 5_000, "&" * 5_000] * 1000})
    output = write_output(tmp_path / "out", [table], dim=2, path='/"' * 1000 + "/file.parquet")
    fnet_ray.report(output)
    page = tmp_path / "out/run/report.html"
    assert page.stat().st_size < 5_000_000
    assert "/file.parquet</title>" in page.read_text()


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
DARK, LIGHT = 0, 1
LOOK = """
<title>waiting</title>
<iframe id=desk style="width:1200px;height:900px" srcdoc="PAGE"></iframe>
<iframe id=phone style="width:360px;height:700px" srcdoc="PAGE"></iframe>
<script>
addEventListener("load", () => {
  const seen = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, canvas = page.querySelector(".canvas");
    const point = page.querySelector(".canvas path");
    const [, x, y] = point.getAttribute("d").match(/M([\\d.]+) ([\\d.]+)/);
    const at = canvas.querySelector("svg").getBoundingClientRect();
    const place = {clientX: at.left + at.width * x / 1000, clientY: at.top + at.height * y / 620};
    canvas.dispatchEvent(new frame.contentWindow.PointerEvent("pointermove", place));
    const tip = page.querySelector(".tip");
    seen[frame.id] = {
      ran: [page, document].some((each) => "ran" in each.documentElement.dataset),
      wide: page.documentElement.scrollWidth - page.documentElement.clientWidth,
      tip: tip.hidden ? null : tip.textContent,
      tags: [...tip.children].length,
      paper: frame.contentWindow.getComputedStyle(page.body).backgroundColor,
      loaded: frame.contentWindow.performance.getEntriesByType("resource").length,
    };
  }
  document.title = "seen " + JSON.stringify(seen);
});
</script>
"""


def browse(page: str, folder: Path, scheme: int) -> dict[str, dict[str, Any]]:
    """Open a page on a desk and a phone in a browser; return what is seen there."""
    file = folder / f"look-{scheme}.html"
    file.write_text(LOOK.replace("PAGE", html.escape(page)), encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder}/profile",
        f"--blink-settings=preferredColorScheme={scheme}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        file.as_uri(),
    ]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    told = re.search(r"<title>seen (.*?)</title>", shown.stdout, re.S)
    assert told, shown.stdout[:1000]
    return json.loads(html.unescape(told[1]))


@pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed")
def test_a_browser_shows_it_and_runs_none_of_it(tmp_path: Path) -> None:
    said = "".join(PAYLOADS)
    output = written(tmp_path / "out", said)
    fnet_ray.report(output)
    page = (tmp_path / "out/run/report.html").read_text(encoding="utf-8")
    light, dark = (browse(page, tmp_path, scheme) for scheme in (LIGHT, DARK))
    for seen in (*light.values(), *dark.values()):
        assert not seen["ran"]
        assert seen["wide"] <= 0  # nothing stands out at the side, on a phone neither
        assert readable(excerpt(f"{said} 0"))[:100] in seen["tip"]
        assert (seen["tags"], seen["loaded"]) == (0, 0)
    assert light["desk"]["paper"] != dark["desk"]["paper"]
