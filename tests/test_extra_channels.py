"""The pictures beside a clip's five channels: drawn in one call, stored as drawn, resumed, refused where unknown."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from cosmos_samples import GOLDEN, write_noise

pytest.importorskip("diffusers")

from alaya.clip import open_clip
from alaya.errors import AlayaError, RequestError
from alaya.extra_channels import EXTRA_CHANNELS
from alaya.gbuffer import CHANNELS
from alaya.png16 import read_image
from alaya.video import read_frames, to_float
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_model import CosmosInverse
from inverse.cosmos_outline import outline
from inverse.restore import restore_extras
from pipelines.commands import inverse, render
from pipelines.inverse_job import run_inverse
from pipelines.memory_plan import plan_stage
from pipelines.settings import InverseSettings, RenderSettings, identity_of
from pipelines.verify import verify_folder


@pytest.fixture
def video(tmp_path):
    return write_noise(tmp_path / "a.mp4", 17, 32, 48)


@pytest.fixture
def settings(video, tmp_path):
    return InverseSettings(
        video,
        tmp_path / "out",
        model=str(GOLDEN),
        num_frames=9,
        height=32,
        width=48,
        num_steps=1,
        device="cpu",
        extra_channels=EXTRA_CHANNELS,
    )


def stored(folder, name):
    return np.stack([read_image(path) for path in sorted((folder / name).glob("frame_*.png"))])


def test_they_are_stored_as_the_network_drew_them(settings):
    one = replace(settings, frames=(0, 9))
    folder = run_inverse(one)
    rgb = np.stack([to_float(frame) for frame in read_frames(settings.input, 0, 9)])
    model = CosmosInverse.load(find_cosmos(str(GOLDEN)))
    names = ("albedo", "normal", "diffuse_albedo", "specular_albedo")
    drawn = model.pictures(rgb, names, num_steps=1, blend_normals=True)
    expected = {**drawn, "blended_normal": drawn["normal"]}
    for name in (*EXTRA_CHANNELS, "albedo"):
        codes = np.clip(expected[name] * 0.5 + 0.5, 0, 1) * 65535
        assert stored(folder, name).shape == (9, 32, 48, 3)
        np.testing.assert_allclose(stored(folder, name), codes, atol=3, err_msg=name)
    lengths = np.linalg.norm(stored(folder, "blended_normal") / 32767.5 - 1, axis=-1)
    assert lengths.min() < 0.9  # a contract's normal would have length 1
    with open_clip(folder) as clip:
        assert clip.channels == CHANNELS
        assert clip.info.settings["extra_channels"] == list(EXTRA_CHANNELS)
    assert [finding for finding in verify_folder(folder).findings if finding.kind != "unfinished"] == []


def test_the_five_channels_do_not_depend_on_them(settings, tmp_path):
    folder = run_inverse(settings)
    plain = run_inverse(replace(settings, output=tmp_path / "plain", extra_channels=()))
    for name in CHANNELS:
        np.testing.assert_allclose(stored(folder, name), stored(plain, name), atol=4, err_msg=name)
    assert not any((plain / name).exists() for name in EXTRA_CHANNELS)
    run_inverse(replace(settings, extra_channels=(), overwrite=True))
    assert not any((folder / name).exists() for name in EXTRA_CHANNELS)


@pytest.mark.parametrize("kind", ["png", "exr", "mp4"])
def test_an_interrupted_run_goes_on_to_the_same_pictures(settings, tmp_path, monkeypatch, kind):
    settings = replace(settings, format=kind, num_frames=9, extra_channels=("specular_albedo",))
    whole = run_inverse(replace(settings, output=tmp_path / "whole"))
    predict = CosmosInverse.predict_extra

    def stops(self, rgb, extra, *, first_frame, **options):
        if first_frame:
            raise AlayaError("stopped")
        return predict(self, rgb, extra, first_frame=first_frame, **options)

    monkeypatch.setattr(CosmosInverse, "predict_extra", stops)
    with pytest.raises(AlayaError, match="stopped"):
        run_inverse(settings)
    begun = len(list((settings.folder / "specular_albedo").glob("*.png")))
    assert 0 < begun < 17
    monkeypatch.setattr(CosmosInverse, "predict_extra", predict)
    run_inverse(settings)
    assert len(stored(whole, "specular_albedo")) == 17
    np.testing.assert_array_equal(
        stored(settings.folder, "specular_albedo"), stored(whole, "specular_albedo")
    )


def test_they_are_enlarged_along_the_picture_s_edges():
    rgb = np.zeros((1, 64, 64, 3), np.float32)
    rgb[:, :, 30:] = 1  # an edge that no coarse pixel has
    coarse = rgb.reshape(1, 16, 4, 16, 4, 3).mean((2, 4)) * 0.5 + 0.2
    large = restore_extras({"diffuse_albedo": coarse, "blended_normal": coarse}, rgb)
    for name, pictures in large.items():
        assert pictures.shape == (1, 64, 64, 3)
        np.testing.assert_allclose(pictures[:, :, :29], 0.2, atol=0.03, err_msg=name)
        np.testing.assert_allclose(pictures[:, :, 31:], 0.7, atol=0.03, err_msg=name)
    small = restore_extras({"diffuse_albedo": large["diffuse_albedo"]}, rgb[:, ::2, ::2])
    assert small["diffuse_albedo"].shape == (1, 32, 32, 3)


def test_they_cost_a_pass_each_and_the_blend_none(settings):
    published = outline(find_cosmos(str(GOLDEN)))

    def drawing(*names):
        asked = replace(settings, extra_channels=names)
        return plan_stage(asked, published, (32, 48), 9).phases[1].flops

    assert drawing("blended_normal") == drawing()
    more = drawing("diffuse_albedo", "specular_albedo") - drawing("diffuse_albedo")
    assert drawing("diffuse_albedo") - drawing() == pytest.approx(more)
    assert more > 0


def test_they_are_a_part_of_a_run_only_where_asked_for(video):
    plain = InverseSettings(video)
    assert "extra_channels" not in identity_of(plain)
    asked = replace(plain, extra_channels=("specular_albedo", "diffuse_albedo"))
    assert identity_of(asked)["extra_channels"] == ["diffuse_albedo", "specular_albedo"]
    both = RenderSettings(video, ("night",), extra_channels=("diffuse_albedo",))
    assert both.inverse.extra_channels == ("diffuse_albedo",)
    with pytest.raises(
        RequestError, match="unknown extra channel shadow; there are diffuse_albedo, specular"
    ):
        replace(plain, extra_channels=("shadow",))


@pytest.mark.parametrize("command", [inverse.command, render.command])
def test_the_embedded_model_refuses_them_by_name(video, tmp_path, command):
    words = ["--input", str(video), "--output", str(tmp_path / "out"), "--extra-channels", "diffuse_albedo"]
    done = CliRunner().invoke(command, [*words, *(["--style", "night"] if command is render.command else [])])
    assert isinstance(done.exception, RequestError)
    assert "--extra-channels was given, the model 'small' cannot use it" in str(done.exception)
    assert not (tmp_path / "out" / "clip.json").exists()
