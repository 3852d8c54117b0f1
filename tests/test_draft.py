"""The draft by rule: light falls as the look says, weather covers what it should, frames stand alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from alaya.gbuffer import GBuffer
from alaya.netcode import PLANES, SKY_CODE, depth_to_code, encode
from editing.draft import draft
from editing.eye import rays, sun_seen, turned, unit, upright
from editing.light import NAMES, WIDTH, Light, row_of
from editing.network import CONFIGS as EDITING
from editing.network import EditingNet
from worlds.looks import LOOKS

ROWS = {name: torch.tensor([row_of(vars(look))]) for name, look in LOOKS.items()}


def tilted(pitch, height=24, width=32):
    """Ground seen by a camera that looks down by `pitch` degrees, under a strip of sky: (1, 1, 10, H, W)."""
    planes = torch.zeros(1, 1, PLANES, height, width)
    planes[:, :, 0:3] = 0.2  # a middle grey
    planes[:, :, 4], planes[:, :, 5] = math.cos(math.radians(pitch)), math.sin(math.radians(pitch))
    planes[:, :, 6] = depth_to_code(torch.tensor(5.0))
    planes[:, :, 7], planes[:, :, 8], planes[:, :, 9] = 0.6, -1, -1
    planes[..., :6, :] = torch.tensor(SKY_CODE).view(PLANES, 1, 1)
    return planes


def lit(planes, look, **changes):
    row = torch.tensor([row_of(vars(replace(LOOKS[look], **changes)))])
    return (draft(planes, row) + 1) / 2


def test_a_look_is_a_row_of_named_numbers():
    light = Light.of(torch.cat([ROWS["snow"], ROWS["sunset"]]))
    assert ROWS["snow"].shape == (1, WIDTH)
    assert len(NAMES) == 26
    assert light.snow.flatten().tolist() == pytest.approx([LOOKS["snow"].snow, 0])
    assert light.fog[1].flatten().tolist() == pytest.approx(LOOKS["sunset"].fog)
    assert light.sun_direction.norm(dim=2).flatten().tolist() == pytest.approx([1, 1])
    assert light.sun_direction[1, 0, 1].item() == pytest.approx(math.sin(LOOKS["sunset"].sun_elevation))


@pytest.mark.parametrize("pitch", [0, 12, 30])
def test_the_ground_says_which_way_is_up(pitch):
    up, ahead = (axis.flatten() for axis in upright(tilted(pitch)))
    turn = math.radians(pitch)
    assert up.tolist() == pytest.approx([0, math.cos(turn), math.sin(turn)], abs=0.03)
    assert ahead.tolist() == pytest.approx([0, math.sin(turn), -math.cos(turn)], abs=0.03)
    sun = torch.tensor([0.6, 0.8, 0.0]).view(1, 1, 3, 1, 1)
    direction = turned(sun, up.view(1, 1, 3, 1, 1), ahead.view(1, 1, 3, 1, 1)).flatten()
    assert float(direction @ up) == pytest.approx(0.8, abs=1e-5)
    assert float(direction[0]) == pytest.approx(0.6, abs=1e-5)


def test_without_ground_the_camera_is_level():
    planes = torch.tensor(SKY_CODE).view(1, 1, PLANES, 1, 1).expand(-1, -1, -1, 8, 8)
    up, _ = upright(planes)
    assert up.flatten().tolist() == pytest.approx([0, 1, 0])


def test_a_wall_hides_the_sun_from_the_ground_behind_it():
    height, width = 48, 64
    way = rays(height, width, torch.zeros(1))
    depth = torch.full((1, 1, 1, height, width), 20.0)
    depth[..., 20:40, 40:48] = 16.0  # a post before a wall, to the right
    normal = torch.zeros(1, 1, 3, height, width)
    normal[:, :, 2] = 1
    from_right = unit(torch.tensor([1.0, 0.1, 0.9]).view(1, 1, 3, 1, 1))
    seen = sun_seen(depth, way, from_right, normal)[0, 0, 0]
    assert seen.min() >= 0
    assert seen.max() <= 1
    from_left = unit(torch.tensor([-1.0, 0.1, 0.9]).view(1, 1, 3, 1, 1))
    other = sun_seen(depth, way, from_left, normal)[0, 0, 0]
    left, right = slice(24, 40), slice(49, 62)
    assert other[24:36, right].mean() < seen[24:36, right].mean() - 0.15  # its shadow falls away from the sun
    assert seen[24:36, 20:39].mean() < other[24:36, 20:39].mean() - 0.15
    assert seen[left, :4].min() == 1


def test_light_falls_from_the_sun():
    planes = tilted(10)
    wall = planes.clone()
    wall[..., 8:, :][:, :, 3:6] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    bright = lit(wall, "sunny", sun_azimuth=math.pi / 2, sun_elevation=0.3)[..., 10:, :].mean()
    dark = lit(wall, "sunny", sun_azimuth=-math.pi / 2, sun_elevation=0.3)[..., 10:, :].mean()
    assert bright > dark + 0.2


def test_fog_swallows_what_is_far_and_water_takes_red_first():
    near, far = tilted(10), tilted(10)
    far[..., 6:, :][:, :, 6] = depth_to_code(torch.tensor(150.0))
    difference = [
        float((lit(near, look) - lit(far, look))[..., 8:, :].abs().mean()) for look in ("fog", "neutral")
    ]
    assert difference[0] > 4 * difference[1]
    ground = lit(far, "underwater")[0, 0, :, 12:].mean((1, 2))
    assert ground[0] < ground[2]


def test_snow_lies_on_what_faces_up_only():
    planes = tilted(0)
    wall = planes.clone()
    wall[..., 6:, :][:, :, 3:6] = torch.tensor([0.0, 0, 1]).view(3, 1, 1)
    snowed, bare = lit(planes, "snow"), lit(planes, "snow", snow=0.0)
    assert (snowed - bare)[..., 8:, :].mean() > 0.1
    assert (lit(wall, "snow") - lit(wall, "snow", snow=0.0))[..., 8:, :].abs().mean() < 0.06


def test_autumn_turns_green_to_red():
    planes = tilted(0)
    planes[..., 6:, :][:, :, 0:3] = torch.tensor([-0.5, 0.1, -0.6]).view(3, 1, 1)
    before, after = (lit(planes, "autumn", autumn=share)[0, 0, :, 10:].mean((1, 2)) for share in (0.0, 1.0))
    assert before[1] > before[0]
    assert after[0] > after[1]


def test_looks_mix_and_frames_do_not():
    torch.manual_seed(0)
    clip = torch.cat([tilted(pitch) for pitch in (0, 8, 20)], 1) + 0.02 * torch.randn(1, 3, PLANES, 24, 32)
    half = (ROWS["snow"] + ROWS["night"]) / 2
    together = draft(clip, half)
    assert together.shape == (1, 3, 3, 24, 32)
    assert together.abs().max() <= 1
    for frame in range(3):
        alone = draft(clip[:, frame : frame + 1], half)
        assert torch.allclose(alone, together[:, frame : frame + 1], atol=1e-5)
    snow, night = draft(clip, ROWS["snow"]).mean(), draft(clip, ROWS["night"]).mean()
    assert night < together.mean() < snow


def test_the_network_finishes_the_draft():
    torch.manual_seed(0)
    net = EditingNet(EDITING["tiny"], tuple(LOOKS), [row_of(vars(look)) for look in LOOKS.values()])
    for part in (net.unet.exit, net.unet.head[5]):
        torch.nn.init.zeros_(part.weight)
        torch.nn.init.zeros_(part.bias)
    clip, t = tilted(10).expand(2, -1, -1, -1, -1), torch.ones(2)
    with torch.no_grad():
        sure = torch.eye(len(LOOKS))[[6, 0]]
        finished = net.finish(net.sketch(clip, sure), t, net.text.mixture(sure))
        assert torch.equal(finished, draft(clip, torch.cat([ROWS["snow"], ROWS["neutral"]])))
        # in training the first of two clips is drawn in the look that was asked for, the second as its text was read
        drawn, logits = net(
            clip, t, ["x", "y", "z"], drop=np.random.default_rng(0), asked=torch.tensor([6, 6])
        )
        assert logits.shape == (3, len(LOOKS))
        assert torch.equal(drawn[0], finished[0])
        read = net.text.logits(["y"]).softmax(-1) @ net.light
        assert torch.allclose(drawn[1], draft(clip[1:], read)[0], atol=1e-5)


@pytest.mark.egl
def test_the_draft_is_near_what_the_renderer_draws():
    from worlds.renderer import Renderer
    from worlds.scene import build_scene

    renderer, found = Renderer(128, 72), []
    for seed in range(3):
        renderer.load(build_scene(seed, "village", 1))
        drawn = renderer.gbuffer(0)
        channels = {name: drawn[name] for name in ("albedo", "normal", "depth", "roughness", "metallic")}
        planes = encode(
            GBuffer(**{k: v[None] if v.ndim == 3 else v[None, ..., None] for k, v in channels.items()})
        )[None]
        for look in ("neutral", "sunny", "fog", "snow", "dust"):
            true = renderer.light(LOOKS[look], particles=False).astype(np.float32) / 255
            ours = ((draft(planes, ROWS[look])[0, 0] + 1) / 2).permute(1, 2, 0).numpy()
            found.append(-10 * np.log10(np.mean((ours - true) ** 2)))
    assert np.mean(found) > 22
    assert min(found) > 15
