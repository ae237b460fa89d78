#!/usr/bin/env python3
"""Seconds and bytes of a training step in PyTorch: the networks of compare_pytorch.py with random weights,
the losses of the official training, and Adam. Values mean nothing, times and peaks do.

    python3 benches/training/pytorch.py flow-completion|generator --size 128x128 --local 10
        [--references 6] [--clips 1] [--at-once 1] [--recompute] [--precision fp32|bf16]
        [--steps 3] [--threads N]

Prints one line of JSON: seconds of wall and of CPU time a step, and the most memory of the process.
"""

import argparse
import json
import pathlib
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from compare_pytorch import Completion, Generator, conv, warp


class EdgeHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = conv(2, 16, slope=0.2), conv(16, 16, slope=0.2)
        self.third, self.last = conv(16, 16), conv(16, 1, 1, padding=0)

    def forward(self, x):
        x = self.first(x)
        return torch.sigmoid(self.last(F.leaky_relu(x + self.third(self.second(x)), 0.01)))


def l1(a, b, weights):
    return (a * weights - b * weights).abs().mean() / weights.mean()


def shifted(x, down, right):
    height, width = x.shape[2:]
    return F.pad(x, (1, 1, 1, 1))[:, :, 1 + down : 1 + down + height, 1 + right : 1 + right + width]


def smoothness(flow, hole):
    penalty = lambda x: (x * x + 1e-6) ** 0.45
    lines = [(0, 1), (1, 0), (1, 1), (1, -1)]
    first = sum((penalty(flow - shifted(flow, *line)) * hole).sum() for line in lines[:2])
    ends = lambda y, x: shifted(flow, -y, -x) + shifted(flow, y, x)
    second = sum((penalty(ends(*line) - 2 * flow) * hole).sum() for line in lines)
    return first / hole.numel() / 2 + second / hole.numel() / 4


def census(current, other, truth, combined, hole):
    error = (current - warp(other, truth)).abs().sum(1, keepdim=True)
    grey = lambda x: 255 * (0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.11 * x[:, 2:])
    sign = lambda d: d / torch.sqrt(0.81 + d * d)
    a, b, distance = grey(current), grey(warp(other, combined)), 0
    for place in (0, 1, 2, 3, 5, 6, 7, 8):
        near = lambda x: sign(shifted(x, place // 3 - 1, place % 3 - 1) - x)
        e = near(a) - near(b)
        distance = distance + e * e / (0.1 + e * e)
    return (distance * torch.exp(-50 * error**2) * hole).mean() / hole.mean()


def edge(predicted, truth):
    share = truth.mean((2, 3), keepdim=True)
    weight = truth * (1 - share) + (1 - truth) * share
    return F.binary_cross_entropy_with_logits(predicted, truth, weight)


def flow_loss(predicted, edges, truth, true_edges, hole, current, other):
    combined = predicted * hole + truth * (1 - hole)
    flow = l1(predicted, truth, hole) + l1(predicted, truth, 1 - hole) + smoothness(combined, hole)
    edge_loss = edge(edges, true_edges)
    edge_loss = edge_loss + 5 * edge(edges * hole + true_edges * (1 - hole), true_edges)
    return 0.25 * flow + 0.01 * census(current, other, truth, combined, hole) + edge_loss


class Recomputed(nn.Module):
    """A module that is computed again in the backward pass."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        return checkpoint(self.module, *inputs, use_reentrant=False)


def recompute(module):
    """Computes a network's larger parts again, about those that our --recompute does."""
    for name, part in list(module.named_children()):
        if isinstance(part, nn.ModuleList):
            setattr(module, name, nn.ModuleList(Recomputed(each) for each in part))
        elif isinstance(part, nn.Sequential):
            setattr(module, name, Recomputed(part))


class FlowCompletionTraining:
    def __init__(self, options):
        self.options = options
        self.network, self.head = Completion(), EdgeHead()
        if options.recompute:
            recompute(self.network)
            self.head = Recomputed(self.head)
        parameters = [*self.network.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.Adam(parameters, 5e-5, (0.0, 0.99))

    def clip(self):
        width, height = self.options.size
        local = self.options.local
        flows = torch.rand(2, local - 1, 2, height, width) * 6 - 3
        frames = torch.rand(local, 3, height, width) * 2 - 1
        holes = torch.zeros(local, 1, height, width)
        holes[:, :, height // 4 : height // 2, width // 4 : width // 2] = 1
        return flows, frames, holes

    def loss(self, clips):
        total = 0
        for flows, frames, holes in clips:
            for way, truth in enumerate(flows):
                at = lambda x, start: x[start : len(x) - 1 + start]
                hole = at(holes, way)
                given = torch.cat((truth * (1 - hole), hole), 1)
                given = given.flip(0) if way else given
                with self.options.autocast():
                    predicted = self.network(given).float()
                    predicted = predicted.flip(0) if way else predicted
                    edges = self.head(predicted).float()
                frames_of = at(frames, way), at(frames, 1 - way)
                true_edges = (truth[:, :1] > 2.5).float()
                total = total + flow_loss(predicted, edges, truth, true_edges, hole, *frames_of)
        return total / len(clips)

    def step(self):
        self.optimizer.zero_grad()
        parts = self.options.clips // self.options.at_once
        for _ in range(parts):
            clips = [self.clip() for _ in range(self.options.at_once)]
            (self.loss(clips) / parts).backward()
        self.optimizer.step()


def discriminator():
    layers, channels = [], [3, 32, 64, 128, 128, 128]
    for index, (inputs, outputs) in enumerate(zip(channels, channels[1:])):
        padding = (1, 1, 1) if index == 0 else (1, 2, 2)
        layer = nn.Conv3d(inputs, outputs, (3, 5, 5), (1, 2, 2), padding, bias=False)
        layers += [nn.utils.spectral_norm(layer), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv3d(128, 128, (3, 5, 5), (1, 2, 2), (1, 2, 2)))


class GeneratorTraining:
    def __init__(self, options):
        self.options = options
        self.completion = Completion().eval()
        self.network, self.judge = Generator(), discriminator()
        if options.recompute:
            recompute(self.network)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), 1e-4, (0.0, 0.99))
            for network in (self.network, self.judge)
        ]

    def forward(self, frames, holes, flows):
        local = self.options.local
        with torch.no_grad():
            for way in range(2):
                hole = holes[way : local - 1 + way]
                given = torch.cat((flows[way] * (1 - hole), hole), 1)
                flows[way] = flows[way] * (1 - hole) + self.completion(given) * hole
            for way in range(2):  # image propagation, about
                for t in range(local - 1):
                    warp(frames[t, None], flows[way][t, None])
                    warp(holes[t, None], flows[1 - way][t, None])
            quarter = [F.interpolate(x, scale_factor=0.25, mode="bilinear") / 4 for x in flows]
            masks = holes[:, :, ::4, ::4].repeat(1, 2, 1, 1)[:local]
            given = torch.cat((frames * (1 - holes), holes, holes), 1)
        with self.options.autocast():
            features = self.network.encode(given)
            quarter = [flow.to(features.dtype) for flow in quarter]
            return self.network(features, quarter, masks, local, len(frames)).float()

    def step(self):
        width, height = self.options.size
        count = self.options.local + self.options.references
        parts, videos = self.options.clips // self.options.at_once, []
        self.optimizers[0].zero_grad()
        for parameter in self.judge.parameters():
            parameter.requires_grad = False
        for _ in range(parts):
            losses = 0
            for _ in range(self.options.at_once):
                frames = torch.rand(count, 3, height, width) * 2 - 1
                flows = [torch.rand(self.options.local - 1, 2, height, width) * 6 - 3 for _ in range(2)]
                holes = torch.zeros(count, 1, height, width)
                holes[:, :, height // 4 : height // 2, width // 4 : width // 2] = 1
                out = self.forward(frames, holes, flows)
                composed = frames * (1 - holes) + out * holes
                score = self.judge(composed.transpose(0, 1)[None]).mean()
                losses = losses + l1(out, frames, holes) + l1(out, frames, 1 - holes) - 0.01 * score
                videos.append((frames, composed.detach()))
            (losses / self.options.clips).backward()
        self.optimizers[0].step()
        for parameter in self.judge.parameters():
            parameter.requires_grad = True
        self.optimizers[1].zero_grad()
        for real, made in videos:
            score = lambda video: self.judge(video.transpose(0, 1)[None])
            loss = F.relu(1 - score(real)).mean() + F.relu(1 + score(made)).mean()
            (loss / 2 / self.options.clips).backward()
        self.optimizers[1].step()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", choices=["flow-completion", "generator"])
    parser.add_argument("--size", default="128x128")
    parser.add_argument("--local", type=int, default=10)
    parser.add_argument("--references", type=int, default=0)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    options.size = [int(side) for side in options.size.split("x")]
    half = options.precision == "bf16"
    options.autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=half)
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    kind = FlowCompletionTraining if options.training == "flow-completion" else GeneratorTraining
    training = kind(options)
    training.step()  # a warm-up
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(options.steps):
        training.step()
    result = {
        "wall": (time.perf_counter() - wall) / options.steps,
        "cpu": (time.process_time() - cpu) / options.steps,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
