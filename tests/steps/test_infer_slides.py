"""``steps.infer`` on slides: the masks, counts and outlines of a plain script with OpenSlide and PyTorch."""

import json
import shutil

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

SIZES = [(300, 260), (220, 330), (170, 160)]
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
        middle = self.pixels[0][88:152:2, 113:177:2]
        make_bundle(folder / "model", "segmentation", kind, classes, picture=middle, batch=BATCH, input=seen)

    def with_masks(self, *masks):
        """Entries of copies of the first slide, each with another mask."""
        copies = [f"copy {number}.svs" for number in range(len(masks))]
        for copy in copies:
            shutil.copy(self.data / "slide 0.svs", self.data / copy)
        return [{"location": copy, "label": mask} for copy, mask in zip(copies, masks, strict=True)]

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
def test_masks_and_counts_are_those_of_a_plain_script(place, run, tmp_path, kind):
    if kind == "multiclass":
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
    assert written.level_dimensions == ((165, 110),)
    with tifffile.TiffFile(run / "outputs/1.tif") as file:
        assert "DateTime" not in file.pages[0].tags
        assert "Software" not in file.pages[0].tags


def test_outlines_are_polygons_on_level_0(run):
    mask = tifffile.imread(run / "outputs/0.tif", key=0) > 0
    found = json.loads((run / "outputs/0.geojson").read_text())
    picture = Image.new("L", (260, 300))
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
    assert heat.shape == (4, 3)
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


def test_bytes_do_not_depend_on_how_many_workers_read_and_compute_tiles(place, run):
    several = place.run("several", "--threads-per-step", "3")
    assert json.loads((several / "results/000/timing.json").read_text())["threads"] == 3
    outputs = {name: data for name, data in compared(run).items() if name.startswith("outputs/")}
    assert {name: data for name, data in compared(several).items() if name.startswith("outputs/")} == outputs
    one, three = records(run), records(several)
    assert {case: record.counts for case, record in three.items()} == {c: each.counts for c, each in one.items()}


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
    heat = tifffile.imread(run / "outputs/1.heat.tif")
    assert np.isnan(heat[0, 0])
    assert np.isfinite(heat[heat.shape[0] // 2, heat.shape[1] // 2])
    assert records(run)["1"].inputs == np.isfinite(heat).sum()
    mask = tifffile.imread(run / "outputs/1.tif", key=0)
    assert not mask[:16, :16].any()


def test_truth_may_be_smaller_than_the_slide(tmp_path):
    place = Place(tmp_path, tissue="off")
    small = place.truths[0][::2, ::2]
    Image.fromarray(small.astype(np.uint8) * 255).save(place.data / "small.png")
    write_mask(place.data / "level 1.tif", small, tile=64)
    small_run.write_dataset(place.data, place.with_masks("small.png", "level 1.tif"))
    for record in records(place.run("run")).values():
        counts = record.counts[1]
        assert counts.tp + counts.fn == small.sum()


def test_masks_that_do_not_fit_fail_their_slides_alone(tmp_path):
    place = Place(tmp_path)
    write_slide(place.data / "indices.tif", place.truths[0].astype(np.uint8), tile=64, levels=1, compression="zlib")
    (place.data / "cut.tif").write_bytes((place.data / "mask 0.tif").read_bytes()[:-100])
    kinds = {
        "mask 1.tif": "mask_size",
        "indices.tif": "mask_value",
        "absent.tif": "mask_missing",
        "cut.tif": "mask_unreadable",
    }
    small_run.write_dataset(place.data, [place.entries[0], *place.with_masks(*kinds), place.entries[1]])
    first, *found, last = (record for _, record in sorted(records(place.run("run")).items()))
    assert [(each.state, each.kind) for each in found] == [("failed", kind) for kind in kinds.values()]
    assert not any(mask in each.reason for mask, each in zip(kinds, found, strict=True))
    assert [first.state, last.state] == ["done", "done"]


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
