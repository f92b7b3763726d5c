"""DCMTK as a second implementation: it shows what we show, and we read what it compresses."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from imaging_core.decode.case import Limits
from imaging_core.decode.registry import decode_sample
from imaging_core.store import Location, open_source
from tests.imaging_core.decode.dicom_objects import dicom, table, written

pytestmark = pytest.mark.skipif(shutil.which("dcmj2pnm") is None, reason="DCMTK is not installed (Debian: dcmtk)")

RESCALED = Limits(dicom="rescaled")


def ours(path, channels, limits=None):
    case = decode_sample([open_source(Location.parse(str(path)))], channels, limits or Limits())
    return next(case.inputs).pixels


@pytest.fixture
def dcmtk(tmp_path):
    """What DCMTK makes of a file: ``dcmtk(program, path, *options)`` gives the path of the result."""

    def run(program, path, *options):
        result = tmp_path / f"{program}-result"
        subprocess.run([program, *options, str(path), str(result)], check=True, capture_output=True)
        return result

    return run


def shown_by(dcmtk, path, *options):
    """Greys in 16 bits as ``dcmj2pnm`` shows them."""
    return np.array(Image.open(dcmtk("dcmj2pnm", path, "+on2", "-O", *options))).astype(np.int64)


def in_package(name):
    (path,) = Path(pydicom.__file__).parent.rglob(name)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *(
            "MR_small.dcm",
            "MR_small_bigendian.dcm",
            "MR_small_implicit.dcm",
            "MR_small_RLE.dcm",
            "examples_overlay.dcm",
        ),
        *("6154", "6247", "6278", "17106", "2062", "15820", "4919", "4528"),
    ],
)
def test_windows_of_real_images(dcmtk, name):
    """One step of 16 bits apart; DCMTK rounds rescaled values to whole ones, so by one of those where they are not."""
    path = in_package(name)
    dataset = pydicom.dcmread(path)
    width = np.atleast_1d(dataset.WindowWidth)[0]
    apart = 1 if float(dataset.get("RescaleSlope", 1)).is_integer() else 1 + 65535 / (width - 1)
    pixels = ours(path, 1)[:, :, 0].astype(np.int64)
    assert len(np.unique(pixels)) > 10
    assert np.abs(pixels - shown_by(dcmtk, path, "+Wi", "1")).max() <= apart


RAMP = np.arange(-512, 512, dtype=np.int16).reshape(32, 32)
WINDOW = {"WindowCenter": 40, "WindowWidth": 350}


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("elements", "options"),
    [
        ({**WINDOW, "RescaleSlope": 2, "RescaleIntercept": -100}, ["+Wi", "1"]),
        ({**WINDOW, "VOILUTFunction": "SIGMOID"}, ["+Wi", "1"]),
        ({**WINDOW, "WindowWidth": 1}, ["+Wi", "1"]),
        ({"VOILUTSequence": table(list(range(0, 65536, 256)), first=-100, bits=16)}, ["+Wl", "1"]),
        (
            {"ModalityLUTSequence": table(list(range(0, 4096, 4)), first=-512, bits=12), **WINDOW},
            ["+Wi", "1"],
        ),
    ],
)
def test_greys_of_every_kind(dcmtk, tmp_path, photometric, elements, options):
    path = tmp_path / "image.dcm"
    path.write_bytes(written(dicom(RAMP, PhotometricInterpretation=photometric, **elements)))
    assert np.abs(ours(path, 1)[:, :, 0].astype(np.int64) - shown_by(dcmtk, path, *options)).max() <= 1


@pytest.mark.parametrize(
    "name", ["examples_palette.dcm", "ExplVR_BigEnd.dcm", "SC_rgb_rle.dcm", "examples_rgb_color.dcm"]
)
def test_colours(dcmtk, name):
    path = in_package(name)
    theirs = np.array(Image.open(dcmtk("dcmj2pnm", path, "+on")))
    pixels = ours(path, 3)
    pixels = pixels if pixels.dtype == np.uint8 else pixels // 257
    assert np.abs(pixels.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("program", "options"),
    [
        *(("dcmcjpeg", ("+el", "+sv", str(predictor))) for predictor in range(1, 8)),
        ("dcmcjpeg", ("+e1",)),
        ("dcmcjpls", ("+el",)),
        ("dcmcrle", ()),
        ("dcmconv", ("+tb",)),
        ("dcmconv", ("+td",)),
        ("dcmconv", ("+ti",)),
    ],
)
@pytest.mark.parametrize("name", ["MR_small.dcm", "CT_small.dcm", "examples_rgb_color.dcm", "image_dfl.dcm"])
def test_what_dcmtk_writes_without_loss(dcmtk, program, options, name):
    path = in_package(name)
    before = dcmtk("dcmconv", path, "+te") if name == "image_dfl.dcm" and program != "dcmconv" else path
    channels = 3 if "color" in name else 1
    after = dcmtk(program, before, *options)
    assert (ours(after, channels, RESCALED) == ours(path, channels, RESCALED)).all()


@pytest.mark.parametrize("name", ["JPGExtended.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm"])
def test_jpegs_that_dcmtk_unpacks(dcmtk, name):
    """12 bits, lossless colours, and subsampled chroma."""
    path = in_package(name)
    channels = 3 if "rgb" in name else 1
    theirs = ours(dcmtk("dcmdjpeg", path), channels, RESCALED)
    assert np.abs(ours(path, channels, RESCALED).astype(int) - theirs.astype(int)).max() <= (2 if "np" in name else 0)


@pytest.mark.parametrize("process", ["+es", "+ep"])
@pytest.mark.parametrize("name", ["MR_small.dcm", "CT_small.dcm", "examples_rgb_color.dcm"])
def test_retired_processes_of_jpeg(dcmtk, process, name):
    """Spectral selection and full progression, of 8 bits and of 12."""
    path = dcmtk("dcmcjpeg", in_package(name), process)
    channels = 3 if "rgb" in name else 1
    assert (ours(path, channels, RESCALED) == ours(dcmtk("dcmdjpeg", path), channels, RESCALED)).all()


def test_a_progressive_photograph_in_a_dicom_file(dcmtk, tmp_path):
    photograph = np.add.outer(np.arange(64), np.arange(80)).astype(np.uint8)[..., None] * np.array([1, 2, 3], np.uint8)
    Image.fromarray(photograph).save(tmp_path / "photograph.jpg", progressive=True)
    path = dcmtk("img2dcm", tmp_path / "photograph.jpg")
    assert (ours(path, 3) == np.array(Image.open(tmp_path / "photograph.jpg"))).all()


@pytest.mark.parametrize("interleave", ["+il", "+is", "+in"])
def test_jpeg_ls_colours_however_they_are_interleaved(dcmtk, interleave):
    path = in_package("examples_rgb_color.dcm")
    assert (ours(dcmtk("dcmcjpls", path, interleave), 3) == ours(path, 3)).all()
