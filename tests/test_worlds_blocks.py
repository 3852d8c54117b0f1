"""Blocks of triangles: nothing that a view shows is left out, much of the rest is, and the order stays."""

import numpy as np

from worlds.blocks import BLOCK, Blocks, shared_corners
from worlds.scene import Scene, build_scene
from worlds.viewpoint import Viewpoint, pose_matrices, shadow_projection


def blocks_of(scene: Scene) -> tuple[Blocks, np.ndarray, np.ndarray]:
    """The blocks of a scene's triangles, their corners (K, 3, 3) and their objects (K,)."""
    triangles = scene.vertices.reshape(-1, 3, 10)
    objects, groups = triangles[:, 0, 9].astype(int), triangles[:, 0, 8].astype(int)
    return Blocks(scene.vertices[:, :3], groups, objects), triangles[:, :, :3], objects


def drawn(blocks: Blocks, kept: np.ndarray, by_group: bool) -> np.ndarray:
    """Vertices in the order in which the runs draw them."""
    runs = blocks.runs(kept, by_group)
    return np.concatenate([np.arange(first, first + count) for _, first, count, _ in runs])


def test_all_runs_are_the_whole_list_in_its_order() -> None:
    scene = build_scene(4, "street", 3)
    blocks, corners, objects = blocks_of(scene)
    groups = scene.vertices[:, 8].astype(int)
    assert (blocks.ends - blocks.firsts).max() == 3 * BLOCK
    everything = np.ones(len(blocks.firsts), bool)
    for by_group in (False, True):
        np.testing.assert_array_equal(drawn(blocks, everything, by_group), np.arange(3 * len(corners)))
        for group, first, count, moves in blocks.runs(everything, by_group):
            run = slice(first, first + count)
            assert ((np.repeat(objects, 3)[run] > 0) == moves).all()
            assert groups[first] == group
            assert not by_group or (groups[run] == group).all()
    assert blocks.runs(~everything) == []


def test_what_a_view_may_show_is_kept_and_most_of_the_rest_is_not() -> None:
    scene = build_scene(4, "street", 3)
    blocks, corners, objects = blocks_of(scene)
    poses = pose_matrices(scene.objects[1])
    sun = np.array([0.3, 0.5, 0.8]) / np.linalg.norm([0.3, 0.5, 0.8])
    views = [
        Viewpoint.of(scene, 1, 16 / 9).view_projection,
        shadow_projection(sun, scene.eyes[1].astype(np.float64), 12.0, 1024),
    ]
    at = np.concatenate([corners, np.ones((len(corners), 3, 1))], axis=-1)
    world = np.einsum("kij,kvj->kvi", poses[objects], at)
    for view in views:
        clip = world @ view.T
        place, w = clip[..., :3], clip[..., 3:]
        beyond = np.concatenate([place > w, place < -w], axis=-1)  # (K, 3, 6)
        outside = np.any(np.all(beyond, axis=1), axis=-1)  # all three corners beyond one plane
        kept = np.zeros(3 * len(corners), bool)
        kept[drawn(blocks, blocks.seen(view, poses), by_group=False)] = True
        kept = np.all(kept.reshape(-1, 3), axis=1)
        assert kept[~outside].all()
        assert outside.mean() > 0.1
        assert (~kept).sum() > 0.6 * outside.sum()
        still = drawn(blocks, blocks.seen(view, None), by_group=False)
        assert not np.repeat(objects, 3)[still].any()
        assert len(still) > 0


def test_shared_corners_are_the_same_triangles_from_fewer_rows() -> None:
    vertices = build_scene(4, "street", 3).vertices
    rows = shared_corners(vertices)
    np.testing.assert_array_equal(vertices[rows], vertices)
    assert len(np.unique(rows)) < 0.75 * len(vertices)
    assert (np.diff(rows[::3].astype(int)) >= 0).all()  # the order of the triangles stays
