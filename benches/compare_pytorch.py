#!/usr/bin/env python3
"""Seconds per frame that PyTorch takes for the work of ProPainter's three networks.

The networks' structure is written down in their layers' shapes, with random weights and plain
PyTorch operations; values mean nothing, times do. It does the work that `make bench` does:
RAFT's encoders once per frame, its mask head once per pair.

    pip install torch torchvision
    python benches/compare_pytorch.py
    python benches/compare_pytorch.py --device cuda --half --width 1280 --height 720

On a card the peak of allocated memory is printed, too; RAFT stays in 32 bits, as in the official
script.

`cargo run --release -p propainter-tests --example kernels -- python` compares single layers.
"""

import argparse
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

try:
    from torchvision.ops import deform_conv2d
except ImportError:
    deform_conv2d = None


def conv(inputs, outputs, kernel=3, stride=1, padding=1, slope=None, **more):
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, **more)
    if slope is None:
        return layer
    return nn.Sequential(layer, nn.ReLU(True) if slope == 0 else nn.LeakyReLU(slope, True))


def double(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def warp(x, flow):
    height, width = x.shape[2:]
    y, x_axis = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    grid = torch.stack((x_axis, y), -1) + flow.permute(0, 2, 3, 1)
    grid = 2 * grid / torch.tensor([width - 1, height - 1]) - 1
    return F.grid_sample(x, grid, align_corners=True)


def consistency(forward, backward):
    warped = warp(backward, forward)
    square = lambda f: (f * f).sum(1, keepdim=True)
    return (square(forward + warped) < 0.01 * (square(forward) + square(warped)) + 0.5).float()


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride, norm):
        super().__init__()
        self.one = nn.Sequential(conv(inputs, outputs, stride=stride), norm(outputs), nn.ReLU(True))
        self.two = nn.Sequential(conv(outputs, outputs), norm(outputs), nn.ReLU(True))
        self.skip = nn.Identity()
        if stride > 1:
            self.skip = nn.Sequential(conv(inputs, outputs, 1, stride, 0), norm(outputs))

    def forward(self, x):
        return F.relu(self.skip(x) + self.two(self.one(x)))


def raft_encoder(norm):
    layers = [conv(3, 64, 7, 2, 3), norm(64), nn.ReLU(True)]
    for inputs, outputs, stride in [(64, 64, 1), (64, 96, 2), (96, 128, 2)]:
        layers += [Residual(inputs, outputs, stride, norm), Residual(outputs, outputs, 1, norm)]
    return nn.Sequential(*layers, conv(128, 256, 1, 1, 0))


class Raft(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = raft_encoder(nn.InstanceNorm2d)
        self.context = raft_encoder(nn.BatchNorm2d)
        self.c1, self.c2 = conv(324, 256, 1, padding=0), conv(256, 192)
        self.f1, self.f2 = conv(2, 128, 7, padding=3), conv(128, 64)
        self.motion = conv(256, 126)
        gru = lambda kernel, padding: nn.ModuleList(
            conv(384, 128, kernel, padding=padding) for _ in range(3)
        )
        self.gru = nn.ModuleList([gru((1, 5), (0, 2)), gru((5, 1), (2, 0))])
        self.flow = nn.Sequential(conv(128, 256, slope=0), conv(256, 2))
        self.mask = nn.Sequential(conv(128, 256, slope=0), conv(256, 576, 1, padding=0))

    def pair(self, first, second, context, iterations):
        _, channels, height, width = first.shape
        volume = first.flatten(2).transpose(1, 2) @ second.flatten(2) / channels**0.5
        pyramid = [volume.reshape(-1, 1, height, width)]
        for _ in range(3):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        hidden, inputs = torch.tanh(context[:, :128]), torch.relu(context[:, 128:])
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        start = torch.stack((x, y)).float()[None]
        coordinates = start.clone()
        steps = torch.arange(-4.0, 5.0)
        delta = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), -1)[None]
        for _ in range(iterations):
            place = coordinates.permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
            samples = []
            for level, plane in enumerate(pyramid):
                size = torch.tensor([plane.shape[3] - 1, plane.shape[2] - 1])
                grid = 2 * (place / 2**level + delta) / size - 1
                sample = F.grid_sample(plane, grid, align_corners=True)
                samples.append(sample.reshape(1, height, width, 81).permute(0, 3, 1, 2))
            flow = coordinates - start
            c = F.relu(self.c2(F.relu(self.c1(torch.cat(samples, 1)))))
            f = F.relu(self.f2(F.relu(self.f1(flow))))
            motion = torch.cat((F.relu(self.motion(torch.cat((c, f), 1))), flow), 1)
            x = torch.cat((inputs, motion), 1)
            for z, r, q in self.gru:
                both = torch.cat((hidden, x), 1)
                update, reset = torch.sigmoid(z(both)), torch.sigmoid(r(both))
                new = torch.tanh(q(torch.cat((reset * hidden, x), 1)))
                hidden = (1 - update) * hidden + update * new
            # Small, so that random weights don't leave the picture.
            coordinates = coordinates + 0.1 * torch.tanh(self.flow(hidden))
        mask = (0.25 * self.mask(hidden)).reshape(1, 1, 9, 8, 8, height, width).softmax(2)
        near = F.unfold(8 * (coordinates - start), 3, padding=1)
        fine = (mask * near.reshape(1, 2, 9, 1, 1, height, width)).sum(2)
        return fine.permute(0, 1, 4, 2, 5, 3).reshape(1, 2, 8 * height, 8 * width)


class Align(nn.Module):
    """Offsets from a condition, then a modulated deformable convolution of 16 groups."""

    def __init__(self, inputs, condition, limit):
        super().__init__()
        self.offsets = nn.Sequential(
            conv(condition, 128, slope=0.1),
            conv(128, 128, slope=0.1),
            conv(128, 128, slope=0.1),
            conv(128, 432),
        )
        self.weight = nn.Parameter(torch.randn(128, inputs, 3, 3) * 0.02)
        self.bias = nn.Parameter(torch.zeros(128))
        self.limit = limit

    def forward(self, x, condition, flow=None):
        one, two, modulation = self.offsets(condition).chunk(3, 1)
        offset = self.limit * torch.tanh(torch.cat((one, two), 1))
        if flow is not None:
            offset = offset + flow.flip(1).repeat(1, 144, 1, 1)
        modulation = torch.sigmoid(modulation)
        if deform_conv2d is not None:
            return deform_conv2d(x, offset, self.weight, self.bias, padding=1, mask=modulation)
        return self.by_samples(x, offset, modulation)

    def by_samples(self, x, offset, modulation):
        batch, channels, height, width = x.shape
        groups = x.reshape(batch * 16, channels // 16, height, width)
        offset = offset.reshape(batch * 16, 9, 2, height, width)
        modulation = modulation.reshape(batch * 16, 9, 1, height, width)
        columns = []
        for tap in range(9):
            shift = torch.tensor([tap % 3 - 1.0, tap // 3 - 1.0]).reshape(1, 2, 1, 1)
            sample = warp(groups, offset[:, tap].flip(1) + shift)
            columns.append(sample * modulation[:, tap])
        columns = torch.stack(columns, 2).reshape(batch, channels * 9, height * width)
        out = self.weight.reshape(128, -1) @ columns + self.bias[:, None]
        return out.reshape(batch, 128, height, width)


class P3d(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.space = nn.Conv3d(inputs, outputs, (1, 3, 3), (1, stride, stride), (0, 1, 1))
        self.time = nn.Conv3d(outputs, outputs, (3, 1, 1), 1, (2, 0, 0), (2, 1, 1))

    def forward(self, x):
        return self.time(F.leaky_relu_(self.space(x), 0.2))


class Completion(nn.Module):
    def __init__(self):
        super().__init__()
        act = nn.LeakyReLU(0.2, True)
        self.down = nn.Conv3d(3, 32, (1, 5, 5), (1, 2, 2))
        self.one = nn.Sequential(P3d(32, 32, 1), act, P3d(32, 64, 2), act)
        self.two = nn.Sequential(P3d(64, 64, 1), act, P3d(64, 128, 2), act)
        mid = []
        for d in (3, 2, 1):
            mid += [nn.Conv3d(128, 128, (1, 3, 3), 1, (0, d, d), (1, d, d)), act]
        self.mid = nn.Sequential(*mid)
        self.align = nn.ModuleList(Align(256, 384, 5) for _ in range(2))
        self.backbone = nn.ModuleList(
            nn.Sequential(conv(inputs, 128, slope=0.1), conv(128, 128)) for inputs in (256, 384)
        )
        self.fusion = conv(256, 128, 1, padding=0)
        self.decode_two = nn.ModuleList([conv(128, 128, slope=0.2), conv(128, 64, slope=0.2)])
        self.decode_one = nn.ModuleList([conv(64, 64, slope=0.2), conv(64, 32, slope=0.2)])
        self.up = nn.ModuleList([conv(32, 32, slope=0.2), conv(32, 2)])

    def propagate(self, x):
        states = [None, None]
        frames = [frame[None] for frame in x]
        for way in range(2):
            order = range(len(frames))
            state, before, kept = torch.zeros_like(frames[0]), None, {}
            for n, t in enumerate(reversed(order) if way == 0 else order):
                current = frames[t]
                if n > 0:
                    second = before if before is not None else torch.zeros_like(state)
                    condition = torch.cat((state, current, second), 1)
                    aligned = self.align[way](torch.cat((state, second), 1), condition)
                    before, state = state, aligned
                parts = [current] + ([states[0][t]] if way else []) + [state]
                state = state + self.backbone[way](torch.cat(parts, 1))
                kept[t] = state
            states[way] = kept
        both = [torch.cat((states[0][t], states[1][t]), 1) for t in range(len(frames))]
        return self.fusion(torch.cat(both)) + x

    def forward(self, flows):
        x = F.pad(flows.transpose(0, 1)[None], (2, 2, 2, 2, 0, 0), mode="replicate")
        e1 = self.one(F.leaky_relu_(self.down(x), 0.2))
        x = self.mid(self.two(e1))
        planes = lambda v: v[0].transpose(0, 1).contiguous()
        x = self.propagate(planes(x))
        x = self.decode_two[1](double(self.decode_two[0](x))) + planes(e1)
        x = self.decode_one[1](double(self.decode_one[0](x)))
        return self.up[1](double(self.up[0](x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(512), nn.LayerNorm(512)
        self.q, self.k, self.v, self.proj = (nn.Linear(512, 512) for _ in range(4))
        self.pool = nn.Conv2d(512, 512, 4, 4, groups=512)
        self.fc1, self.fc2 = nn.Linear(512, 1960), nn.Linear(1960, 512)
        shifts = [((-3, -5), 2, 4, 1, 1), ((-3, 5), 2, 5, 1, -1)]
        shifts += [((3, -5), 3, 4, -1, 1), ((3, 5), 3, 5, -1, -1)]
        row, column = torch.meshgrid(torch.arange(5), torch.arange(9), indexing="ij")
        self.rolls = []
        for shift, r, c, sr, sc in shifts:
            keep = (row >= r if sr > 0 else row < r) | (column >= c if sc > 0 else column < c)
            self.rolls.append((shift, keep.flatten().nonzero()[:, 0]))

    @staticmethod
    def windows(x):
        t, h, w, c = x.shape
        x = x.reshape(t, h // 5, 5, w // 9, 9, c).permute(1, 3, 0, 2, 4, 5)
        return x.reshape(-1, t, 45, c)  # [windows, frames, tokens, features]

    @staticmethod
    def heads(x):
        n, t, s, _ = x.shape
        return x.reshape(n, t, s, 4, 128).permute(0, 3, 1, 2, 4)  # [windows, 4, T, tokens, 128]

    def attention(self, x, masked, frames):
        t, h, w, _ = x.shape
        x = F.pad(x, (0, 0, 0, -w % 9, 0, -h % 5))
        q, k, v = self.q(x), self.k(x), self.v(x)
        pooled = self.pool(x.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
        count = q.shape[1] // 5 * (q.shape[2] // 9)
        memory = []
        for own, layer in ((k, self.k), (v, self.v)):
            own = own[frames]
            parts = [self.windows(own)[masked]]
            for shift, keep in self.rolls:
                rolled = self.windows(torch.roll(own, shift, (1, 2)))[masked]
                parts.append(rolled[:, :, keep])
            far = layer(pooled[frames])[None].expand(int(masked.sum()), -1, -1, -1)
            memory.append(self.heads(torch.cat((*parts, far), 2)).flatten(2, 3))
        q, k, v = (self.heads(self.windows(y)) for y in (q, k, v))
        out = torch.empty_like(q)
        if masked.any():
            far = F.scaled_dot_product_attention(q[masked].flatten(2, 3), *memory)
            out[masked] = far.reshape(-1, 4, t, 45, 128)
        if not masked.all():
            near = ~masked
            out[near] = F.scaled_dot_product_attention(q[near], k[near], v[near])
        out = out.permute(0, 2, 3, 1, 4).reshape(count, t, 5, 9, 512)
        out = out.reshape(x.shape[1] // 5, x.shape[2] // 9, t, 5, 9, 512)
        out = out.permute(2, 0, 3, 1, 4, 5).reshape(t, x.shape[1], x.shape[2], 512)
        return self.proj(out[:, :h, :w])

    def feed(self, x, size):
        t, h, w, _ = x.shape
        columns = self.fc1(x).reshape(t, h * w, 1960).transpose(1, 2)
        one = torch.ones(1, 49, h * w)
        count = F.fold(one, size, 7, padding=3, stride=3)
        picture = F.fold(columns, size, 7, padding=3, stride=3) / count
        columns = F.unfold(picture, 7, padding=3, stride=3).transpose(1, 2)
        return self.fc2(F.gelu(columns)).reshape(t, h, w, 512)

    def forward(self, x, masked, frames, size):
        x = x + self.attention(self.norm1(x), masked, frames)
        return x + self.feed(self.norm2(x), size)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        shapes = [(5, 64, 2, 1), (64, 64, 1, 1), (64, 128, 2, 1), (128, 256, 1, 1)]
        shapes += [(256, 384, 1, 1), (640, 512, 1, 2), (768, 384, 1, 4), (640, 256, 1, 8)]
        shapes += [(512, 128, 1, 1)]
        self.encoder = nn.ModuleList(
            conv(i, o, stride=s, groups=g, slope=0.2) for i, o, s, g in shapes
        )
        self.align = nn.ModuleList(Align(128, 261, 3) for _ in range(2))
        pair = lambda inputs: nn.Sequential(conv(inputs, 128, slope=0.2), conv(128, 128))
        self.backbone = nn.ModuleList(pair(258) for _ in range(2))
        self.fuse = pair(258)
        self.split, self.compose = nn.Linear(6272, 512), nn.Linear(512, 6272)
        self.blocks = nn.ModuleList(Block() for _ in range(8))
        self.bias = conv(128, 128)
        self.decoder = nn.ModuleList(
            [conv(128, 128, slope=0.2), conv(128, 64, slope=0.2), conv(64, 64, slope=0.2)]
        )
        self.last = conv(64, 3)

    def encode(self, x):
        groups = {5: 2, 6: 4, 7: 8, 8: 1}
        for index, layer in enumerate(self.encoder):
            if index == 4:
                first = x
            if index in groups:
                g, (b, _, h, w) = groups[index], x.shape
                parts = [y.reshape(b, g, -1, h, w) for y in (first, x)]
                x = torch.cat(parts, 2).reshape(b, -1, h, w)
            x = layer(x)
        return x

    def propagate(self, x, flows, masks):
        frames, ways = [frame[None] for frame in x], []
        for way in range(2):
            order = list(range(len(frames)))
            kept, state = {}, None
            for n, t in enumerate(reversed(order) if way == 0 else order):
                current = frames[t]
                if n == 0:
                    state = current
                else:
                    index = t if way == 0 else t - 1
                    flow, check = flows[way][index, None], flows[1 - way][index, None]
                    valid = consistency(flow, check)
                    moved = warp(state, flow)
                    condition = torch.cat((current, moved, flow, valid, masks[t, None]), 1)
                    state = self.align[way](state, condition, flow)
                feat = torch.cat((current, state, masks[t, None]), 1)
                state = state + self.backbone[way](feat)
                kept[t] = state
            frames = [kept[t] for t in order]
            ways.append(torch.cat(frames))
        return self.fuse(torch.cat((*ways, masks), 1)) + x

    def forward(self, features, flows, masks, local, decoded=None):
        size = features.shape[2:]
        features = torch.cat((self.propagate(features[:local], flows, masks), features[local:]))
        tokens = F.unfold(features, 7, padding=3, stride=3).transpose(1, 2)
        t, h, w = len(features), (size[0] - 1) // 3 + 1, (size[1] - 1) // 3 + 1
        x = self.split(tokens).reshape(t, h, w, 512)
        hole = F.max_pool2d(masks[:, :1].amax(0)[None], 7, 3, 3)
        hole = F.pad(hole, (0, -w % 9, 0, -h % 5))
        masked = F.max_pool2d(hole, (5, 9)).flatten() > 0
        for index, block in enumerate(self.blocks):
            x = block(x, masked, torch.arange(index % 2, t, 2), size)
        columns = self.compose(x).reshape(t, h * w, 6272).transpose(1, 2)
        x = features + self.bias(F.fold(columns, size, 7, padding=3, stride=3))
        x = self.decoder[1](self.decoder[0](double(x[: decoded or local])))
        return torch.tanh(self.last(self.decoder[2](double(x))))


def stages(options):
    """Seconds per frame of each stage: the stages of `make bench`, on the same shapes."""
    height, width, count = options.height, options.width, options.frames
    frames = torch.rand(count, 3, height, width) * 2 - 1
    seconds = {}
    on_card = options.device != "cpu"

    def timed(name, per, work):
        if on_card:
            torch.cuda.reset_peak_memory_stats()
        start = options.clock()
        out = work()
        if on_card:
            torch.cuda.synchronize()
        seconds[name] = (options.clock() - start) / per
        if on_card:
            peak = torch.cuda.max_memory_allocated() / 1e6
            print(f"{name:32} {peak:9.0f} MB", file=sys.stderr)
        return out

    raft = Raft().eval()
    encode = lambda frame: (raft.features(frame[None]), raft.context(frame[None]))
    encode(frames[0])  # a warm-up
    encoded = timed("RAFT, features and context", count, lambda: [encode(f) for f in frames])

    def pair(t):
        (f1, c1), (f2, c2) = encoded[t : t + 2]
        first, second = torch.cat((f1, f2)), torch.cat((f2, f1))
        return [
            raft.pair(first[i, None], second[i, None], c, options.iterations)
            for i, c in enumerate((c1, c2))
        ]

    timed(
        f"RAFT, {options.iterations} iterations both ways",
        count - 1,
        lambda: [pair(t) for t in range(count - 1)],
    )
    # RAFT has what it needs; the rest may be in 16 bits.
    if options.half:
        torch.set_default_dtype(torch.half)
    completion = Completion().eval()
    flows = torch.randn(2, count - 1, 3, height, width)
    timed("flow completion", count, lambda: [completion(one) for one in flows])

    generator = Generator().eval()
    pictures = torch.randn(count, 5, height, width)
    encode = lambda: torch.cat([generator.encode(picture[None]) for picture in pictures])
    features = timed("generator, encoder", count, encode)
    local = min(count, options.local)
    flows = torch.randn(2, local - 1, 2, height // 4, width // 4)
    masks = torch.zeros(local, 2, height // 4, width // 4)
    masks[:, :, height // 16 : 3 * height // 16, width // 16 : 3 * width // 16] = 1
    # A window of 11 local frames and the rest as references comes every 5 frames.
    run = lambda: generator(features, flows, masks, local)
    timed("generator, window", local // 2, run)
    seconds["together"] = sum(seconds.values())
    return seconds


def layers(options):
    """Milliseconds of single operations."""
    out = {}

    def timed(name, work):
        work()
        best = float("inf")
        for _ in range(options.repeat):
            start = options.clock()
            work()
            best = min(best, options.clock() - start)
        out[name] = 1e3 * best

    def convolution(name, x, weight, **geometry):
        x, weight, bias = torch.randn(x), torch.randn(weight), torch.randn(weight[0])
        timed(name, lambda: F.conv2d(x, weight, bias, **geometry).relu_())

    for line in json.load(options.shapes):
        kind, name = line["kind"], line["name"]
        if kind == "conv":
            keys = ("stride", "padding", "dilation", "groups")
            convolution(name, line["x"], line["weight"], **{key: line[key] for key in keys})
        elif kind == "linear":
            rows, inputs, outputs = line["x"]
            x, w, b = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(outputs)
            timed(name, lambda: F.linear(x, w, b))
        elif kind == "attention":
            batch, queries, keys, features = line["x"]
            q = torch.randn(batch, queries, features)
            k, v = (torch.randn(batch, keys, features) for _ in range(2))
            timed(name, lambda: F.scaled_dot_product_attention(q, k, v))
        elif kind == "deform":
            channels, height, width = line["x"]
            align = Align(channels, 128, 3)
            align.offsets = nn.Identity()
            raw, x = torch.randn(1, 432, height, width), torch.randn(1, channels, height, width)
            timed(name, lambda: align(x, raw))
        elif kind == "upsample":
            x = torch.randn(line["x"])
            timed(name, lambda: double(x))
        elif kind == "warp":
            x = torch.randn(line["x"])
            flow = torch.randn(x.shape[0], 2, *x.shape[2:])
            timed(name, lambda: warp(x, flow))
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=432)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--local", type=int, default=11, help="local frames of a window")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--half", action="store_true", help="all but RAFT in 16 bits")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="of all threads, not the clock's: for a machine that does other things too",
    )
    parser.add_argument(
        "--shapes",
        type=argparse.FileType(),
        help="time single operations instead, described in JSON by the `kernels` example",
    )
    options = parser.parse_args()
    options.clock = time.process_time if options.processor_time else time.perf_counter
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    torch.set_default_device(options.device)
    with torch.inference_mode():
        if options.device != "cpu":
            stages(options)  # a warm-up, which picks kernels
            torch.set_default_dtype(torch.float)
        table = layers(options) if options.shapes else stages(options)
    if options.json:
        print(json.dumps(table))
        return
    unit = "ms" if options.shapes else "s per frame"
    for name, value in table.items():
        print(f"{name:32} {value:9.3f} {unit}")


if __name__ == "__main__":
    main()
