"""The pages: everything that was run is said, no text becomes markup, nothing is loaded from elsewhere."""

import base64
import json
import re
import shutil
import subprocess
import threading
from dataclasses import replace
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from imaging_core import run
from imaging_core.inference.ledger import Counts, Record
from imaging_core.metrics.merge import merge
from imaging_core.report.verdict import Rules
from imaging_core.report.write import write_report
from imaging_core.store import Store
from tests.imaging_core.report.synthetic_run import (
    COMPUTE_CLASS,
    SyntheticRun,
    classification_records,
    make_card,
    segmentation_run,
    write_pictures,
)

ARGO = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'"
VOID = {"meta", "img", "link", "br", "hr", "input"}
PAGES = (run.REPORT_PAGE, run.REPORT_UI_PAGE)


class Page(HTMLParser):
    """The elements, attributes and text of a page; fails on tags that do not nest."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(data.decode())
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def elements_with(self, name: str, value: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if attributes.get(name) == value]

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def report(store: Store, names: bool = True, **rules) -> tuple[Page, Page]:
    """Both renderings."""
    write_report(store, merge(store, names=names), Rules(**rules))
    return Page(store.get(run.REPORT_PAGE)), Page(store.get(run.REPORT_UI_PAGE))


@pytest.fixture
def segmentation(tmp_path) -> Store:
    return segmentation_run(tmp_path, 12, 40, shards=2, name="ISIC").write(tmp_path)


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% include 'report.css' %}",
    "</style></title><b>",
]


class TestHostileTexts:
    @pytest.fixture
    def pages(self, tmp_path) -> tuple[Page, Page]:
        a, b, c, d = HOSTILE
        records = classification_records(30, 50, 3)
        records[4] = Record(records[4].case, "failed", "", kind=a, reason=b)
        records[5] = Record(records[5].case, "skipped", "", kind=c, reason=d)
        names = {
            int(record.case): f"images/{HOSTILE[k % 4].replace('/', '')} {k}.png" for k, record in enumerate(records)
        }
        synthetic = SyntheticRun(
            records,
            make_card(classes=HOSTILE[:3], name=a),
            50,
            HOSTILE[:3],
            split=c,
            name=d,
            names=names,
            compute_classes={0: {**COMPUTE_CLASS, "instruction_set": a, b: c}},
        )
        write_pictures(synthetic, tmp_path)
        store = synthetic.write(tmp_path)
        record = {"parameters": {a: b, "split": [c, d]}, "versions": {b: a}, "host": d}
        store.put(run.RUN, run.to_json(record))
        times = json.loads(store.get(run.timing("000")))
        store.put(run.timing("000"), run.to_json({**times, "host": a, "device": b}))
        return report(store)

    def test_no_element_or_attribute_comes_from_the_dataset(self, pages):
        for page in pages:
            assert {tag for tag, _ in page.elements} <= {
                *("html", "head", "meta", "title", "style", "body", "main", "header", "section", "article", "footer"),
                *("h1", "h2", "h3", "h4", "p", "b", "i", "small", "span", "code", "div", "ol", "ul", "li"),
                *("dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "img"),
                *(
                    "svg",
                    "g",
                    "defs",
                    "clippath",
                    "use",
                    "circle",
                    "path",
                    "line",
                    "rect",
                    "text",
                    "details",
                    "summary",
                ),
            }
            assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]

    def test_the_texts_are_shown_as_they_are(self, pages):
        for page in pages:
            for text in HOSTILE:
                assert text in page.text
            assert "49" not in re.findall(r"of (.*)", page.text)


class TestNothingIsLoadedFromElsewhere:
    def test_one_file_holds_its_pictures(self, segmentation):
        page, _ = report(segmentation)
        sources = [image["href"] for image in page.all("image")]
        assert len(sources) == 12
        for source in sources:
            assert source is not None
            assert base64.b64decode(source.removeprefix("data:image/jpeg;base64,")).startswith(b"\xff\xd8\xff")

    def test_the_page_with_a_folder_has_them_beside_it_and_no_data_uri(self, segmentation):
        _, page = report(segmentation)
        sources = sorted(str(image["href"]) for image in page.all("image"))
        there = sorted(key.removeprefix("report/ui/") for key in segmentation.list("report/ui/pictures/"))
        assert sources == there
        assert len(there) == 12
        assert b"data:" not in segmentation.get(run.REPORT_UI_PAGE)

    @pytest.mark.parametrize("key", PAGES)
    def test_no_script_no_handler_no_link(self, segmentation, key):
        report(segmentation)
        page = Page(segmentation.get(key))
        assert not {"script", "link", "iframe", "object", "embed", "base", "form", "a"} & {
            tag for tag, _ in page.elements
        }
        for tag, attributes in page.elements:
            assert not {name for name in attributes if name.startswith("on") or name == "xlink:href"}, tag
            assert str(attributes.get("href", "#")).startswith(("#", "pictures/", "data:image/")), tag
        assert not re.search(rb"url\((?!#)|@import|https?://", segmentation.get(key))

    @pytest.mark.parametrize("key", PAGES)
    def test_each_has_a_policy_of_its_own(self, segmentation, key):
        report(segmentation)
        policies = [each["content"] for each in Page(segmentation.get(key)).all("meta") if "http-equiv" in each]
        assert len(policies) == 1
        assert str(policies[0]).startswith("default-src 'none'")

    @pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium, as apt-get install chromium gives it")
    def test_a_browser_under_argos_policy_loads_every_picture_and_nothing_else(self, segmentation, tmp_path):
        report(segmentation)
        asked: list[str] = []

        class Server(SimpleHTTPRequestHandler):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, directory=str(tmp_path / "run" / "report" / "ui"), **kwargs)

            def end_headers(self):
                self.send_header("Content-Security-Policy", ARGO)
                super().end_headers()

            def log_request(self, code="-", _size="-"):
                asked.append(f"{self.path} {int(code)}")

        with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            picture = tmp_path / "page.png"
            command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
            command += ["--window-size=1000,4000", f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
            url = f"http://127.0.0.1:{server.server_port}/index.html"
            subprocess.run([*command, url], check=True, capture_output=True, timeout=120)
            server.shutdown()
        pictures = {f"/{key.removeprefix('report/ui/')} 200" for key in segmentation.list("report/ui/pictures/")}
        assert picture.stat().st_size > 0
        assert set(asked) - {"/favicon.ico 404"} == {"/index.html 200", *pictures}


class TestWhatIsSaid:
    def test_verdict_figure_model_and_digests(self, segmentation):
        for page in report(segmentation):
            document = json.loads(segmentation.get(run.METRICS))
            assert page.text.index("Complete and acceptable") < page.text.index("What was run")
            assert f"{document['metrics']['iou']['mean']:.4f}" in page.text
            for said in ("All 12 cases were inferred", "unet-small", "ISIC", document["model"]["sha256"], "d" * 64):
                assert said in page.text

    def test_an_incomplete_run_says_what_is_missing_and_what_to_type(self, tmp_path):
        store = segmentation_run(tmp_path, 12, 40, shards=3, unfinished={1: 0}).write(tmp_path)
        store.put(run.RUN, run.to_json({"parameters": {"dataset": "a.yml", "shards": 3}, "versions": {}}))
        page, _ = report(store)
        missing = merge(store).rows("missing").tolist()
        assert "Incomplete" in page.text
        assert "4 of 12 cases are missing" in page.text
        for row in missing:
            assert merge(store).expected.id(row) in page.text
        assert f"python -m workflows.distributed_inference run --resume {store.root}" in page.text

    def test_how_to_run_it_again(self, segmentation):
        parameters = {
            "dataset": "data/my set.yml",
            "run": "runs/1",
            "allow_root": ["/a", "/b"],
            "probabilities": True,
            "retry_failed": True,
            "max_pixels": None,
            "surface_distances": 0.0,
        }
        segmentation.put(run.RUN, run.to_json({"parameters": parameters}))
        page, _ = report(segmentation)
        command = "python -m workflows.distributed_inference run"
        assert f"{command} --allow-root /a --allow-root /b --dataset 'data/my set.yml' --probabilities" in page.text
        assert "--probabilities --surface-distances 0.0" in page.text

    def test_which_images_a_cluster_ran(self, segmentation):
        segmentation.put(run.RUN, run.to_json({"pods": {"image": "registry.example.org/imaging:0a1b2c3"}}))
        page, _ = report(segmentation)
        assert "registry.example.org/imaging:0a1b2c3" in page.text

    def test_groups_have_a_table_and_their_gap_is_said(self, tmp_path):
        run = segmentation_run(tmp_path, 12, 40)
        run.features = ("sex", "patient")
        run.values = {int(each.case): ("fm"[n % 2], f"NAME{n // 3}") for n, each in enumerate(run.records)}
        store = run.write(tmp_path)
        done = write_report(store, merge(store, patient="patient", group_by=["sex"]), Rules())
        page = Page(store.get("report/report.html"))
        assert "By sex" in page.text
        assert "IoU (Jaccard) differs by" in page.text
        assert "bootstrap resamples of the patients" in page.text
        assert "by sex: IoU (Jaccard) differs by" in done.text
        assert "NAME1" not in page.text + done.text, "which patient a case is of is nobody's business"

    def test_of_a_gap_it_is_said_how_many_cases_it_rests_on(self, tmp_path):
        synthetic = segmentation_run(tmp_path, 12, 40)
        synthetic.features = ("scanner",)
        synthetic.values = {int(each.case): ["old" if n else "new"] for n, each in enumerate(synthetic.records)}
        synthetic.records[0] = replace(synthetic.records[0], counts={1: Counts(0, 9, 9, 9)})
        store = synthetic.write(tmp_path)
        done = write_report(store, merge(store, group_by=["scanner"]), Rules())
        said = "between new (lowest, 1 case) and old (highest, 11 cases)."
        assert said in Page(store.get("report/report.html")).text
        assert "(new lowest of 1 case, old highest of 11 cases)" in done.text

    def test_a_figure_below_that_of_a_constant_answer_is_not_left_without_a_word(self, tmp_path, segmentation):
        assert "Lower than a constant answer" not in report(segmentation)[0].text
        bad = segmentation_run(tmp_path / "b", 4, 40)
        bad.records = [replace(each, counts={1: Counts(1, 9, 500, 490)}) for each in bad.records]
        page, _ = report(bad.write(tmp_path / "b"))
        assert "Calling every pixel “lesion” would score 0.5010" in page.text

    def test_nor_is_one_below_that_of_empty_masks(self, tmp_path):
        synthetic = segmentation_run(tmp_path, 5, 40)
        empty = [replace(each, counts={1: Counts(0, 9, 0, 991)}) for each in synthetic.records[1:]]
        store = replace(synthetic, records=[synthetic.records[0], *empty]).write(tmp_path)
        done = write_report(store, merge(store), Rules())
        assert "An empty mask every time would score 0.8000" in Page(store.get("report/report.html")).text
        assert "lower than a constant answer: always an empty mask scores 0.8000" in done.text

    def test_reference_policy_is_a_banner(self, tmp_path, segmentation):
        assert "Reference policy" not in report(segmentation)[0].text
        other = segmentation_run(tmp_path / "b", 4, 40, policy="reference").write(tmp_path / "b")
        assert "Reference policy" in report(other)[0].text

    def test_mixed_compute_classes_are_said(self, tmp_path):
        classes = {1: {**COMPUTE_CLASS, "instruction_set": "AVX512"}}
        store = segmentation_run(tmp_path, 4, 40, shards=2, compute_classes=classes).write(tmp_path)
        page, _ = report(store)
        assert "Mixed compute classes" in page.text
        assert "AVX512" in page.text

    def test_failures_are_grouped_with_what_to_do(self, tmp_path):
        records = classification_records(30, 50)
        for k in range(4):
            records[k] = Record(records[k].case, "failed", "", kind="unreadable", reason="the JPEG ends too early")
        page, _ = report(SyntheticRun(records, make_card(), 50).write(tmp_path))
        assert "4 failed: unreadable" in page.text
        assert "The JPEG ends too early." in page.text
        assert " ".join(record.case for record in records[:4]) in page.text
        assert "fetch it again from its source" in page.text

    def test_without_ground_truth_it_says_so(self, tmp_path):
        records = [replace(record, label=None) for record in classification_records(12, 50)]
        page, _ = report(SyntheticRun(records, make_card(), 50).write(tmp_path))
        assert "Inferred without ground truth" in page.text
        assert "Least sure" in page.text

    def test_before_anything_was_inferred(self, tmp_path):
        store = SyntheticRun(classification_records(12, 50), make_card(), 50, unfinished={0: 0}).write(tmp_path)
        page, _ = report(store)
        assert "12 of 12 cases are missing" in page.text
        assert "nothing was inferred" in page.text

    @pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
    def test_every_kind_of_classification(self, tmp_path, kind):
        classes = ("no", "yes") if kind == "binary" else ("cat", "dog", "owl")
        records = classification_records(40, 50, len(classes), kind=kind)
        page, _ = report(SyntheticRun(records, make_card(kind=kind, classes=classes), 50).write(tmp_path))
        for said in ("Confidently wrong", "Right and sure", "By class", "AUROC"):
            assert said in page.text
        assert ("Confusion matrix" in page.text) is (kind != "multilabel")

    def test_so_many_classes_that_the_matrix_is_a_list_of_mistakes(self, tmp_path):
        classes = [f"class {k}" for k in range(40)]
        records = classification_records(80, 100, 40)
        page, _ = report(SyntheticRun(records, make_card(classes=classes), 100).write(tmp_path))
        assert "Confusion matrix" not in page.text
        assert "Most frequent mistakes" in page.text


@pytest.mark.parametrize("key", PAGES)
def test_headings_and_pictures_can_be_read_aloud(segmentation, key):
    report(segmentation)
    page = Page(segmentation.get(key))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    said = [str(each["aria-label"]) for each in page.elements_with("role", "img")]
    shown = r"Case \d+\. The image; beside it ground truth, prediction, errors\. IoU 0\.\d{4}"
    assert len([words for words in said if re.match(shown, words)]) == 12
    assert "Histogram of the IoU of 12 cases" in "".join(said)
    assert page.all("html")[0]["lang"] == "en"


def test_with_case_names_index_no_file_name_is_in_anything_written(tmp_path):
    synthetic = segmentation_run(tmp_path, 12, 40)
    names = {int(record.case): f"images/Doe_Jane_{record.case}.png" for record in synthetic.records}
    for index, name in names.items():
        shutil.copy(tmp_path / f"data/images/{index}.png", tmp_path / "data" / name)
    store = replace(synthetic, names=names).write(tmp_path)
    report(store, names=True)
    assert b"Doe_Jane" in store.get(run.REPORT_PAGE)
    report(store, names=False)
    written = [Path(tmp_path, "run", key) for key in store.list("report/")]
    assert len(written) > 12
    assert not [path for path in written if b"Doe" in path.read_bytes() or "Doe" in path.name]
