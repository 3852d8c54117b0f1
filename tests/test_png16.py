"""Sixteen-bit PNG: exact, readable by others, and no damage goes unnoticed."""

import numpy as np
from gbuffer_samples import outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from alaya.png16 import encode_png16, read_image


def test_every_flipped_byte_of_a_frame_is_noticed_or_harmless(tmp_path):
    picture = np.arange(24, dtype=np.uint16).reshape(4, 6, 1)
    good = encode_png16(picture)
    for i in range(len(good)):
        path = tmp_path / "frame.png"
        path.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        again = outcome(read_image, path)
        assert str(path) in again if isinstance(again, str) else np.array_equal(again, picture)


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))))
def test_png16_is_exact(tmp_path_factory, picture):
    path = tmp_path_factory.mktemp("png") / "a.png"
    path.write_bytes(encode_png16(picture))
    np.testing.assert_array_equal(read_image(path), picture)


def test_our_png_is_read_by_another_decoder(tmp_path):
    picture = np.random.default_rng(0).integers(0, 65536, (7, 5, 1), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(encode_png16(picture))
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), picture[..., 0])
