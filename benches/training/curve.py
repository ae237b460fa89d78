#!/usr/bin/env python3
"""Writes what a run of `propainter train` learned as a table and as a picture.

    python3 benches/training/curve.py RUN[,RUN...] NAME loss|validation VALUE...

Reads RUN/log.jsonl, of runs that each began where the one before ended; writes NAME.csv and NAME.png (PNG, with Pillow) of these losses or measures of the
validation, such as `validation flow_error_hole flow_error_membrane`. Losses are means of ten lines of the log.
"""

import csv
import json
import pathlib
import sys

from PIL import Image, ImageDraw

WIDTH, HEIGHT, EDGE = 640, 360, 40
COLOURS = ["#c0392b", "#2c3e50", "#27ae60", "#8e44ad"]


def lines_of(runs):
    """Returns the lines of the logs, with steps that count on from one run to the next."""
    lines, before = [], 0
    for run in runs:
        log = (pathlib.Path(run) / "log.jsonl").read_text().splitlines()
        read = [json.loads(line) for line in log]
        lines += [{**line, "step": line["step"] + before} for line in read]
        before = lines[-1]["step"]
    return lines


def rows(lines, kind, names):
    """Returns (step, values) of each line that counts."""
    key = "validation" if kind == "validation" else "losses"
    found = [(line["step"], [line[key][name] for name in names]) for line in lines if key in line]
    if kind == "validation":
        return found
    groups = [found[i : i + 10] for i in range(0, len(found), 10)]
    mean = lambda group: [sum(column) / len(group) for column in zip(*(v for _, v in group))]
    return [(group[-1][0], mean(group)) for group in groups]


def main():
    """Writes both files."""
    runs, name, kind, *names = sys.argv[1:]
    found = rows(lines_of(runs.split(",")), kind, names)
    with open(f"{name}.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["step", *names])
        writer.writerows([step, *(f"{value:.4f}" for value in values)] for step, values in found)
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    last, top = found[-1][0], max(max(values) for _, values in found) * 1.05
    across = lambda step: EDGE + (WIDTH - 2 * EDGE) * step / last
    down = lambda value: HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top
    draw.line([(EDGE, EDGE), (EDGE, HEIGHT - EDGE), (WIDTH - EDGE, HEIGHT - EDGE)], fill="black")
    for part in range(5):
        draw.text((4, down(top * part / 4) - 6), f"{top * part / 4:.2f}", fill="black")
        draw.text((across(last * part / 4) - 8, HEIGHT - EDGE + 6), f"{last * part // 4}", fill="black")
    for index, (name_of, colour) in enumerate(zip(names, COLOURS)):
        draw.line([(across(step), down(values[index])) for step, values in found], fill=colour, width=2)
        draw.text((WIDTH - 220, 8 + 14 * index), name_of, fill=colour)
    image.quantize(16).save(f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
