"""A first picture by rule: G-buffers under a look's light, as far as G-buffers tell it, for the network to finish.

The rules are those of the renderer that drew the training looks, without what a G-buffer does not hold: lamps, glowing
things, clouds, what lies outside the picture. The camera is taken to be level except for what the ground says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alaya.colour import KNEE_CODED, KNEE_LINEAR
from alaya.netcode import ALBEDO, DEPTH, METALLIC, NORMAL, ROUGHNESS, SKY, code_to_depth
from alaya.parts import in_parts
from editing.eye import dot, rays, sun_seen, turned, unit, upright
from editing.light import Light

TOGETHER = 2  # frames at a time: what is worked on stays in the cache, and long windows take no more memory
OPEN = 0.75  # how much sky a surface sees
SNOW = (0.86, 0.89, 0.94)
RED_FIRST = (0.09, 0.02, 0.012)  # a metre of water takes this of red, green, blue


def draft(planes: Tensor, rows: Tensor) -> Tensor:
    """Draw every frame by rule.

    Args:
        planes: (B, T, 10, H, W) coded G-buffers (`alaya.netcode`), depth in about metres.
        rows: (B, WIDTH), each clip's light; mixtures of looks are mixtures of rows.

    Returns:
        (B, T, 3, H, W) sRGB in [-1, 1].
    """
    light = Light.of(rows.float())
    drawn = planes.new_empty((*planes.shape[:2], 3, *planes.shape[3:]), dtype=torch.float32)
    return in_parts(lambda part: _draw(part.float(), light), drawn, planes, size=TOGETHER, axis=1)


def _draw(planes: Tensor, light: Light) -> Tensor:
    """A few frames, as `draft`."""
    up, ahead = upright(planes)
    way = rays(planes.shape[-2], planes.shape[-1], planes)  # (3, H, W)
    reach = dot(way, way).sqrt()
    view = -way / reach  # toward the eye
    depth = code_to_depth(planes[:, :, DEPTH])
    surface = _Surface(planes, light, up)
    towards = {
        "sun": turned(light.sun_direction, up, ahead),
        "key": turned(light.key_direction, up, ahead),
        "rim": turned(light.rim_direction, up, ahead),
    }
    lit = _shade(surface, light, towards, up, view, sun_seen(depth, way, towards["sun"], surface.normal))
    rise = (dot(way, up) * depth * 0.5 + 1.5).clamp(min=0)
    fog = _fog(light, towards["sun"], -view)
    lit = _haze(lit, light, fog, depth * reach, rise)
    sky = _background(light, fog, towards["sun"], up, -view)
    picture = torch.where(planes[:, :, SKY] > 0, sky, lit)
    return _finish(picture, light) * 2 - 1


class _Surface:
    """What the weather makes of the surfaces: albedo, roughness, metallic, normal."""

    def __init__(self, planes: Tensor, light: Light, up: Tensor) -> None:
        self.albedo = _to_linear((planes[:, :, ALBEDO] + 1) / 2)
        self.rough = (planes[:, :, ROUGHNESS] + 1) / 2
        self.metal = (planes[:, :, METALLIC] + 1) / 2
        self.normal = unit(planes[:, :, NORMAL])
        if _asked(light.autumn):
            self.albedo = _turn_leaves(self.albedo, light, dot(self.normal, up), self.metal)
        if _asked(light.snow):
            self._cover_with_snow(light.snow, up)
        if _asked(light.wet):
            self.albedo = self.albedo * (1 - 0.5 * light.wet * (1 - self.metal) * self.rough)
            self.rough = self.rough * (1 - 0.58 * light.wet) + 0.03 * light.wet

    def _cover_with_snow(self, snow: Tensor, up: Tensor) -> None:
        cover = _smooth(0.25, 0.7, dot(self.normal, up)) * snow
        pale = self.albedo + (0.75 - self.albedo) * 0.12 * snow
        self.albedo = pale + (pale.new_tensor(SNOW).view(3, 1, 1) - pale) * cover
        self.normal = unit(self.normal + (up - self.normal) * 0.5 * cover)
        self.rough = self.rough + (0.7 - self.rough) * cover
        self.metal = self.metal * (1 - cover)


def _shade(
    surface: _Surface, light: Light, towards: dict[str, Tensor], up: Tensor, view: Tensor, seen: Tensor
) -> Tensor:
    """Linear light that leaves the surfaces toward the eye."""
    normal = surface.normal
    facing = dot(normal, towards["sun"]).clamp(min=0)
    seen = 1 + (seen - 1) * light.shadow
    direct = light.sun * facing * seen
    for colour, side in ((light.key, towards["key"]), (light.rim, towards["rim"])):
        if _asked(colour):
            direct = direct + colour * (dot(normal, side) * 0.6 + 0.4).clamp(min=0) ** 2
    diffuse = surface.albedo * (1 - surface.metal)
    f0 = 0.04 + (surface.albedo - 0.04) * surface.metal
    lit = diffuse * (direct + _ambient(light, dot(normal, up)))
    facing_eye = dot(normal, view).clamp(min=0.03)
    mirrored = 2 * facing_eye * normal - view
    above = dot(mirrored, up)
    dome = light.horizon + (light.zenith - light.horizon) * above.clamp(min=0)
    around = light.ground + (dome - light.ground) * _smooth(-0.5, 0.5, above)
    # split-sum approximation of the reflection of everything around (Karis 2013)
    t = [
        surface.rough * a + b
        for a, b in zip((-1, -0.0275, -0.572, 0.022), (1, 0.0425, 1.04, -0.04), strict=True)
    ]
    bend = torch.minimum(t[0] ** 2, torch.exp2(-9.28 * facing_eye)) * t[0] + t[1]
    return lit + around * light.ambient * (f0 * (-1.04 * bend + t[2]) + (1.04 * bend + t[3]))


def _ambient(light: Light, facing_up: Tensor) -> Tensor:
    """Light from the sky above and the ground below."""
    side = facing_up * 0.5 + 0.5
    dome = light.horizon + (light.zenith - light.horizon) * (0.35 + 0.3 * side)
    low = light.ground * (0.35 + 0.65 * OPEN)
    high = light.ground * 0.45 * (1 - OPEN) + dome * OPEN
    return (low + (high - low) * side) * light.ambient


def _haze(lit: Tensor, light: Light, fog: Tensor, far: Tensor, rise: Tensor) -> Tensor:
    """Air, or water, between a surface and the eye."""
    clear = torch.exp(-light.fog_density * far * torch.exp(-rise * light.fog_falloff))
    if _asked(light.water):
        taken = torch.exp(-far * lit.new_tensor(RED_FIRST).view(3, 1, 1))
        lit = lit * (1 + (taken - 1) * light.water)
    return fog + (lit - fog) * clear


def _fog(light: Light, sun: Tensor, ray: Tensor) -> Tensor:
    """What the air sends along every ray: brighter toward the sun."""
    return light.fog + light.sun * 0.1 * light.sky_glow * dot(ray, sun).clamp(min=0) ** 6


def _background(light: Light, fog: Tensor, sun: Tensor, up: Tensor, ray: Tensor) -> Tensor:
    """The sky without clouds and stars."""
    above = dot(ray, up)
    height = above.clamp(min=1e-4)
    dome = light.horizon + (light.zenith - light.horizon) * height ** (0.5 + 0.3 * light.overcast)
    toward = dot(ray, sun).clamp(min=0)
    glow = 0.1 * toward**6 * (1 - 0.7 * height) + 0.22 * toward**90
    dome = dome + light.sun * glow * light.sky_glow
    dome = light.ground + (dome - light.ground) * _smooth(-0.04, 0.04, above)
    far = (7 / (above.clamp(min=0) + 0.012)).clamp(max=500)
    return fog + (dome - fog) * torch.exp(-light.fog_density * far)


def _turn_leaves(albedo: Tensor, light: Light, facing_up: Tensor, metal: Tensor) -> Tensor:
    """Autumn: what is green turns by how bright it is, and leaves lie on what faces up."""
    bright = _grey(albedo)
    t = (bright * 7).clamp(0, 1)
    red, orange, yellow = (
        albedo.new_tensor(c).view(3, 1, 1)
        for c in ((0.34, 0.035, 0.012), (0.62, 0.17, 0.015), (0.75, 0.42, 0.04))
    )
    leaf = red + (orange + (yellow - orange) * _smooth(0.5, 1.0, t) - red) * _smooth(0.0, 0.55, t)
    others = torch.maximum(albedo[:, :, 0:1], albedo[:, :, 2:3])
    leafy = _smooth(0.02, 0.1, albedo[:, :, 1:2] - others) * 0.85
    albedo = albedo + (leaf * (0.45 + bright * 2.6) - albedo) * leafy * light.autumn
    lying = _smooth(0.75, 0.92, facing_up) * (1 - leafy) * (1 - metal) * light.autumn
    fallen = albedo.new_tensor([0.56, 0.235, 0.032]).view(3, 1, 1)
    return albedo + (fallen - albedo) * lying * 0.5


def _finish(picture: Tensor, light: Light) -> Tensor:
    """Exposure, tone curve and grade; sRGB in [0, 1]."""
    c = picture.clamp(min=0) * light.exposure * light.tint
    filmic = c * (2.51 * c + 0.03) / (c * (2.43 * c + 0.59) + 0.14)
    c = (c + (filmic - c) * light.aces).clamp(0, 1)
    c = torch.where(c <= KNEE_LINEAR, c * 12.92, 1.055 * c.clamp(min=1e-5) ** (1 / 2.4) - 0.055)
    c = c.clamp(min=1e-5) ** light.gamma
    grey = _grey(c)
    c = grey + (c - grey) * light.saturation
    return ((c - 0.5) * light.contrast + 0.5).clamp(0, 1)


def _asked(number: Tensor) -> bool:
    """Whether any clip's look asks for this at all; a hundredth of a look is not worth the work."""
    return bool((number > 0.01).any())


def _smooth(low: float, high: float, x: Tensor) -> Tensor:
    """GLSL's smoothstep."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _grey(c: Tensor) -> Tensor:
    """Luminance of (B, T, 3, H, W), Rec.709."""
    return 0.2126 * c[:, :, 0:1] + 0.7152 * c[:, :, 1:2] + 0.0722 * c[:, :, 2:3]


def _to_linear(c: Tensor) -> Tensor:
    """Linear light of sRGB coding in [0, 1]."""
    return torch.where(c <= KNEE_CODED, c / 12.92, ((c.clamp(min=0) + 0.055) / 1.055) ** 2.4)
