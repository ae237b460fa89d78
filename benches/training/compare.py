#!/usr/bin/env python3
"""Seconds and bytes of a training step of `propainter train` beside PyTorch's, one after the other.

    python3 benches/training/compare.py --program target/release/propainter --scenes FOLDER
        --python python3 --weights WEIGHTS [--sizes 128x128,216x120] [--only "as it is,recomputed"]
        [--trainings flow-completion,generator] [--steps 4] [--rounds 2]

FOLDER is what scenes.py wrote; WEIGHTS has the checkpoints of RAFT and of flow completion, of any values,
for the generator. `--python` has PyTorch and torchvision. Both begin with one
step that does not count; ours is the difference between a run of 1 + STEPS steps and one of 1. Both have one
thread to compute with, so that CPU time is what a step takes on an idle machine, whatever else runs. The rounds
alternate between the two; the table has the medians.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
# One thread to compute with.
ALONE = {**os.environ, "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
ROWS = [
    ("as it is", [], []),
    ("recomputed", ["--recompute"], ["--recompute"]),
    ("2 clips at once", ["--batch", "2", "--at-once", "2"], ["--clips", "2", "--at-once", "2"]),
    ("2 clips, accumulated", ["--batch", "2", "--at-once", "1"], ["--clips", "2", "--at-once", "1"]),
    ("bf16", ["--precision", "bf16"], ["--precision", "bf16"]),
    ("fp16", ["--precision", "fp16"], None),
]


def run(command):
    """Runs a command; returns wall seconds, CPU seconds and the peak of its memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ALONE)
    message = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}: {message.decode()}")
    wall = time.perf_counter() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours(options, training, size, frames, more):
    """Measures `propainter train`."""
    found = []
    for steps in (1, 1 + options.steps):
        with tempfile.TemporaryDirectory() as folder:
            command = [options.program, "train", training, "--data", options.scenes / "scenes"]
            command += ["--flows", options.scenes / "flows", "--out", pathlib.Path(folder) / "run"]
            command += ["--size", size, "--local", str(frames[0]), "--steps", str(steps), "--quiet"]
            command += ["--validation", "0%", "--sample-every", "0", "--threads", "1", "--device", "cpu"]
            if "--batch" not in more:
                command += ["--batch", "1"]
            if training == "generator":
                command += ["--weights", options.weights, "--references", str(frames[1])]
            found.append(run(command + more))
    (wall, cpu, _), (longer, more_cpu, peak) = found
    return (longer - wall) / options.steps, (more_cpu - cpu) / options.steps, peak


def theirs(options, training, size, frames, more):
    """Measures PyTorch."""
    command = [options.python, HERE / "pytorch.py", training, "--size", size]
    command += ["--local", str(frames[0]), "--references", str(frames[1])]
    command += ["--steps", str(options.steps), *more]
    done = subprocess.run(command, check=True, capture_output=True, env=ALONE)
    result = json.loads(done.stdout)
    return result["wall"], result["cpu"], result["peak_mib"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default="target/release/propainter")
    parser.add_argument("--scenes", type=pathlib.Path, required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--sizes", default="128x128,216x120")
    parser.add_argument("--only", help="rows to measure, joined by commas")
    parser.add_argument("--trainings", default="flow-completion,generator")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    frames_of = {"flow-completion": (10, 0), "generator": (6, 2)}
    trainings = [(name, frames_of[name]) for name in options.trainings.split(",")]
    print("| training | size | | s/step | CPU s/step | peak MiB | PyTorch: s | CPU s | MiB | CPU ratio |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for training, frames in trainings:
        for size in options.sizes.split(","):
            for name, our_options, their_options in ROWS:
                if options.only and name not in options.only.split(","):
                    continue
                found = [[], []]
                for _ in range(options.rounds):
                    found[0].append(ours(options, training, size, frames, our_options))
                    if their_options is not None:
                        found[1].append(theirs(options, training, size, frames, their_options))
                medians = [[statistics.median(values) for values in zip(*side)] for side in found]
                cells = [training, size, name]
                for side in medians:
                    wall, cpu, peak = side or [None] * 3
                    cells += [f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}"] if side else ["", "", ""]
                pairs = [theirs[1] / ours[1] for ours, theirs in zip(*found)]
                cells.append(f"{statistics.median(pairs):.2f}" if pairs else "")
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
