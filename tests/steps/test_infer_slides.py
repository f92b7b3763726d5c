"""``steps.infer`` on slides: the masks, counts and outlines of a plain script with OpenSlide and PyTorch."""

import json

import numpy as np
import openslide
import pytest
import tifffile
import torch
from PIL import Image, ImageDraw

from imaging_core.errors import UsageError
from imaging_core.inference.blend import gaussian
from imaging_core.models.bundle import load_model
from imaging_core.store import Location, open_store
from imaging_core.store.s3_client import client
from steps import infer as infer_step
from steps import split_yaml
from tests import small_run
from tests.s3_server import BUCKET, running_server
from tests.slides import drawn, write_mask, write_slide
from tests.small_run import compared, infer, make_bundle, records, split, split_and_infer

SIZES = [(600, 500), (420, 640), (260, 250)]
SIDE, BATCH = 32, 4


class Place:
    """Slides with masks and a bundle that sees them at ``mpp`` (level 1 has 1 micrometre per pixel)."""

    def __init__(self, folder, kind="binary", mpp=1.0, **seen):
        self.folder, self.data, self.kind = folder, folder / "data", kind
        self.data.mkdir()
        self.pixels, self.truths, entries = [], [], []
        for number, size in enumerate(SIZES):
            pixels, dark = drawn(size, number)
            write_slide(self.data / f"slide {number}.svs", pixels, tile=64, compression="zlib")
            largest = 255 if kind == "binary" else 1
            mask = dark.astype(np.uint8) * np.uint8(largest)
            write_slide(self.data / f"mask {number}.tif", mask, tile=64, levels=1, compression="zlib")
            self.pixels.append(pixels)
            self.truths.append(dark)
            entries.append({"location": f"slide {number}.svs", "label": f"mask {number}.tif"})
        self.entries = entries
        small_run.write_dataset(self.data, entries)
        classes = {"binary": ["dark"], "multiclass": ["rest", "dark"]}[kind]
        seen = {"height": SIDE, "width": SIDE, "channels": 3, "mpp": mpp, "overlap": 0.25} | seen
        middle = self.pixels[0][208:272:2, 248:312:2]
        make_bundle(folder / "model", "segmentation", kind, classes, picture=middle, batch=BATCH, input=seen)

    def run(self, name, *options, shards=1):
        return split_and_infer(
            self.data / "crops.yml", self.folder / name, self.folder / "model", *options, shards=shards
        )

    def plain(self, number):
        """Probabilities of level 1, classes x height x width, every tile looked at, by sums in float64."""
        _, _, module = load_model(Location.parse(str(self.folder / "model")), torch.device("cpu"))
        slide = openslide.OpenSlide(self.data / f"slide {number}.svs")
        width, height = slide.level_dimensions[1]
        channels = 1 if self.kind == "binary" else 2
        sums, weights = np.zeros((channels, height, width)), np.zeros((height, width))
        weight = gaussian((SIDE, SIDE), torch.device("cpu")).double().numpy()
        for row, column in np.ndindex(-(-(height - SIDE) // 24) + 1, -(-(width - SIDE) // 24) + 1):
            top, left = min(24 * row, height - SIDE), min(24 * column, width - SIDE)
            tile = np.asarray(slide.read_region((2 * left, 2 * top), 1, (SIDE, SIDE)).convert("RGB"))
            batch = torch.zeros(BATCH, 3, SIDE, SIDE)
            batch[0] = torch.from_numpy(tile.copy()).permute(2, 0, 1) / 255
            with torch.inference_mode():
                output = module(batch)[0]
            maps = output.sigmoid() if self.kind == "binary" else output.softmax(0)
            here = slice(top, top + SIDE), slice(left, left + SIDE)
            sums[:, *here] += maps.double().numpy() * weight
            weights[here] += weight
        return sums / weights


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp("slides"), tissue="off")


@pytest.fixture(scope="module")
def run(place):
    return place.run("run")


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_masks_and_counts_are_those_of_a_plain_script(tmp_path, kind):
    place = Place(tmp_path, kind, tissue="off")
    run = place.run("run")
    for number, truth in enumerate(place.truths):
        maps = place.plain(number)
        written = openslide.OpenSlide(run / f"outputs/{number}.tif")
        assert float(written.properties["openslide.mpp-x"]) == pytest.approx(1.0)
        assert written.dimensions == maps.shape[:0:-1]
        mask = tifffile.imread(run / f"outputs/{number}.tif", key=0)
        said = maps[0] >= 0.5 if kind == "binary" else maps[1] > maps[0]
        unsure = np.abs(maps[-1] - 0.5) < 1e-5
        assert np.array_equal((mask > 0)[~unsure], said[~unsure])
        assert np.unique(mask).tolist() == [0, 255 if kind == "binary" else 1], "it says something"
        record = records(run)[str(number)]
        assert record.size == mask.shape
        true = truth[(2 * np.arange(mask.shape[0]) + 1) * truth.shape[0] // (2 * mask.shape[0])][
            :, (2 * np.arange(mask.shape[1]) + 1) * truth.shape[1] // (2 * mask.shape[1])
        ]
        counts, found = record.counts[1], mask > 0
        sums = [(found & true).sum(), (found & ~true).sum(), (~found & true).sum(), (~found & ~true).sum()]
        assert [counts.tp, counts.fp, counts.fn, counts.tn] == sums
        assert record.inputs == len(tifffile.imread(run / f"outputs/{number}.heat.tif").reshape(-1)) // len(maps)


def test_masks_are_pyramids_with_the_right_micrometres(run):
    written = openslide.OpenSlide(run / "outputs/1.tif")
    assert written.properties["openslide.vendor"] == "generic-tiff"
    assert written.level_dimensions == ((320, 210),)
    with tifffile.TiffFile(run / "outputs/1.tif") as file:
        assert "DateTime" not in file.pages[0].tags
        assert "Software" not in file.pages[0].tags


def test_outlines_are_polygons_on_level_0(run):
    mask = tifffile.imread(run / "outputs/0.tif", key=0) > 0
    found = json.loads((run / "outputs/0.geojson").read_text())
    picture = Image.new("L", (500, 600))
    draw = ImageDraw.Draw(picture)
    for feature in found["features"]:
        assert feature["properties"]["classification"]["name"] == "dark"
        for number, line in enumerate(feature["geometry"]["coordinates"]):
            assert line[0] == line[-1]
            draw.polygon([tuple(point) for point in line], fill=0 if number else 255)
    drawn_mask = np.asarray(picture)[1::2, 1::2] > 0
    assert (drawn_mask == mask).mean() > 0.97


def test_heat_maps_hold_the_mean_of_each_tile(place, run):
    heat = tifffile.imread(run / "outputs/2.heat.tif")
    maps = place.plain(2)[0]
    assert heat.shape == (6, 5)
    assert np.isfinite(heat).all()
    assert abs(heat.mean() - maps.mean()) < 0.05


def test_shards_and_a_resumed_run_give_the_same_bytes(place, run):
    outputs = {name: data for name, data in compared(run).items() if name.startswith("outputs/")}
    assert len(outputs) == 3 * len(SIZES)
    assert outputs.items() <= compared(place.run("shards", shards=3)).items()
    again = place.run("again")
    (again / "results/000/summary.json").unlink()
    (again / "results/000/cases/00000.jsonl").unlink()
    (again / "outputs/1.tif").unlink()
    infer(again, place.folder / "model", "000")
    assert compared(again) == compared(run)


@pytest.fixture
def bucket(place, tmp_path_factory, monkeypatch):
    client.cache_clear()
    with running_server(tmp_path_factory.mktemp("minio")) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        store = open_store(Location.parse(f"s3://{BUCKET}/slides"))
        for path in place.data.iterdir():
            store.put(f"data/{path.name}", path.read_bytes())
        yield store
    client.cache_clear()


def test_slides_in_a_bucket_are_read_by_ranges_and_give_the_same_bytes(place, run, bucket):
    where = ["--run", str(bucket.root.join("run"))]
    dataset = str(bucket.root.join("data/crops.yml"))
    assert split_yaml.main(["--dataset", dataset, "--split", "test", "--shards", "1", *where]) == 0
    model = ["--model", str(place.folder / "model"), "--shard", "000", "--device", "cpu", "--threads-per-step", "1"]
    assert infer_step.main([*where, *model]) == 0
    outputs = {name: data for name, data in compared(run).items() if name.startswith("outputs/")}
    assert {name: bucket.get(f"run/{name}") for name in outputs} == outputs


def test_tiles_without_tissue_are_not_looked_at(tmp_path):
    place = Place(tmp_path)
    run = place.run("run")
    heat = tifffile.imread(run / "outputs/0.heat.tif")
    assert np.isnan(heat[0, 0])
    assert np.isfinite(heat[heat.shape[0] // 2, heat.shape[1] // 2])
    assert records(run)["0"].inputs == np.isfinite(heat).sum()
    mask = tifffile.imread(run / "outputs/0.tif", key=0)
    assert not mask[:16, :16].any()


@pytest.mark.parametrize("mask", ["small.png", "level 1.tif"])
def test_truth_may_be_smaller_than_the_slide(tmp_path, mask):
    place = Place(tmp_path, tissue="off")
    small = place.truths[0][::2, ::2]
    if mask.endswith("png"):
        Image.fromarray(small.astype(np.uint8) * 255).save(place.data / mask)
    else:
        write_mask(place.data / mask, small, tile=64)
    small_run.write_dataset(place.data, [dict(place.entries[0], label=mask)])
    run = place.run("run")
    counts = records(run)["0"].counts[1]
    assert counts.tp + counts.fn == small.sum()


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        ("mask 1.tif", "mask_size"),
        ("indices.tif", "mask_value"),
        ("absent.tif", "mask_missing"),
        ("cut.tif", "mask_unreadable"),
    ],
)
def test_a_mask_that_does_not_fit_fails_its_slide_alone(tmp_path, mask, kind):
    place = Place(tmp_path)
    write_slide(place.data / "indices.tif", place.truths[0].astype(np.uint8), tile=64, levels=1, compression="zlib")
    (place.data / "cut.tif").write_bytes((place.data / "mask 0.tif").read_bytes()[:-100])
    small_run.write_dataset(place.data, [dict(place.entries[0], label=mask), *place.entries[1:]])
    found = records(place.run("run"))
    assert (found["0"].state, found["0"].kind) == ("failed", kind)
    assert "mask 1" not in found["0"].reason
    assert [found[each].state for each in "12"] == ["done", "done"]


def test_damaged_slides_fail_alone(tmp_path):
    place = Place(tmp_path, tissue="off")
    path = place.data / "slide 1.svs"
    path.write_bytes(path.read_bytes()[:20_000])
    write_slide(place.data / "slide 2.svs", place.pixels[2], mpp=None)
    found = records(place.run("run"))
    assert [(found[each].state, found[each].kind) for each in "012"] == [
        ("done", None), ("failed", "unreadable"), ("failed", "unsupported"),
    ]  # fmt: skip
    assert "--mpp none" in found["2"].reason


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
@pytest.mark.parametrize("rule", ["mean", "max", 3])
def test_scores_of_a_slide_follow_the_cards_rule(tmp_path, kind, rule):
    classes = ["rest", "dark"] if kind == "multiclass" else ["dark"]
    pixels, _ = drawn((300, 260))
    write_slide(tmp_path / "slide.tif", pixels, tile=64, compression="zlib")
    small_run.write_dataset(tmp_path, [{"location": "slide.tif", "label": 1}], ["rest", "dark"])
    activation = "softmax" if kind == "multiclass" else "sigmoid"
    make_bundle(
        tmp_path / "model", "classification", kind, classes,
        input={"height": SIDE, "width": SIDE, "channels": 3, "mpp": 1.0},
        output={"kind": kind, "activation": activation, "classes": classes, "slide": rule},
    )  # fmt: skip
    run = tmp_path / "run"
    split(tmp_path / "crops.yml", run, 1)
    infer(run, tmp_path / "model")
    record = records(run)["0"]
    assert record.label == (1,)
    heat = tifffile.imread(run / "outputs/0.heat.tif").reshape(len(classes), 6, 6)
    tiles = heat[:, np.isfinite(heat[0])].astype(np.float64)
    assert record.inputs == tiles.shape[1] < 36, "some have no tissue"
    largest = np.sort(tiles, axis=1)[:, ::-1][:, : {"mean": None, "max": 1, 3: 3}[rule]]
    expected = largest.mean(axis=1)
    if kind == "multiclass":
        expected /= expected.sum()
    np.testing.assert_allclose(record.scores, expected, rtol=1e-6)

    found = json.loads((run / "outputs/0.geojson").read_text())["features"]
    said = tiles[-1] >= 0.5 if kind == "binary" else tiles[1] > tiles[0]
    assert len(found) == said.sum()
    for feature in found:
        ((left, top), _, (right, bottom), *_) = feature["geometry"]["coordinates"][0]
        assert (right - left, bottom - top) == (2 * SIDE, 2 * SIDE), "of level 0"


def test_what_wants_whole_masks_is_refused_for_slides(place):
    for option in (["--probabilities"], ["--surface-distances"], ["--lesions"]):
        run = place.folder / "refused"
        split(place.data / "crops.yml", run, 1)
        with pytest.raises(UsageError, match="heat maps"):
            infer(run, place.folder / "model", "000", *option)
