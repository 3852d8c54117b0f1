"""Models without a network: they keep the real ones' contract, run at once and can be checked by hand."""

from dataclasses import dataclass, field

import numpy as np

from alaya.colour import linear_to_srgb, srgb_to_linear
from alaya.gbuffer import GBuffer
from pipelines.loading import Loader

NEAR, FAR = 0.5, 100.0
TINTS = {"snow": (0.5, 0.7, 1.0), "night": (0.2, 0.2, 0.4)}


@dataclass(frozen=True)
class FakeInfo:
    name: str = "fake"
    sha256: str = "0" * 64
    num_frames: int = 17
    num_steps: int = 1
    depth_kind: str = "relative"
    near: float = NEAR
    far: float = FAR
    options: frozenset = frozenset({"num_steps", "height", "width"})


def bigger(frames, height, width):
    """Nearest-neighbour resize of (T, h, w, C)."""
    rows = np.arange(height) * frames.shape[1] // height
    columns = np.arange(width) * frames.shape[2] // width
    return frames[:, rows][:, :, columns]


def working_size(height, width):
    return max(16, height // 16 * 8), max(16, width // 16 * 8)


@dataclass
class FakeInverse:
    """albedo = the picture, normal toward the viewer, depth 2 (both a trifle off by red), roughness .5; blue is sky."""

    info: FakeInfo = FakeInfo()
    calls: list = field(default_factory=list)

    def working_size(self, height, width):
        return working_size(height, width)

    def predict(self, rgb, *, num_steps=None, seed=0, first_frame=0):
        assert rgb.dtype == np.float32
        assert (len(rgb) - 1) % 8 == 0
        self.calls.append((first_frame, len(rgb), rgb.shape[1:3]))
        return self._clip(rgb)

    def restore(self, coarse, rgb):
        assert coarse.num_frames == len(rgb)
        return self._clip(rgb)

    @staticmethod
    def _clip(rgb):
        ground = (rgb[..., 2:] < 0.9).astype(np.float32)
        tilt = rgb[..., :1] * np.float32(1e-4)  # a network gives nothing constant, and jobs refuse what is
        return GBuffer(
            albedo=srgb_to_linear(rgb) * ground,
            normal=np.concatenate([tilt, 0 * tilt, np.sqrt(1 - tilt**2)], -1) * ground,
            depth=np.where(ground > 0, 2 + tilt, np.float32(np.inf)),
            roughness=0.5 * ground,
            metallic=0 * ground,
        )


@dataclass(frozen=True)
class FakeWords:
    text: str
    negative: str
    looks: dict


@dataclass
class FakeEditor:
    """The albedo times a tint that the text names; every call is noted."""

    info: FakeInfo = FakeInfo()
    calls: list = field(default_factory=list)

    def encode_text(self, prompt, negative=""):
        found = next((look for look in TINTS if look in prompt), None)
        looks = {look: 0.9 if look == found else 0.1 for look in TINTS}
        return FakeWords(prompt, negative, looks if found else dict.fromkeys(TINTS, 0.3))

    def working_size(self, height, width):
        return working_size(height, width)

    def predict(
        self, gbuffer, words, *, num_steps=None, seed=0, first_frame=0, cfg_scale=None, clip_frames=None
    ):
        assert (gbuffer.num_frames - 1) % 8 == 0
        gbuffer.check("the editor's input")
        self.calls.append((first_frame, gbuffer.num_frames, (gbuffer.height, gbuffer.width)))
        return self._tint(gbuffer.albedo, words)

    def restore(self, coarse, gbuffer, words, *, seed, first_frame, fps):
        assert len(coarse) == gbuffer.num_frames
        return self._tint(gbuffer.albedo, words)

    @staticmethod
    def _tint(albedo, words):
        tint = next((tint for look, tint in TINTS.items() if look in words.text), (1, 1, 1))
        return linear_to_srgb(albedo) * np.array(tint, np.float32)


def fake_loader(model):
    """A loader that gives this very model, whatever is asked for."""
    return Loader(lambda name: model.info.sha256, lambda name, device: model)


def _refuse(name, device):
    raise AssertionError(f"weights of {name} were loaded")


NEVER_LOAD = Loader(
    lambda name: "0" * 64, _refuse
)  # for requests that must be refused before any weight is loaded
