"""Slides: the pixels that OpenSlide gives, the level that fits, tiles with tissue; damaged files are refused."""

import random
import struct

import numpy as np
import openslide
import pytest
import tifffile
from PIL import Image
from skimage.color import rgb2hsv
from skimage.filters import threshold_otsu

from imaging_core.decode.case import CaseError, Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.decode.slide import Tiles, overview, reduced
from imaging_core.decode.slide_decoder import SLIDE
from imaging_core.decode.slide_openslide import OpenSlideFile
from imaging_core.decode.slide_tiff import TiffSlide
from imaging_core.decode.tissue import otsu, saturation
from imaging_core.decode.volume import View
from imaging_core.store import Location, open_source
from imaging_core.store.memory import MemorySource
from tests.imaging_core.decode.damaged_slide import check, damaged
from tests.slides import drawn, write_slide

APERIO = "Aperio Image Library v12.0.15\r\n900x700 [0,0 900x700] (128x128) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
FORMATS = {
    "jpeg": {},
    "jpeg 4:4:4": {"subsampling": (1, 1)},
    "jpeg, stored as RGB": {"compressionargs": {"outcolorspace": "rgb"}, "description": APERIO},
    "bigtiff": {"bigtiff": True},
    "uncompressed": {"compression": None},
    "lzw": {"compression": "lzw", "predictor": True},
    "deflate": {"compression": "zlib"},
    "aperio": {"description": APERIO},
    "aperio, jpeg 2000": {"description": APERIO, "compression": "APERIO_JP2000_RGB"},
}


def source(path):
    return open_source(Location.parse(str(path)))


def seen(path, channels=3, workers=1, **tiles):
    view = View(tiles=Tiles(**{"size": (100, 100), "overlap": 0.0, "mpp": 0.5, "tissue": "off"} | tiles))
    return decode_sample([source(path)], channels, Limits(), view=view, workers=workers)


@pytest.fixture(scope="module")
def pixels():
    return drawn()[0]


@pytest.fixture(scope="module")
def slide(tmp_path_factory, pixels):
    return write_slide(tmp_path_factory.mktemp("slide") / "slide.tif", pixels)


@pytest.mark.parametrize("form", FORMATS)
def test_pixels_are_openslides(tmp_path, pixels, form):
    path = write_slide(tmp_path / "slide.bin", pixels, **FORMATS[form])
    opened = SLIDE.decode([source(path)], 3, Limits())
    assert isinstance(opened, TiffSlide), "it is read directly"
    reference = openslide.OpenSlide(path)
    assert opened.levels == tuple(size[::-1] for size in reference.level_dimensions)
    assert opened.mpp == pytest.approx((float(reference.properties["openslide.mpp-x"]),) * 2)
    other = OpenSlideFile(source(path), Limits())
    assert (other.levels, other.mpp) == (opened.levels, pytest.approx(opened.mpp))
    for level, (row, column, height, width) in [
        (0, (37, 250, 300, 411)),
        (1, (-20, 300, 400, 200)),
        (2, (0, 0, 175, 225)),
    ]:
        step = 2**level
        region = reference.read_region((column * step, row * step), level, (width, height))
        white = Image.new("RGBA", region.size, "white")
        white.alpha_composite(region)
        expected = np.asarray(white)[..., :3]
        assert np.array_equal(opened.read(level, row, column, height, width), expected)
        assert np.array_equal(other.read(level, row, column, height, width), expected)


def test_what_other_vendors_wrote_is_openslides(tmp_path, pixels):
    path = write_slide(tmp_path / "slide.bin", pixels, software="MedScan", compression="zlib")
    opened = SLIDE.decode([source(path)], 3, Limits())
    assert isinstance(opened, OpenSlideFile)
    tiles = list(seen(path).inputs)
    assert len(tiles) == 63
    assert np.array_equal(tiles[30].pixels, pixels[300:400, 300:400])


def test_tiles_left_out_of_the_file_are_white(tmp_path):
    def tiles():
        for number in range(4):
            yield None if number == 2 else np.full((128, 128, 3), number, np.uint8)

    path = tmp_path / "sparse.tif"
    tifffile.imwrite(path, tiles(), shape=(256, 256, 3), dtype=np.uint8, tile=(128, 128), photometric="rgb")
    read = SLIDE.decode([source(path)], 3, Limits()).read(0, 0, 0, 256, 256)
    assert read[200, 50].tolist() == [255] * 3
    assert read[200, 200].tolist() == [3] * 3


@pytest.mark.parametrize(
    ("mpp", "level", "extent"),
    [
        (0.5, 0, 100),
        (0.54, 0, 100),  # within the tolerance
        (1.0, 1, 100),
        (0.8, 0, 160),  # from the next finer level, to be resized
        (3.0, 2, 150),
        (0.25, 0, 50),  # finer than the slide
    ],
)
def test_the_level_is_chosen_by_micrometres_per_pixel(slide, mpp, level, extent):
    case = seen(slide, mpp=mpp)
    assert case.size == (700 // 2**level, 900 // 2**level)
    assert case.tiles.extent == (extent, extent)
    assert case.tiles.mpp == pytest.approx((0.5 * 2**level,) * 2)
    assert len(list(case.inputs)) == case.count


def test_tiles_cover_the_slide_in_order_whatever_the_workers(slide, pixels):
    one, many = (list(seen(slide, overlap=0.3, workers=workers).inputs) for workers in (1, 3))
    assert [each.place for each in one] == [each.place for each in many]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, many, strict=True))
    covered = np.zeros(pixels.shape[:2], int)
    for each in one:
        (row, column), (height, width) = each.place.offset, each.place.extent
        covered[row : row + height, column : column + width] += 1
    assert covered.min() == 1
    assert [each.place.offset for each in one] == sorted(each.place.offset for each in one)


def test_a_slide_that_is_smaller_than_a_tile_is_surrounded_by_white(tmp_path, pixels):
    path = write_slide(tmp_path / "small.tif", pixels[300:340, 300:360], levels=1, compression="zlib")
    (only,) = seen(path).inputs
    assert only.place.offset == (-30, -20)
    assert np.array_equal(only.pixels[30:70, 20:80], pixels[300:340, 300:360])
    assert (only.pixels[:30] == 255).all()


def test_tissue_is_found_as_otsu_on_saturation(slide, pixels):
    shades = saturation(pixels)
    np.testing.assert_allclose(shades, rgb2hsv(pixels)[..., 1] * 255, atol=1)
    assert otsu(shades) == threshold_otsu(shades)
    case = seen(slide, tissue="otsu")
    offsets = {each.place.offset for each in case.inputs}
    assert (0, 0) not in offsets
    assert (300, 400) in offsets
    true = shades > threshold_otsu(shades)
    for row in range(0, 700, 100):
        for column in range(0, 900, 100):
            share = true[row : row + 100, column : column + 100].mean()
            if share > 0.02:
                assert (row, column) in offsets


def test_glass_alone_is_seen_whole(tmp_path):
    path = write_slide(tmp_path / "glass.tif", np.full((300, 300, 3), 250, np.uint8), compression="zlib")
    assert seen(path, tissue="otsu").count == 9


def test_grey_models_see_luma(slide):
    colour, grey = (next(iter(seen(slide, channels).inputs)).pixels for channels in (3, 1))
    assert np.array_equal(grey[..., 0], np.asarray(Image.fromarray(colour).convert("L")))


def test_the_overview_is_the_mean(slide, pixels):
    small = overview(SLIDE.decode([source(slide)], 3, Limits()), 450)
    assert small.shape == (350, 450, 3)
    block = pixels[:9, :6].astype(int)
    expected = [[round(block[r : r + 4, c : c + 4, 0].mean() + 1e-9) for c in (0, 4)] for r in (0, 4, 8)]
    assert reduced(pixels[:9, :6], 4)[..., 0].tolist() == expected


def test_a_slide_without_micrometres_says_the_fix(tmp_path, pixels):
    path = write_slide(tmp_path / "slide.tif", pixels, mpp=None)
    with pytest.raises(CaseError, match="--mpp none"):
        seen(path)
    assert seen(path, mpp=None, level=1).size == (350, 450)
    with pytest.raises(CaseError, match="levels 0 to 2"):
        seen(path, mpp=None, level=3)


def test_a_slide_far_too_coarse_is_refused(tmp_path, pixels):
    with pytest.raises(CaseError, match="micrometres wide"):
        seen(write_slide(tmp_path / "slide.tif", pixels, mpp=8.0))


def test_a_slide_far_too_fine_is_refused_before_its_tiles_fill_the_memory(tmp_path, pixels):
    with pytest.raises(CaseError, match="8,333 x 8,333 pixels") as refused:
        seen(write_slide(tmp_path / "slide.tif", pixels, mpp=0.012, levels=1), mpp=1.0)
    assert refused.value.kind == "unsupported"


@pytest.mark.parametrize("mpp", [1e-5, 1e5])
def test_micrometres_of_no_microscope_are_none(tmp_path, pixels, mpp):
    for software in (False, "MedScan"):
        path = write_slide(tmp_path / "slide.tif", pixels, mpp=mpp, software=software)
        with pytest.raises(CaseError, match="--mpp none"):
            seen(path)


def test_images_stay_images(tmp_path, pixels):
    strips, png = tmp_path / "strips.tif", tmp_path / "image.png"
    tifffile.imwrite(strips, pixels, photometric="rgb")
    Image.fromarray(pixels).save(png)
    for path in (strips, png):
        case = seen(path)
        assert (case.count, case.tiles, case.size) == (1, None, (700, 900))
    plain = decode_sample([source(write_slide(tmp_path / "slide.tif", pixels))], 3, Limits())
    assert (plain.count, plain.tiles) == (1, None), "to a model that does not see slides"


@pytest.mark.parametrize("seed", range(4))
def test_slides_damaged_at_random_are_read_or_refused(seed):
    rng = random.Random(seed)
    for _ in range(15):
        check(damaged(rng))


@pytest.mark.parametrize("value", [7, 2**32 - 1])
def test_openslide_is_not_asked_for_tiles_of_a_length_that_lies(tmp_path, pixels, value):
    """It would take so much memory at once, and GLib ends the process when there is none."""
    path = write_slide(tmp_path / "slide.tiff", pixels, software="Philips DP v1.0")
    with tifffile.TiffFile(path) as file:
        counts = file.pages[2].tags["TileByteCounts"]
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, counts.offset + 8 if value == 7 else counts.valueoffset, value)
    path.write_bytes(data)
    with pytest.raises(CaseError, match=r"another number of tiles|a tile lies beyond its end") as refused:
        seen(path)
    assert refused.value.kind == "unreadable"


@pytest.mark.parametrize("software", ["Philips DP v1.0", False])
def test_a_side_that_is_a_list_is_not_multiplied_by_four_billion(tmp_path, pixels, software):
    """Python would repeat the list."""
    path = write_slide(tmp_path / "slide.tiff", pixels, software=software)
    with tifffile.TiffFile(path) as file:
        places = {name: file.pages[1].tags[name].offset for name in ("TileWidth", "TileLength")}
    data = bytearray(path.read_bytes())
    struct.pack_into("<HII", data, places["TileWidth"] + 2, 4, 1, 2**32 - 1)
    struct.pack_into("<HII", data, places["TileLength"] + 2, 4, 100, 64)
    path.write_bytes(data)
    with pytest.raises(CaseError, match="a size in them is no whole number") as refused:
        seen(path)
    assert refused.value.kind == "unreadable"


def test_damaged_slides_are_refused(slide):
    data = slide.read_bytes()
    view = View(tiles=Tiles((64, 64), 0, 0.5, tissue="off"))
    for cut in (9, 200, len(data) // 3):
        damaged = MemorySource(Location.parse("x.tif"), data[:cut])
        with pytest.raises(CaseError) as refused:
            list(decode_sample([damaged], 3, Limits(), view=view).inputs)
        assert refused.value.kind == "unreadable"
