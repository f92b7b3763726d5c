"""Pictures of slides: the overview with outlines, its heat map, and the regions that differ most."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from imaging_core import run as layout
from imaging_core.inference.outputs import to_tiff
from imaging_core.inference.pyramid import Pyramid
from imaging_core.metrics.merge import merge
from imaging_core.report.captions import describe
from imaging_core.report.gallery import choose
from imaging_core.report.pictures import draw
from imaging_core.store import Location, open_store
from steps import gather
from tests.slides import drawn, write_mask, write_slide
from tests.small_run import infer, make_bundle, split, write_dataset

SIZE = (1200, 1000)


def image(picture):
    return np.asarray(Image.open(io.BytesIO(picture.data)))


@pytest.fixture(scope="module")
def pixels():
    return drawn(SIZE)[0]


def place(folder, pixels, task, **entry):
    write_slide(folder / "slide.tif", pixels, tile=256, compression="zlib")
    segments = task == "segmentation"
    write_dataset(folder, [{"location": "slide.tif", **entry}], [] if segments else ["rest", "dark"])
    seen = {"height": 32, "width": 32, "channels": 3, "mpp": 0.5, "tissue": "off", "overlap": 0}
    kind = ("binary", ["dark"]) if segments else ("multiclass", ["rest", "dark"])
    make_bundle(folder / "model", task, *kind, batch=64, input=seen)
    split(folder / "crops.yml", folder / "run", 1)
    infer(folder / "run", folder / "model")
    return open_store(Location.parse(str(folder / "run")))


def test_a_segmented_slide_shows_its_worst_regions_beside_the_truth(tmp_path, pixels):
    truth = np.zeros(SIZE, np.bool_)
    truth[400:700, 300:600] = True
    write_mask(tmp_path / "mask.tif", truth, tile=256)
    store = place(tmp_path, pixels, "segmentation", label="mask.tif")
    said = np.zeros(SIZE, np.uint8)
    said[400:700, 300:500] = 255  # 200 columns are said, 100 are missed
    said[1100:1150, 900:980] = 255  # and a little is added
    pyramid = Pyramid(SIZE, (0.5, 0.5))
    pyramid.add(said)
    with pyramid.finish() as file:
        store.put("outputs/0.tif", Path(file.name).read_bytes())
    merged = merge(store)
    picture = draw(store, merged, [0])[0]
    assert picture.problem == ""
    assert (picture.height, picture.width) == (600, 500)
    assert picture.truth_share == pytest.approx(0.075, abs=0.005)
    assert picture.predicted_share == pytest.approx(0.0533, abs=0.005)
    for outline in (picture.truth, picture.predicted, picture.missed, picture.added):
        assert outline.startswith("M")
    np.testing.assert_allclose(image(picture).mean((0, 1)), pixels.mean((0, 1)), atol=2)

    heat, *regions = picture.regions
    assert heat.caption == "heat map: dark, from 0 to 1 (red)"
    first = regions[0]
    assert first.caption == "20% wrong, at x 384, y 384"
    assert image(first).shape == (384, 384, 3)
    assert np.abs(image(first) - pixels[384:768, 384:768].astype(int)).mean() < 5
    assert first.truth
    assert first.predicted

    case = describe(merged, 0, picture)
    assert [part["file"] for part in case["regions"]] == [f"0-{number}.jpg" for number in range(len(picture.regions))]


def test_a_heat_map_is_red_where_scores_are_high(tmp_path, pixels):
    store = place(tmp_path, pixels, "segmentation")
    heat = np.full((1, 38, 32), np.nan, np.float32)
    heat[0, :19] = 1
    store.put(layout.output("0", layout.HEAT), to_tiff(heat))
    picture = draw(store, merge(store), [0])[0]
    plain, warm = image(picture).astype(int), image(picture.regions[0]).astype(int)
    assert (warm - plain)[:285, :, 1].mean() < -40
    assert np.abs(warm - plain)[320:].mean() < 2


def test_a_classified_slide_shows_the_tiles_that_speak_most(tmp_path, pixels):
    store = place(tmp_path, pixels, "classification", label=1)
    heat = np.zeros((2, 38, 32), np.float32)
    heat[0] = 1
    heat[:, 20, 10] = 0.1, 0.9
    heat[:, 5, 7] = 0.3, 0.7
    heat[0, heat[1] == 0] = 0
    store.put(layout.output("0", layout.HEAT), to_tiff(heat))
    merged = merge(store)
    picture = draw(store, merged, [0])[0]
    assert [part.caption for part in picture.regions[:3]] == [
        "heat map: dark, from 0 to 1 (red)",
        "dark 0.90, at x 320, y 640",
        "dark 0.70, at x 224, y 160",
    ]
    assert np.abs(image(picture.regions[1]) - pixels[640:672, 320:352].astype(int)).mean() < 5
    assert choose(merged)


def test_both_pages_hold_the_regions(tmp_path, pixels):
    place(tmp_path, pixels, "classification", label=1)
    assert gather.main(["--run", str(tmp_path / "run")]) == 0
    report = tmp_path / "run/report"
    names = sorted(path.name for path in (report / "ui/pictures").iterdir())
    assert names == ["0-0.jpg", "0-1.jpg", "0-2.jpg", "0-3.jpg", "0.jpg"]
    page = (report / "ui/index.html").read_text()
    assert all(f"pictures/{name}" in page for name in names)
    assert (report / "report.html").read_text().count("data:image/jpeg") >= len(names)


def test_heat_maps_are_tiffs_with_a_page_for_each_class(tmp_path, pixels):
    place(tmp_path, pixels, "classification", label=1)
    with tifffile.TiffFile(tmp_path / "run/outputs/0.heat.tif") as file:
        assert [page.shape for page in file.pages] == [(38, 32)] * 2
        assert file.pages[0].dtype == np.float32
