"""What the renderer is told: the names of the looks, and the order in which a pose turns."""

import numpy as np

from worlds.looks import LOOKS
from worlds.viewpoint import pose_matrices


def test_thirteen_looks() -> None:
    names = "neutral sunny sunset night fog rain snow autumn cyberpunk underwater fantasy storm dust"
    assert list(LOOKS) == names.split()


def test_pose_order_is_yaw_pitch_roll() -> None:
    yaw, pitch, roll = 0.4, -0.3, 0.7
    c, s = np.cos, np.sin
    z = np.array([[c(yaw), -s(yaw), 0], [s(yaw), c(yaw), 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, c(pitch), -s(pitch)], [0, s(pitch), c(pitch)]])
    y = np.array([[c(roll), 0, s(roll)], [0, 1, 0], [-s(roll), 0, c(roll)]])
    matrix = pose_matrices(np.array([[1, 2, 3, yaw, pitch, roll, 2, 0]], np.float32))[0]
    np.testing.assert_allclose(matrix[:3, :3], 2 * z @ x @ y, atol=1e-6)
    np.testing.assert_allclose(matrix[:3, 3], [1, 2, 3])
