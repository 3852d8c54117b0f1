"""The inverse job with the published renderer's layout, at a tiny size: a video becomes a G-buffer clip."""

import numpy as np
import pytest
from cosmos_samples import GOLDEN, write_noise

pytest.importorskip("diffusers")

from alaya.clip import open_clip
from alaya.codes import RELATIVE_RANGE
from alaya.errors import RequestError, WeightsNotFoundError
from inverse.cosmos_files import find_cosmos
from inverse.models import load_inverse
from pipelines import loading
from pipelines.inverse_job import run_inverse
from pipelines.settings import InverseSettings


@pytest.fixture
def video(tmp_path):
    return write_noise(tmp_path / "a.mp4", 19, 36, 52)


def test_a_video_becomes_a_clip_in_windows(video, tmp_path):
    settings = InverseSettings(
        video,
        tmp_path / "out",
        model=str(GOLDEN),
        num_frames=9,
        height=32,
        width=48,
        num_steps=1,
        device="cpu",
    )
    reader = open_clip(run_inverse(settings))
    assert (len(reader), reader.info.height, reader.info.width) == (19, 36, 52)
    assert reader.info.depth.kind == "relative"
    assert (reader.info.depth.near, reader.info.depth.far) == (RELATIVE_RANGE.near, RELATIVE_RANGE.far)
    assert reader.info.model.name == "cosmos-7b"
    assert reader.info.model.sha256 == find_cosmos(str(GOLDEN)).identity()
    gbuffer = reader.read(0, 19)
    gbuffer.check()
    assert np.isfinite(gbuffer.depth).all()


def test_names_and_options_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsNotFoundError, match="no checkpoint 'cosmos-7b'"):
        loading.INVERSE.identify("cosmos-7b")
    with pytest.raises(RequestError, match="no option rope_dtype"):
        load_inverse("small", device="cpu", rope_dtype="bf16")
