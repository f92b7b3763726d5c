"""BMP against Pillow."""

import numpy as np
import pytest
from PIL import Image

from imaging_core.decode.case import CaseError


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_every_mode_has_the_pixels_of_pillow(decode, encoded, colour, mode):
    image = Image.fromarray(colour).convert(mode)
    data = encoded(image, "BMP")
    assert (decode(data) == np.asarray(image.convert("RGB"))).all()
    if mode != "RGBA":
        assert (decode(data, channels=1)[:, :, 0] == np.asarray(image.convert("L"))).all()


@pytest.mark.parametrize("lost", [2, 1000])
def test_a_truncated_file_is_refused(decode, encoded, colour, lost):
    with pytest.raises(CaseError) as failure:
        decode(encoded(colour, "BMP")[:-lost])
    assert failure.value.kind == "unreadable"
