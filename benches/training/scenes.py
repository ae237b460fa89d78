#!/usr/bin/env python3
"""Writes generated scenes and their exact optical flow, to see whether training learns.

    python3 benches/training/scenes.py FOLDER [--scenes 60] [--frames 14] [--size 128] [--seed 1]

FOLDER/scenes/NAME/NNNNN.png are the frames: a textured background that drifts and zooms, and discs
that move over it. FOLDER/flows/NAME/A_B_f.flo and B_A_b.flo lead from each frame to its neighbours.
Needs NumPy and Pillow.
"""

import argparse
import pathlib
import struct

import numpy as np
from PIL import Image


def texture(random, side=256):
    """Returns smooth noise of several octaves that repeats, [side, side, 3], 0 to 1."""
    total = np.zeros((side, side, 3))
    for octave in (4, 8, 16, 32, 64):
        coarse = random.random((octave, octave, 3))
        place = np.arange(side) * octave / side
        low = place.astype(int)
        part = place - low
        rows = coarse[low] * (1 - part)[:, None, None] + coarse[(low + 1) % octave] * part[:, None, None]
        both = rows[:, low] * (1 - part)[None, :, None] + rows[:, (low + 1) % octave] * part[None, :, None]
        total += both / np.sqrt(octave)
    total -= total.min()
    return total / total.max()


def sample(image, x, y):
    """Returns the bilinear samples of an image that repeats."""
    side = image.shape[0]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    dx, dy = (x - left)[..., None], (y - top)[..., None]
    at = lambda column, row: image[row % side, column % side]
    upper = at(left, top) * (1 - dx) + at(left + 1, top) * dx
    lower = at(left, top + 1) * (1 - dx) + at(left + 1, top + 1) * dx
    return upper * (1 - dy) + lower * dy


class Scene:
    """Draws one scene."""

    def __init__(self, random, size):
        self.size = size
        self.background = texture(random)
        self.drift = random.uniform(-3, 3, 2)
        self.zoom = 1 + random.uniform(-0.012, 0.012)
        self.discs = [
            {
                "texture": texture(random),
                "radius": random.uniform(0.12, 0.28) * size,
                "place": random.uniform(0.2, 0.8, 2) * size,
                "speed": random.uniform(-4, 4, 2),
            }
            for _ in range(random.integers(1, 4))
        ]
        self.y, self.x = np.mgrid[0:size, 0:size].astype(float)

    def world(self, time):
        """Returns the background's coordinates of every pixel."""
        zoom, middle = self.zoom**time, self.size / 2
        return [(p - middle) / zoom + self.drift[i] * time + 100 for i, p in enumerate((self.x, self.y))]

    def owner(self, time):
        """Returns the number of the disc that every pixel shows; -1 for the background."""
        owner = np.full((self.size, self.size), -1)
        for number, disc in enumerate(self.discs):
            x, y = disc["place"] + disc["speed"] * time
            owner[(self.x - x) ** 2 + (self.y - y) ** 2 < disc["radius"] ** 2] = number
        return owner

    def frame(self, time):
        """Returns the frame, [size, size, 3], 8 bits."""
        image = sample(self.background, *self.world(time))
        owner = self.owner(time)
        for number, disc in enumerate(self.discs):
            x, y = disc["place"] + disc["speed"] * time
            image = np.where((owner == number)[..., None], sample(disc["texture"], self.x - x, self.y - y), image)
        return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)

    def flow(self, time, other):
        """Returns the flow from one frame to another, [size, size, 2]."""
        zoom, middle = self.zoom**other, self.size / 2
        world = self.world(time)
        place = [(world[i] - 100 - self.drift[i] * other) * zoom + middle for i in range(2)]
        flow = np.stack([place[0] - self.x, place[1] - self.y], -1)
        owner = self.owner(time)
        for number, disc in enumerate(self.discs):
            flow[owner == number] = disc["speed"] * (other - time)
        return flow.astype("<f4")


def write_flow(path, flow):
    """Writes a flow in 32 bits."""
    height, width, _ = flow.shape
    path.write_bytes(b"PIEH" + struct.pack("<ii", width, height) + flow.tobytes())


def main():
    """Writes all scenes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    for number in range(options.scenes):
        scene = Scene(random, options.size)
        frames = options.folder / "scenes" / f"{number:03}"
        flows = options.folder / "flows" / f"{number:03}"
        frames.mkdir(parents=True, exist_ok=True)
        flows.mkdir(parents=True, exist_ok=True)
        for time in range(options.frames):
            Image.fromarray(scene.frame(time)).save(frames / f"{time:05}.png")
            if time + 1 < options.frames:
                names = f"{time:05}", f"{time + 1:05}"
                write_flow(flows / f"{names[0]}_{names[1]}_f.flo", scene.flow(time, time + 1))
                write_flow(flows / f"{names[1]}_{names[0]}_b.flo", scene.flow(time + 1, time))


if __name__ == "__main__":
    main()
