"""A stage without a renderer: smooth pictures that follow from the scene's seed and the frame."""

from dataclasses import dataclass, field

import numpy as np

from worlds.make import Stage

LOG = []
"""Scenes built in this process, (seed, family, num_frames)."""


@dataclass(frozen=True)
class FakeScene:
    seed: int
    family: str
    objects: np.ndarray
    eyes: np.ndarray
    targets: np.ndarray
    rolls: np.ndarray
    fov: float = 60.0
    fps: float = 24.0
    indoor: bool = False


def build_scene(seed, family, num_frames, variety=None):
    LOG.append((seed, family, num_frames))
    track = np.arange(num_frames, dtype=np.float32)
    eyes = np.stack([track, 0 * track, 0 * track + 1.7], axis=-1)
    return FakeScene(seed, family, np.zeros((num_frames, 64, 8)), eyes, eyes + np.array([0, 5, 0]), 0 * track)


@dataclass
class FakeRenderer:
    width: int
    height: int
    supersample: int = 1
    shown: dict = field(default_factory=dict)

    def load(self, scene):
        self.scene = scene

    def gbuffer(self, frame):
        rng = np.random.default_rng([self.scene.seed, int(self.scene.eyes[frame, 0])])
        shape = (self.height, self.width)
        normal = rng.normal(size=(*shape, 3))
        depth = np.exp(rng.uniform(0, 5, shape))
        depth[: self.height // 3] = np.inf
        self.shown = {
            "albedo": rng.uniform(size=(*shape, 3)),
            "normal": normal / np.linalg.norm(normal, axis=-1, keepdims=True),
            "depth": depth,
            "roughness": rng.uniform(size=shape),
            "metallic": rng.uniform(size=shape),
            "emission": rng.uniform(size=shape) * 4,
            "motion": rng.normal(size=(*shape, 2)) * 8,
        }
        return self.shown

    @property
    def num_samples(self):
        return self.height * self.width

    def distances(self, frame):
        depth = self.gbuffer(frame)["depth"]
        return depth[np.isfinite(depth)]

    def light(self, look, particles=True, gain=1.0):
        lit = np.clip(self.shown["albedo"] * look * gain + 0.1 * particles, 0, 1)
        return np.rint(lit * 255).astype(np.uint8)


def random_lighting(rng, indoor, variety=None):
    return rng.uniform(0.5, 1.0), {"gain": rng.uniform(0.5, 1.0)}


def fake_stage():
    looks = {"neutral": 1.0, "sunny": 0.9, "night": 0.1, "fog": 0.5}
    families = ("street", "nature", "plaza")
    return Stage(families, ("canyon", "station"), looks, build_scene, FakeRenderer, random_lighting)


def broken_stage():
    def refuse(width, height, supersample):
        raise RuntimeError("no light today")

    whole = fake_stage()
    return Stage(whole.families, (), whole.looks, build_scene, refuse, random_lighting)
