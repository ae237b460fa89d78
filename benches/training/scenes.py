#!/usr/bin/env python3
"""Writes generated scenes and their exact optical flow, to see whether training learns.

    python3 benches/training/scenes.py FOLDER [--scenes 60] [--frames 14] [--size 128] [--seed 1]

FOLDER/scenes/NAME/NNNNN.png are the frames: a textured background that drifts and streams in steady
eddies, as water does, and discs that move over it. FOLDER/flows/NAME/A_B_f.flo and B_A_b.flo lead from
each frame to its neighbours. What is hidden in one frame is mostly seen in others, but smooth
interpolation of a flow around a hole neither finds the eddies inside it nor the edges of discs.
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


# Parts of the time between two frames in which points are moved along the stream.
PARTS = 4


class Scene:
    """Draws one scene."""

    def __init__(self, random, size):
        self.size = size
        self.background = texture(random)
        self.drift = random.uniform(-1, 1, 2)
        # The speed of the background along each axis, with its wave along the other axis.
        self.speed = random.uniform(1.5, 3, 2)
        self.wave = 2 * np.pi / random.uniform(40, 64, 2)
        self.phase = random.uniform(0, 2 * np.pi, 2)
        self.discs = [
            {
                "texture": texture(random),
                "radius": random.uniform(0.08, 0.16) * size,
                "place": random.uniform(0.2, 0.8, 2) * size,
                "speed": random.uniform(-3, 3, 2),
            }
            for _ in range(random.integers(1, 3))
        ]
        y, x = np.mgrid[0:size, 0:size].astype(float)
        self.pixels = np.stack([x, y])

    def velocity(self, place):
        """Returns the background's velocity at places, [2, ...] as (x, y)."""
        waves = [np.sin(self.wave[i] * place[1 - i] + self.phase[i]) for i in range(2)]
        return np.stack([self.drift[i] + self.speed[i] * waves[i] for i in range(2)])

    def moved(self, place, time):
        """Returns where the stream takes places in a time, which may be negative (Runge-Kutta)."""
        count = PARTS * abs(time)
        for _ in range(count):
            step = time / count
            one = self.velocity(place)
            two = self.velocity(place + step / 2 * one)
            three = self.velocity(place + step / 2 * two)
            four = self.velocity(place + step * three)
            place = place + step / 6 * (one + 2 * two + 2 * three + four)
        return place

    def owner(self, time):
        """Returns the number of the disc that every pixel shows; -1 for the background."""
        owner = np.full((self.size, self.size), -1)
        for number, disc in enumerate(self.discs):
            x, y = self.pixels - (disc["place"] + disc["speed"] * time)[:, None, None]
            owner[x**2 + y**2 < disc["radius"] ** 2] = number
        return owner

    def frame(self, time):
        """Returns the frame, [size, size, 3], 8 bits."""
        image = sample(self.background, *self.moved(self.pixels, -time))
        owner = self.owner(time)
        for number, disc in enumerate(self.discs):
            place = self.pixels - (disc["place"] + disc["speed"] * time)[:, None, None]
            image = np.where((owner == number)[..., None], sample(disc["texture"], *place), image)
        return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)

    def flow(self, time, other):
        """Returns the flow from a frame to the next or the one before, [size, size, 2]."""
        flow = np.moveaxis(self.moved(self.pixels, other - time) - self.pixels, 0, -1)
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
