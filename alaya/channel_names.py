"""The names that other programs give to the five channels, and what part of a channel an EXR name means."""

import re
from collections.abc import Iterable

SYNONYMS = {
    "albedo": ("albedo", "basecolor", "basecolour", "diffcol", "diffusecolor", "diffusecolour"),
    "normal": ("normal", "normals", "n", "nn", "worldnormal", "cameranormal", "viewnormal"),
    "depth": ("depth", "z", "scenedepth", "worlddepth"),
    "roughness": ("roughness", "rough"),
    "metallic": ("metallic", "metalness", "metal", "metallicity"),
}
CHANNEL_OF = {name: channel for channel, names in SYNONYMS.items() for name in names}

# Components in the order our arrays hold them; of a scalar the first one found is taken.
VECTOR_COMPONENTS = {"albedo": ("RGB",), "normal": ("XYZ", "RGB")}
SCALAR_COMPONENTS = ("", "Y", "V", "Z", "X", "R")


def channel_of(name: str) -> str | None:
    """The channel a layer, folder or file is called after, whatever its case and separators; else None."""
    return CHANNEL_OF.get(re.sub(r"[\s_\-]", "", name).lower())


def choose_exr_channels(names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which EXR channels make up our channels: `{"albedo": ("albedo.R", "albedo.G", "albedo.B"), ...}`.

    A layer is known by its last component but one (`ViewLayer.Depth.Z` is depth), a bare `Z` is depth. Where
    two layers have one meaning (two view layers, say), the first complete one is taken.
    """
    layers: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        split = _split(name)
        if split is not None:
            channel, layer, component = split
            layers.setdefault((channel, layer), {})[component] = name
    chosen: dict[str, tuple[str, ...]] = {}
    for (channel, _), parts in layers.items():
        wanted = _components(channel, set(parts))
        if wanted is not None and channel not in chosen:
            chosen[channel] = tuple(parts[component] for component in wanted)
    return {channel: chosen[channel] for channel in SYNONYMS if channel in chosen}


def _split(name: str) -> tuple[str, str, str] | None:
    """Channel, layer and component of an EXR channel name, or None for a name that is none of ours."""
    layer, _, last = name.rpartition(".")
    if not layer or (channel_of(last) and len(last) > 1):
        channel = channel_of(last)
        return None if channel is None else (channel, name, "")
    channel = channel_of(layer.rpartition(".")[2])
    return None if channel is None else (channel, layer, last.upper())


def _components(channel: str, present: set[str]) -> tuple[str, ...] | None:
    """Which of the components present make up a channel, in order; None if some are wanting."""
    if channel not in VECTOR_COMPONENTS:
        return next(((part,) for part in SCALAR_COMPONENTS if part in present), None)
    return next((tuple(parts) for parts in VECTOR_COMPONENTS[channel] if present.issuperset(parts)), None)
