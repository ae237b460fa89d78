"""Fills of still photographs: what no frame ever shows, beside other fills.

    pip install numpy opencv-python-headless scikit-image scikit-learn
    cargo build --release --no-default-features -p propainter-tests --example still
    python benches/classical/still.py FOLDER NAME=target/release/examples/still ...

Each NAME is a build of the engine to measure; FFmpeg must be installed. The photographs come from
the packages scikit-image and scikit-learn. FOLDER receives them with their holes and all fills.
Each photograph gets nine holes: a logo, a line of text and a blob, of 2, 5 and 15 % of it.

PSNR is that in the hole, SSIM the mean over hole and 8 pixels around it. Sharpness is the gradient
energy in the hole divided by that in 16 pixels around it (geometric mean), and "off" the mean
distance of its logarithm (base 2) from the truth's. Flicker is the mean absolute difference in the
hole between consecutive fills of frames with noise of sigma 2.5; around the hole it is 2.8.
"""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import sklearn.datasets
from skimage.metrics import structural_similarity

SIGMA, NOISY = 2.5, 6
SHARES = (2, 5, 15)
SHAPES = ("logo", "text", "blob")
PHOTOGRAPHS = (
    "astronaut brick camera chelsea coffee grass gravel hubble_deep_field rocket "
    "stereo_motorcycle china.jpg flower.jpg"
)


def photograph(name):
    """Returns a photograph as BGR, at most 640 wide, with sides that are multiples of 8."""
    if "." in name:
        image = sklearn.datasets.load_sample_image(name)
    else:
        image = getattr(skimage.data, name)()
    image = image[0] if isinstance(image, tuple) else image
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if image.ndim == 2 else cv2.COLOR_RGB2BGR)
    if image.shape[1] > 640:
        height = round(image.shape[0] * 640 / image.shape[1])
        image = cv2.resize(image, (640, height), interpolation=cv2.INTER_AREA)
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height // 8 * 8, : width // 8 * 8])


def hole(shape, share, height, width):
    """Returns a hole of `share` % of the picture: 255 inside."""
    area = height * width * share / 100
    mask = np.zeros((height, width), np.uint8)
    if shape == "blob":
        y, x = np.mgrid[:height, :width]
        y, x = y - 0.5 * height, x - 0.5 * width
        angle = np.arctan2(y, x)
        radius = 1 + 0.22 * np.sin(3 * angle + 1) + 0.15 * np.sin(5 * angle)
        radius /= np.sqrt(1 + 0.22**2 / 2 + 0.15**2 / 2)
        mask[np.hypot(x, y) < radius * np.sqrt(area / np.pi)] = 255
        return mask
    aspect, centre = {"logo": (1.6, (0.72, 0.28)), "text": (9, (0.5, 0.8))}[shape]
    w = min(np.sqrt(area * aspect), 0.92 * width)
    h = area / w
    x, y = centre[0] * width - w / 2, min(centre[1] * height - h / 2, 0.96 * height - h)
    mask[round(y) : round(y + h), round(x) : round(x + w)] = 255
    return mask


def delogo(frame, mask, path):
    """Returns FFmpeg's fill of the hole's bounding rectangle, put into the hole."""
    x, y, w, h = cv2.boundingRect(mask)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", path, "-vf", "format=gbrp,"
         f"delogo=x={x}:y={y}:w={w}:h={h}", path.with_suffix(".delogo.png")],
        check=True,
    )
    return np.where(mask[..., None] > 0, cv2.imread(path.with_suffix(".delogo.png")), frame)


OTHERS = {
    "Telea": lambda frame, mask, path: cv2.inpaint(frame, mask, 5, cv2.INPAINT_TELEA),
    "Navier-Stokes": lambda frame, mask, path: cv2.inpaint(frame, mask, 5, cv2.INPAINT_NS),
    "delogo": delogo,
}


def prepare(folder, truth, mask, frames):
    """Writes the frames of a case, the hole painted red; nothing if it is there."""
    if folder.exists():
        return
    folder.mkdir(parents=True)
    for i in range(frames):
        frame = truth
        if frames > 1:
            noise = np.random.default_rng(i).normal(0, SIGMA, truth.shape)
            frame = np.clip(np.rint(truth + noise), 0, 255).astype(np.uint8)
        frame = frame.copy()
        frame[mask > 0] = (0, 0, 255)
        cv2.imwrite(folder / f"{i}.png", frame)
        for name, fill in OTHERS.items():
            (folder / name).mkdir(exist_ok=True)
            filled = fill(frame, mask, folder / f"{i}.png")
            cv2.imwrite(folder / name / f"{i}.png", filled)
    cv2.imwrite(folder / "truth.png", truth)
    cv2.imwrite(folder / "mask.png", mask)


def energy(image, where):
    """Returns the mean squared gradient of the luma."""
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
    x, y = np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1]
    return float((x * x + y * y)[where[:-1, :-1]].mean()) + 1


def measures(filled, truth, mask):
    x, y, w, h = cv2.boundingRect(mask)
    area = np.s_[max(y - 24, 0) : y + h + 24, max(x - 24, 0) : x + w + 24]
    filled, truth, mask = filled[area], truth[area], mask[area]
    inside = mask > 0
    square = np.ones((3, 3), np.uint8)
    near = cv2.dilate(mask, square, iterations=8) > 0
    ring = (cv2.dilate(mask, square, iterations=17) > 0) & ~(cv2.dilate(mask, square) > 0)
    core = cv2.erode(mask, square, borderValue=255) > 0
    error = np.mean((filled[inside].astype(float) - truth[inside]) ** 2)
    _, ssim = structural_similarity(filled, truth, channel_axis=2, full=True, data_range=255)
    around = energy(truth, ring)
    sharp, right = energy(filled, core) / around, energy(truth, core) / around
    psnr = 10 * np.log10(255**2 / max(error, 1e-9))
    return psnr, ssim[near].mean(), np.log2(sharp), abs(np.log2(sharp / right))


def main():
    root = Path(sys.argv[1]).resolve()
    engines = dict(argument.split("=", 1) for argument in sys.argv[2:])
    cases = []
    for photo in PHOTOGRAPHS.split():
        truth = photograph(photo)
        for share in SHARES:
            for shape in SHAPES:
                mask = hole(shape, share, *truth.shape[:2])
                for frames in (1, NOISY) if share == 5 else (1,):
                    folder = root / f"{photo.split('.')[0]}-{share}-{shape}{'-noisy' * (frames > 1)}"
                    prepare(folder, truth, mask, frames)
                    cases.append((folder, share, frames))
    for name, engine in engines.items():
        subprocess.run([engine, name, *(str(c[0]) for c in cases)], check=True, stdout=subprocess.PIPE)
    rows = {}
    for folder, share, frames in cases:
        truth, mask = cv2.imread(folder / "truth.png"), cv2.imread(folder / "mask.png", 0)
        for name in [*OTHERS, *engines]:
            fills = [cv2.imread(folder / name / f"{i}.png") for i in range(frames)]
            if frames == 1:
                rows.setdefault((share, name), []).append((folder.name, *measures(fills[0], truth, mask)))
            else:
                inside = mask > 0
                changes = [
                    cv2.absdiff(a, b)[inside].mean() for a, b in zip(fills, fills[1:])
                ]
                rows.setdefault(("flicker", name), []).append(np.mean(changes))
    print("| hole | fill | PSNR | SSIM | sharpness | off | flicker |\n|---|---|---|---|---|---|---|")
    for share in SHARES:
        for name in [*OTHERS, *engines]:
            values = np.array([row[1:] for row in rows[share, name]])
            psnr, ssim, sharp, off = values.mean(axis=0)
            flicker = f"{np.mean(rows['flicker', name]):.2f}" if share == 5 else ""
            print(f"| {share} % | {name} | {psnr:.2f} dB | {ssim:.4f} | {2**sharp:.2f} | {off:.2f} | {flicker} |")
    with open(root / "cases.txt", "w") as out:
        for (share, name), values in rows.items():
            if share != "flicker":
                for case, *numbers in values:
                    print(f"{case:28} {name:14}", *(f"{n:8.3f}" for n in numbers), file=out)


main()
