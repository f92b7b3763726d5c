"""The page in a real browser: however long the names, nothing runs over its edge."""

import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imaging_core.metrics.merge import merge
from imaging_core.report.verdict import Rules
from imaging_core.report.write import write_report
from tests.imaging_core.report.synthetic_run import SyntheticRun, classification_records, make_card, write_pictures

# Asks the page in the frame how wide it would like to be.
ASK = """<title>not loaded</title><iframe src="run/report/report.html" width="{width}" height="4000"
 onload="document.title = this.contentDocument.documentElement.scrollWidth + ' wide'"></iframe>"""


class Quiet(SimpleHTTPRequestHandler):
    def log_request(self, code="-", size="-"):
        pass


def wanted_width(folder: Path, width: int) -> int:
    """How wide the report is in a window of this width."""
    (folder / "ask.html").write_text(ASK.format(width=width))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += ["--window-size=1400,4000", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
        url = f"http://127.0.0.1:{server.server_port}/ask.html"
        done = subprocess.run([*command, url], check=True, capture_output=True, timeout=120, text=True)
        server.shutdown()
    title = re.search("<title>(.*?)</title>", done.stdout)
    assert title is not None
    return int(title[1].removesuffix(" wide"))


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium, as apt-get install chromium gives it")
@pytest.mark.parametrize("classes", [3, 30])
def test_long_names_of_all_kinds_stay_inside(tmp_path, classes):
    names = [f"{number}-{'a_very_long_class_name_' * 6}" for number in range(classes)]
    synthetic = SyntheticRun(
        classification_records(40, 60, classes, failing=0.2),
        make_card(classes=names, name="model-" * 30),
        60,
        classes=names,
        name="x" * 150,
        names={index: f"{'folder_' * 20}/{index}.png" for index in range(60)},
    )
    store = synthetic.write(tmp_path)
    write_pictures(synthetic, tmp_path)
    write_report(store, merge(store), Rules())
    for width in (1200, 400):
        assert wanted_width(tmp_path, width) <= width
