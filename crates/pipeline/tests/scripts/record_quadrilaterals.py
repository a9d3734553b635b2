"""Records quadrilaterals of a picture as OpenCV straightens them, the way PP-OCR cuts lines of text out.

usage: python record_quadrilaterals.py OUT.npz      (needs opencv-python-headless, numpy)

OUT holds `picture` (u8 [48, 64, 3], waves and an edge), `corners` (f32 [quadrilaterals, 4, 2], clockwise from the upper
left; some reach beyond the picture) and `cut_I` (u8 [height, width, 3]). tests/golden/quadrilaterals.npz was made by it.
"""

import sys

import cv2
import numpy as np


def picture():
    y, x, c = np.mgrid[:48, :64, :3]
    waves = 120 + 80 * np.sin(x / 5 + c) * np.cos(y / 7 - c)
    waves[x + 2 * y > 90] += 40
    return waves.astype(np.uint8)


def cut(picture, corners):
    side = lambda a, b: np.linalg.norm(corners[a] - corners[b])
    width, height = int(max(side(0, 1), side(2, 3))), int(max(side(0, 3), side(1, 2)))
    upright = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    return cv2.warpPerspective(
        picture, cv2.getPerspectiveTransform(corners, upright), (width, height),
        borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)


def main(out):
    generator = np.random.default_rng(3)
    middles = generator.uniform((12, 10), (52, 38), (12, 2))
    halves = generator.uniform(4, 16, (12, 2))
    turns = generator.uniform(-0.6, 0.6, 12)
    corners = np.float32([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * halves[:, None]
    cos, sin = np.cos(turns), np.sin(turns)
    corners = np.einsum("nij,nkj->nki", np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1), corners)
    corners = (corners + middles[:, None] + generator.uniform(-2, 2, (12, 4, 2))).astype(np.float32)
    image = picture()
    cuts = {f"cut_{index}": cut(image, each) for index, each in enumerate(corners)}
    np.savez_compressed(out, picture=image, corners=corners, **cuts)


main(*sys.argv[1:])
