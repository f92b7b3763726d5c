"""The drawn slides: OpenSlide opens them, masks are what was drawn, and tiles to learn from lie within their slides."""

import json

import numpy as np
import openslide
import pytest

from examples.slides import images
from examples.slides.images import draw, write_pyramid
from steps import gather
from tests import small_run
from tests.example_slides import write_example


@pytest.fixture(scope="module")
def drawn():
    return draw(4, side=1024)


def test_a_slide_is_a_pyramid_with_micrometres(tmp_path, drawn):
    write_pyramid(tmp_path / "slide.tif", drawn[0])
    slide = openslide.OpenSlide(tmp_path / "slide.tif")
    assert slide.level_dimensions == ((1024, 1024), (512, 512), (256, 256), (128, 128))
    assert float(slide.properties["openslide.mpp-x"]) == images.MPP
    shown = np.asarray(slide.read_region((0, 0), 0, (1024, 1024)).convert("RGB"))
    assert np.abs(shown - drawn[0].astype(int)).mean() < 6


def test_tumours_are_darker_and_lie_in_tissue(drawn):
    pixels, tumour = drawn
    assert 0.005 < tumour.mean() < 0.3
    assert pixels[tumour].mean() < pixels[~tumour].mean() - 30
    assert not draw(4, tumours=False, side=256)[1].any()
    assert np.array_equal(draw(4, side=256)[0], draw(4, side=256)[0]), "the same every time"


def test_slides_go_through_split_infer_and_gather(tmp_path):
    write_example(tmp_path)
    run = tmp_path / "run"
    small_run.split_and_infer(tmp_path / "data/crops.yml", run, tmp_path / "model", shards=2)
    assert gather.main(["--run", str(run)]) == 0
    metrics = json.loads((run / "report/metrics.json").read_bytes())
    assert 0 <= metrics["metrics"]["dice"]["mean"] <= 1
    assert sorted(path.name for path in (run / "outputs").iterdir()) == [
        f"{case}.{kind}" for case in "01" for kind in ("geojson", "heat.tif", "tif")
    ]
    page = (run / "report/ui/index.html").read_text()
    assert "heat map: tumour" in page
    assert "% wrong, at x" in page
