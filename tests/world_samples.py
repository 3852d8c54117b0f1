"""A small worlds dataset without a renderer: blocks of colour whose picture shows the albedo, under a strip of sky."""

import numpy as np

from worlds.codes import encode_albedo, encode_depth, encode_normal, encode_unit
from worlds.dataset import FIELDS, DatasetInfo, DatasetWriter
from worlds.looks import LOOKS


def made_up_clip(info, index):
    """Return the fields of one clip, random by its index."""
    rng = np.random.default_rng(index)
    rows, columns = info.height // 4, info.width // 4

    def blocks(*tail):
        drawn = rng.random((1, rows, columns, *tail))
        return np.kron(drawn, np.ones((info.num_frames, 4, 4, *[1] * len(tail))))

    albedo, depth = blocks(3), 2 + 20 * blocks()
    depth[:, :4] = np.inf
    sky = np.isinf(depth)
    normal = blocks(3) * [1, 1, 0.5] + [-0.5, -0.5, 0.5]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    albedo[sky], normal[sky] = 0, 0
    unit = {name: encode_unit(np.where(sky, 0, blocks())) for name in ("roughness", "metallic", "emission")}
    rgb = encode_albedo(np.where(sky[..., None], 0.9, albedo))
    clip = {name: np.zeros(info.shape(name), dtype) for name, (dtype, _) in FIELDS.items()}
    clip |= {"albedo": encode_albedo(albedo), "normal": encode_normal(normal), "depth": encode_depth(depth)}
    clip |= {"inverse_rgb": rgb[None], "look_rgb": rgb[None], "look": np.array([index % 2], np.uint8)}
    return clip | unit


def make_dataset(folder, clips=3, num_frames=2, height=16, width=32):
    """Write a dataset of made-up clips and return its folder."""
    info = DatasetInfo(
        split="train",
        seed=0,
        clips=clips,
        num_frames=num_frames,
        height=height,
        width=width,
        stride=1,
        lightings=1,
        targets=1,
        supersample=1,
        shard_clips=clips,
        variety="usual",
        fps=24.0,
        looks=tuple(LOOKS),
        families=("blocks",),
        versions={},
    )
    writer = DatasetWriter(folder, info)
    writer.prepare()
    for index in range(clips):
        writer.write(index, made_up_clip(info, index))
    writer.finish()
    return folder
