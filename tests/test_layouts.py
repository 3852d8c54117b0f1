"""Clips of other programs: AlayaRenderer's videos, 8-bit pictures, foreign names, and what may be wrong."""

from fractions import Fraction

import numpy as np
import pytest
from gbuffer_samples import make_smooth_gbuffer
from PIL import Image

from alaya.clip import open_clip
from alaya.codes import RELATIVE_RANGE, encode_depth
from alaya.colour import srgb_to_linear
from alaya.errors import AlayaError, ClipError
from alaya.gbuffer import CHANNELS
from alaya.layout_search import in_order
from alaya.video import VideoWriter

NAMES = {"albedo": "basecolor", "normal": "N", "depth": "Z", "roughness": "rough", "metallic": "metalness"}


def codes8(num_frames: int, height: int, width: int) -> dict[str, np.ndarray]:
    """(T, H, W, 3) uint8 pictures as public inverse models draw them: scalars as three equal channels."""
    rng = np.random.default_rng(5)
    normal = rng.normal(size=(num_frames, height, width, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    pictures = {"albedo": rng.integers(0, 256, (num_frames, height, width, 3))}
    pictures["normal"] = np.rint((normal * 0.5 + 0.5) * 255)
    for name in ("depth", "roughness", "metallic"):
        grey = rng.integers(1, 256, (num_frames, height, width, 1))
        grey[:, 0] = 0
        pictures[name] = np.repeat(grey, 3, axis=-1)
    return {name: array.astype(np.uint8) for name, array in pictures.items()}


def save(path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def check_against(codes: dict[str, np.ndarray], folder) -> None:
    with open_clip(folder) as reader:
        clip = reader.read()
    clip.check()
    assert reader.info.depth.kind == "relative"
    foreground = codes["depth"][..., 0] > 0
    np.testing.assert_array_equal(clip.mask, foreground)
    raw = codes["depth"][..., 0][foreground]
    again = (encode_depth(clip.depth, RELATIVE_RANGE)[..., 0][foreground].astype(float) - 1) / 65534 * 254 + 1
    np.testing.assert_allclose(again, raw, atol=0.01)  # the raw code can be had back
    np.testing.assert_allclose(
        clip.albedo[foreground], srgb_to_linear(codes["albedo"] / 255)[foreground], atol=1e-5
    )
    np.testing.assert_allclose(
        clip.metallic[..., 0][foreground], codes["metallic"][..., 0][foreground] / 255, atol=1e-5
    )
    cosine = (clip.normal * (codes["normal"] / 127.5 - 1))[foreground].sum(-1)
    assert cosine.min() > 0.98


@pytest.mark.parametrize("pattern", ["{:d}.png", "frame_{:04d}.png", "shot_012_{:06d}.PNG"])
@pytest.mark.parametrize("first", [0, 1, 1001])
def test_folders_of_8_bit_pictures_with_foreign_names(tmp_path, pattern, first):
    codes = codes8(12, 4, 6)
    for name, foreign in NAMES.items():
        for i, picture in enumerate(codes[name]):
            save(tmp_path / foreign / pattern.format(first + i), picture)
    save(tmp_path / "diffuse_albedo" / "0.png", codes["albedo"][0])  # kept and ignored
    check_against(codes, tmp_path)


@pytest.mark.parametrize("pattern", ["{i:04d}.{name}.png", "{name}_{i:03d}.png", "clip_{name}.{i:d}.png"])
def test_flat_pictures(tmp_path, pattern):
    codes = codes8(3, 4, 6)
    names = NAMES | {"normal": "normal", "depth": "depth"}
    for name, foreign in names.items():
        for i, picture in enumerate(codes[name]):
            save(tmp_path / pattern.format(i=i, name=foreign), picture)
    save(tmp_path / "0000.rgb.png", codes["albedo"][0])
    check_against(codes, tmp_path)


def test_grey_and_alpha_pictures(tmp_path):
    codes = codes8(1, 4, 6)
    for name in CHANNELS:
        picture = codes[name][0]
        if name in ("depth", "roughness", "metallic"):
            picture = picture[..., 0]
        else:
            picture = np.dstack([picture, np.full((4, 6), 128, np.uint8)])
        save(tmp_path / name / "0.png", picture)
    check_against(codes, tmp_path)


def test_our_own_name_outranks_a_synonym_and_two_synonyms_are_ambiguous(tmp_path):
    codes = codes8(1, 4, 6)
    for name in CHANNELS:
        save(tmp_path / name / "0.png", codes[name][0])
    save(tmp_path / "basecolor" / "0.png", 255 - codes["albedo"][0])
    check_against(codes, tmp_path)
    (tmp_path / "albedo").rename(tmp_path / "diffcol")
    with pytest.raises(ClipError, match="both basecolor and diffcol are albedo"):
        open_clip(tmp_path)


def write_videos(folder, pattern: str, clip, channels=CHANNELS) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    disparity = encode_depth(clip.depth, RELATIVE_RANGE) / 65535
    pictures = {
        "albedo": clip.albedo ** (1 / 2.2),
        "normal": clip.normal * 0.5 + 0.5,
        "depth": np.repeat(disparity, 3, -1),
        "roughness": np.repeat(clip.roughness, 3, -1),
        "metallic": np.repeat(clip.metallic, 3, -1),
    }
    for name in channels:
        path = folder / pattern.format(name)
        with VideoWriter(path, clip.height, clip.width, Fraction(15), crf=4) as writer:
            for picture in pictures[name]:
                writer.write(picture.astype(np.float32))


@pytest.mark.parametrize("pattern", ["{}.mp4", "clip_0052_{}.mp4", "other_run_{}.mp4"])
def test_alaya_renderers_videos(tmp_path, pattern):
    clip = make_smooth_gbuffer(5, 32, 48)
    folder = tmp_path / "clip_0052"
    write_videos(folder, pattern, clip)
    (folder / "clip_0052_rgb.mp4").write_bytes(b"")  # not a channel: never opened
    with open_clip(folder) as reader:
        again = reader.read()
        tail = reader.read(3, 5)
    again.check()
    assert reader.info.fps == 15
    assert again.num_frames == 5
    np.testing.assert_array_equal(tail.albedo, again.albedo[3:])
    inside = clip.mask & np.roll(clip.mask, 2, axis=1)
    assert np.abs(again.roughness - clip.roughness)[inside].mean() < 0.02
    assert (again.normal * clip.normal).sum(-1)[inside].mean() > 0.995
    assert np.abs(again.depth[inside] / clip.depth[inside] - 1).mean() < 0.03
    assert any("relative disparity" in note for note in reader.notes)


def test_two_clips_of_videos_in_one_folder_are_ambiguous(tmp_path):
    clip = make_smooth_gbuffer(1, 16, 16)
    for prefix in ("a", "b"):
        write_videos(tmp_path, prefix + "_{}.mp4", clip, channels=("albedo",))
    with pytest.raises(ClipError, match=r"several clips \(a_, b_\)"):
        open_clip(tmp_path)


def test_videos_of_different_length_or_size_are_refused(tmp_path):
    write_videos(tmp_path / "n", "{}.mp4", make_smooth_gbuffer(3, 16, 16), ("albedo", "normal"))
    write_videos(tmp_path / "n", "{}.mp4", make_smooth_gbuffer(2, 16, 16), ("depth",))
    with pytest.raises(ClipError, match="albedo 3, normal 3, depth 2"):
        open_clip(tmp_path / "n")
    write_videos(tmp_path / "s", "{}.mp4", make_smooth_gbuffer(2, 16, 16), ("albedo",))
    write_videos(tmp_path / "s", "{}.mp4", make_smooth_gbuffer(2, 16, 32), ("depth",))
    with pytest.raises(ClipError, match=r"depth\.mp4: 32x16 pixels, but .*albedo\.mp4 has 16x16"):
        open_clip(tmp_path / "s")


def test_a_cut_video_is_refused_at_once(tmp_path):
    write_videos(tmp_path, "{}.mp4", make_smooth_gbuffer(12, 32, 48))
    path = tmp_path / "normal.mp4"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AlayaError, match=r"normal\.mp4"):
        open_clip(tmp_path)


def test_picture_counts_must_agree(tmp_path):
    codes = codes8(3, 4, 6)
    for name in CHANNELS:
        for i in range(2 if name == "depth" else 3):
            save(tmp_path / name / f"{i}.png", codes[name][i])
    with pytest.raises(ClipError, match="albedo 3, normal 3, depth 2"):
        open_clip(tmp_path)


def test_an_empty_or_wrong_folder_is_one_clear_line(tmp_path):
    with pytest.raises(ClipError, match="is this the folder of a G-buffer clip"):
        open_clip(tmp_path)
    with pytest.raises(ClipError, match="no such folder"):
        open_clip(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a_1.png", "a_3.png"], "frame 2 is missing"),
        (["a_1.png", "a_01.png"], "frame 1 is there twice"),
        (["a_1.png", "b.png"], "no frame number"),
    ],
)
def test_frame_numbers(tmp_path, names, words):
    with pytest.raises(ClipError, match=words):
        in_order(tmp_path, names)


def test_frames_are_in_order_of_their_numbers_not_their_names(tmp_path):
    names = [f"f{i}.png" for i in range(12)]
    files = in_order(tmp_path, sorted(names))
    assert list(files) == [tmp_path / name for name in names]
    assert (len(files), files[10]) == (12, tmp_path / "f10.png")


def test_directx_normals_of_a_foreign_clip(tmp_path):
    codes = codes8(1, 4, 6)
    for name in CHANNELS:
        save(tmp_path / name / "0.png", codes[name][0])
    plain = open_clip(tmp_path).read()
    flipped = open_clip(tmp_path, normal_space="camera-directx").read()
    np.testing.assert_array_equal(flipped.normal, plain.normal * np.array([1, -1, 1], np.float32))
