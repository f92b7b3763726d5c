"""Whole slides on a real cluster: read where they lie in the bucket, the same bytes as on one machine."""

import json

import numpy as np
import openslide
import pytest
import tifffile

from tests.example_slides import SIDE


@pytest.fixture(scope="module")
def run(cluster, slides):
    """A run in two shards, one slide each, and the same by the local engine meanwhile."""
    workflow = cluster.submit("slides", dataset="slides", shards=2)
    cluster.run_in_image("local-slides", "slides", 2)
    said = json.loads(cluster.ended(workflow).stdout)
    assert (said["exit_code"], said["failures"]) == (0, [])
    return cluster.store("slides")


def test_masks_heat_maps_outlines_and_metrics_are_those_of_one_machine(run, cluster):
    found = cluster.compared("slides")
    assert found == cluster.compared("local-slides")
    outputs = {f"outputs/{case}.{kind}" for case in "01" for kind in ("tif", "heat.tif", "geojson")}
    assert {key for key in found if key.startswith("outputs/")} == outputs
    metrics = json.loads(found["report/metrics.json"])
    assert (metrics["cases"]["done"], metrics["cases"]["failed"]) == (2, 0)
    assert 0 < metrics["metrics"]["iou"]["mean"] < 1
    assert len(found["report/predictions.csv"].splitlines()) == 3


def test_masks_are_slides_with_tumours_on_tissue(run, tmp_path):
    for name in ("0.tif", "0.heat.tif"):
        (tmp_path / name).write_bytes(run.get(f"outputs/{name}"))
    assert openslide.OpenSlide(tmp_path / "0.tif").dimensions == (SIDE // 2, SIDE // 2)
    assert np.unique(tifffile.imread(tmp_path / "0.tif")).tolist() == [0, 255]
    heat = tifffile.imread(tmp_path / "0.heat.tif")
    assert np.nanmin(heat) < np.nanmax(heat)
    assert json.loads(run.get("outputs/0.geojson"))["features"]


def test_slides_are_read_where_they_lie(run):
    assert not list(run.list("inputs/"))


def test_the_report_shows_slides_with_their_heat_maps(run):
    page = run.get("report/ui/index.html").decode()
    assert "heat map: tumour" in page
    assert "% wrong, at x" in page
    assert list(run.list("report/ui/pictures/"))
