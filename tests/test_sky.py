"""What counts as background in a prediction."""

import numpy as np
import torch

from inverse.sky import settle_sky, sure_pieces


def plane_of(sky):
    return sky[None, None]


def test_specks_are_surface_and_areas_are_background():
    sky = torch.full((16, 16), -0.5)
    sky[:6] = 0.8
    sky[12, 3] = 0.9  # a highlight
    sky[9:11, 8:14] = 0.9  # two rows: thinner than a speck may be
    found = settle_sky(plane_of(sky))[0, 0]
    assert (found[:6] == 1).all()
    assert (found[6:] == -1).all()


def test_every_pixel_is_decided_and_what_was_given_stays():
    plane = plane_of(torch.linspace(-1, 1, 256).view(16, 16))
    before = plane.clone()
    settled = settle_sky(plane)
    assert torch.equal(plane, before)
    assert settled.shape == plane.shape
    assert settled.abs().eq(1).all()


def test_a_picture_of_sky_alone_stays_sky():
    assert (settle_sky(plane_of(torch.ones(8, 8)))[0, 0] == 1).all()


def test_so_little_of_all_frames_that_it_is_a_lamp_is_surface():
    lamp = torch.full((40, 40), -0.5)
    lamp[:3, :3] = 0.9  # 9 of 1600 pixels: enough in one frame, too little of two
    assert (settle_sky(plane_of(lamp))[0, 0] == 1).sum() == 9
    clip = torch.cat([plane_of(lamp), plane_of(torch.full((40, 40), -0.5))])
    assert (settle_sky(clip)[:, 0] == -1).all()


def test_a_piece_is_judged_as_a_whole_over_its_frames():
    plane = np.full((3, 12, 20), -0.9, np.float32)
    plane[:, :4] = 0.95  # sky: sure, but for a doubtful frame
    plane[1, :4] = 0.3
    plane[:, 7:11, 2:9] = 0.4  # a white wall, believed by half in every frame
    plane[2, 7:11, 12:16] = 0.9  # a gap that opens in the last frame
    kept = sure_pieces(plane > 0, plane)
    assert kept[:, :4].all()
    assert not kept[:, 7:11, :9].any()
    assert kept[2, 7:11, 12:16].all()
    assert kept.sum() == 3 * 4 * 20 + 16


def test_a_mask_without_pieces_stays_empty():
    assert not sure_pieces(np.zeros((1, 4, 4), bool), np.ones((1, 4, 4), np.float32)).any()
