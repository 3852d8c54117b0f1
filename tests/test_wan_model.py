"""The published editing model behind its door, tiny: what it is shown, windows, seeds, guidance, sizes, refusals."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from gbuffer_samples import make_gbuffer
from wan_samples import save_tiny

from alaya.clip import ClipInfo, ClipWriter
from alaya.clip_info import DepthInfo
from alaya.codes import PNG8_DEPTH, RELATIVE_RANGE, decode_depth
from alaya.errors import RequestError
from alaya.gbuffer import GBuffer
from alaya.tiles import work_tiled
from alaya.video import probe
from editing import wan_vae
from editing.models import load_editor
from editing.wan import CONDITIONS
from editing.wan_planes import condition_video
from pipelines.edit_job import run_edits
from pipelines.settings import EditSettings

FRAMES, SIZE = 9, (32, 48)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("wan"))


@pytest.fixture(scope="module")
def editor(folder):
    return load_editor(folder, device="cpu")


@pytest.fixture
def gbuffer():
    return make_gbuffer(FRAMES, *SIZE, seed=4)


def test_a_window_is_drawn(editor, gbuffer):
    words = editor.encode_text("a city in the rain")
    rgb = editor.predict(gbuffer, words, num_steps=2)
    assert (rgb.shape, rgb.dtype) == ((FRAMES, *SIZE, 3), np.float32)
    assert 0 <= rgb.min() < rgb.max() <= 1
    assert np.array_equal(rgb, editor.predict(gbuffer, words, num_steps=2, clip_frames=FRAMES))
    assert not np.array_equal(rgb, editor.predict(gbuffer, words, num_steps=2, seed=1))
    assert not np.array_equal(rgb, editor.predict(gbuffer, words, num_steps=2, clip_frames=2 * FRAMES))
    assert not np.array_equal(rgb, editor.predict(gbuffer, words, num_steps=2, cfg_scale=1))
    assert not np.array_equal(rgb, editor.predict(gbuffer, editor.encode_text("snow"), num_steps=2))


def test_gbuffers_are_encoded_once_for_all_styles(editor, monkeypatch):
    gbuffer = make_gbuffer(FRAMES, *SIZE, seed=5)
    encoded = []
    original = wan_vae.encode

    def counted(vae, pictures, tiles):
        encoded.append(tiles)
        return original(vae, pictures, tiles)

    monkeypatch.setattr(wan_vae, "encode", counted)
    for style in ("snow", "night"):
        editor.predict(gbuffer, editor.encode_text(style), num_steps=1)
    assert len(encoded) == 5
    editor.predict(make_gbuffer(FRAMES, *SIZE, seed=6), editor.encode_text("snow"), num_steps=1)
    assert len(encoded) == 10


def test_reference_mode_tiles_and_truncates(folder, gbuffer):
    editor = load_editor(folder, "cpu", reference=True)
    with pytest.raises(RequestError, match="no option reference"):
        load_editor("small", "cpu", reference=True)
    rgb = editor.predict(gbuffer, editor.encode_text("snow"), num_steps=1) * 255
    assert editor.tiles == wan_vae.REFERENCE_TILES
    assert np.abs(rgb - rgb.round()).max() < 1e-4


def test_tiles_agree_with_the_whole_where_there_is_one(editor):
    pictures = torch.rand(1, 3, 1, 32, 48) * 2 - 1
    whole = wan_vae.encode(editor.vae, pictures)
    one = wan_vae.encode(editor.vae, pictures, wan_vae.Tiles((4, 6), (2, 3)))
    several = wan_vae.encode(editor.vae, pictures, wan_vae.Tiles((2, 4), (1, 2)))
    assert torch.allclose(whole, one, atol=1e-6)
    assert several.shape == whole.shape
    assert not torch.allclose(whole, several, atol=1e-3)
    decoded = wan_vae.decode(editor.vae, whole)
    assert torch.allclose(decoded, editor.vae.decode(_denormalised(editor.vae, whole)).sample, atol=1e-6)


def _denormalised(vae, latents):
    mean, deviation = (
        torch.tensor(vae.config[key]).view(1, 16, 1, 1, 1) for key in ("latents_mean", "latents_std")
    )
    return latents * deviation + mean


def test_tiles_of_one_colour_blend_to_that_colour():
    tiled = work_tiled(torch.ones(1, 1, 1, 11, 17), wan_vae.Tiles((4, 6), (2, 3)), 8, _enlarged)
    assert tiled.shape == (1, 1, 1, 88, 136)
    assert torch.allclose(tiled, torch.ones(()))


def _enlarged(part):
    return part.repeat_interleave(8, -1).repeat_interleave(8, -2)


def test_channels_come_in_the_reference_s_order_and_range(gbuffer):
    assert CONDITIONS == ("albedo", "depth", "metallic", "normal", "roughness")
    for name in CONDITIONS:
        video = condition_video(gbuffer, name)
        assert (video.shape, video.dtype) == ((1, 3, FRAMES, *SIZE), torch.float32)
        assert 0 <= float(video.min()) < float(video.max()) <= 1
    metallic = condition_video(gbuffer, "metallic")
    assert np.array_equal(metallic[0, 2].numpy(), gbuffer.metallic[..., 0])
    normal = condition_video(gbuffer, "normal")[0, :, 0, -1, -1] * 2 - 1
    assert normal.tolist() == pytest.approx(gbuffer.normal[0, -1, -1].tolist(), abs=1e-6)


def test_depth_pictures_are_given_back_code_for_code():
    codes = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    depth = decode_depth(codes, RELATIVE_RANGE, PNG8_DEPTH).astype(np.float32)
    flat = np.zeros((1, 16, 16, 3), np.float32)
    gbuffer = GBuffer(flat, flat, depth, flat[..., :1], flat[..., :1])
    video = condition_video(gbuffer, "depth")[0, 0] * 255
    assert np.allclose(video.numpy(), codes[..., 0], atol=0.01)


@pytest.mark.parametrize(
    ("size", "working"),
    [
        ((480, 832), (480, 832)),
        ((720, 1280), (480, 832)),
        ((2160, 3840), (480, 832)),
        ((1280, 720), (832, 480)),
        ((600, 600), (624, 624)),
        ((100, 1000), (192, 2000)),
    ],
)
def test_working_sizes(editor, size, working):
    assert editor.working_size(*size) == working


@pytest.mark.parametrize(("frames", "height", "width"), [(9, 40, 48), (9, 32, 40), (8, 32, 48)])
def test_shapes_that_do_not_fit_are_refused(editor, frames, height, width):
    words = editor.encode_text("snow")
    with pytest.raises(RequestError, match=f"got {frames} frames of {height}x{width}"):
        editor.predict(make_gbuffer(frames, height, width, seed=0), words)


def test_pictures_grow_to_the_size_of_their_gbuffers(editor, gbuffer):
    coarse = np.random.default_rng(0).random((2, 16, 24, 3), np.float32)
    words = editor.encode_text("snow")
    rgb = editor.restore(coarse, gbuffer.frames(0, 2), words, fps=Fraction(15))
    assert (rgb.shape, rgb.dtype) == ((2, *SIZE, 3), np.float32)
    assert np.array_equal(editor.restore(rgb, gbuffer.frames(0, 2), words), rgb)


def test_the_door_loads_no_library_it_may_not_need():
    code = (
        "import sys, editing.models; print(*{'diffusers', 'transformers', 'accelerate'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_whole_job_runs_on_a_folder(folder, tmp_path):
    clip = tmp_path / "clip"
    info = ClipInfo(frames=12, width=64, height=40, fps=Fraction(15), depth=DepthInfo("relative", 0.5, 100.0))
    with ClipWriter(clip, info) as writer:
        writer.write(make_gbuffer(12, 40, 64, seed=7))
    common = {"gbuffers": clip, "prompt": "snow", "model": str(folder), "num_steps": 1, "device": "cpu"}
    settings = EditSettings(**common, height=32, width=48, num_frames=9, output=tmp_path / "snow.mp4")
    (video,) = run_edits((settings,))
    found = probe(video)
    assert (found.num_frames, found.height, found.width, found.fps) == (12, 40, 64, 15)
