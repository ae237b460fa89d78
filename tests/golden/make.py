"""Makes the vectors beside this file from the whole set: `python3 make.py ../../../shared/golden`.

What travels with the repository proves every stage on a small case and stays under 12 MB. No
value is changed; a file may hold less than the whole one:

- a tensor that no test reads is left out;
- `less.KEY = "AXIS START END"`: only that range, of the inputs as of the outputs;
- `cut.KEY = "AXIS START END"`: only that range of what a network must give;
- `xor.KEY = "OTHER"`: the bits that differ from the tensor OTHER, which compress better.

These notes are the metadata of the file, which is compressed. `tests/support/golden.rs` reads them,
and a test compares every file here with the whole set where that is at hand.
"""

import gzip
import json
import pathlib
import struct
import sys

WHOLE = {}
# File: what is left out, then the notes.
FILES = {
    "vectors/warp": ((), WHOLE),
    "vectors/convex_upsample": ((), WHOLE),
    "vectors/deform_conv": ((), WHOLE),
    "vectors/mask_dilation": ((), WHOLE),
    "vectors/image_propagation": ((), WHOLE),
    "vectors/correlation": (
        ("level0_row0", "level3_row0"),
        {f"less.{key}": (0, 0, 1) for key in ("coords", "fmap1", "fmap2", "lookup")},
    ),
    "vectors/raft": (("flow_forward_low",), WHOLE),
    "vectors/raft_stages": (
        (),
        {
            f"cut.{key}": (2, 6, 8)
            for key in (
                "corr0",
                "fmap1",
                "fmap2",
                "inp",
                "net0",
                "net_after_1",
                "net_after_2",
                "net_after_5",
                "up_mask_after_5",
            )
        },
    ),
    "vectors/flow_completion": (
        (),
        {
            f"cut.{kind}_{way}": (3, 20, 36)
            for kind in ("predicted", "completed")
            for way in ("forward", "backward")
        },
    ),
    "vectors/flow_completion_stages": (
        (),
        {
            "cut.downsample_t03": (3, 14, 18),
            "cut.encoder1_t03": (3, 7, 9),
            "cut.encoder2": (3, 3, 4),
            "cut.mid_dilation": (3, 3, 4),
            "cut.feat_prop": (3, 3, 4),
            "cut.decoder2_t03": (2, 7, 9),
            "cut.decoder1_t03": (2, 14, 18),
        },
    ),
    "vectors/soft_split_comp": (
        (),
        {
            "less.x": (0, 0, 1),
            "less.tokens_in": (1, 0, 1),
            "less.tokens": (1, 0, 1),
            "cut.tokens": (2, 4, 7),
            "less.composed": (0, 0, 1),
            "cut.composed": (2, 12, 20),
        },
    ),
    "vectors/feed_forward": ((), {"cut.out": (1, 60, 120)}),
    "vectors/attention_exact": ((), {"cut.out": (2, 4, 6)}),
    "vectors/generator_exact": ((), WHOLE),
    "vectors/generator": ((), {"cut.out": (3, 56, 72)}),
    "vectors/generator_stages": (
        (),
        {
            "cut.encoder_f06": (2, 14, 16),
            "cut.feat_prop_local_f03": (2, 14, 16),
            "cut.tokens_f06": (1, 5, 6),
            "cut.block0_f06": (1, 5, 6),
            "cut.block1_f06": (1, 5, 6),
            "cut.block7_f06": (1, 5, 6),
            "cut.composed_f06": (2, 14, 16),
        },
    ),
    "e2e/default_windows/clip": ((), {"xor.output": "frames"}),
}
COPIES = ("weights_check.json", "e2e/default_windows/settings.json")
BYTES = {"F32": 4, "I64": 8, "U8": 1}


def product(numbers):
    result = 1
    for number in numbers:
        result *= number
    return result


def part(data, size, shape, axis, start, end):
    """Rows `start` to `end` of an axis, and the shape that leaves."""
    inner = product(shape[axis + 1 :]) * size
    row = shape[axis] * inner
    rows = range(0, len(data), row)
    kept = b"".join(data[at + start * inner : at + end * inner] for at in rows)
    return kept, shape[:axis] + [end - start] + shape[axis + 1 :]


def read(path):
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    head = json.loads(whole[8 : 8 + length])
    head.pop("__metadata__", None)
    tensors = {}
    for key, about in head.items():
        start, end = about["data_offsets"]
        data = whole[8 + length + start : 8 + length + end]
        tensors[key] = (about["dtype"], about["shape"], data)
    return tensors


def smaller(tensors, left_out, notes):
    result = {}
    for key, (dtype, shape, data) in tensors.items():
        if key in left_out:
            continue
        for kind in ("less", "cut"):
            if f"{kind}.{key}" in notes:
                data, shape = part(data, BYTES[dtype], shape, *notes[f"{kind}.{key}"])
        if f"xor.{key}" in notes:
            other = tensors[notes[f"xor.{key}"]][2]
            data = bytes(a ^ b for a, b in zip(data, other, strict=True))
        result[key] = (dtype, shape, data)
    return result


def write(path, tensors, notes):
    text = {
        key: note if isinstance(note, str) else " ".join(map(str, note))
        for key, note in notes.items()
    }
    head, data = {"__metadata__": text}, b""
    # Wide numbers first, so that all are aligned.
    for key, (dtype, shape, bytes_) in sorted(
        tensors.items(), key=lambda item: (-BYTES[item[1][0]], item[0])
    ):
        offsets = [len(data), len(data) + len(bytes_)]
        head[key] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += bytes_
    head = json.dumps(head, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time: the same vectors give the same file.
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, 0) as packed:
        packed.write(struct.pack("<Q", len(head)) + head + data)


def main():
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
    for name, (left_out, notes) in FILES.items():
        tensors = read(source / f"{name}.safetensors")
        known = {note.split(".", 1)[1] for note in notes} | set(left_out)
        if not known <= set(tensors):
            sys.exit(f"{name} lacks {known - set(tensors)}")
        path = target / f"{name}.safetensors.gz"
        write(path, smaller(tensors, left_out, notes), notes)
        print(f"{path.stat().st_size:9} {name}")
    for name in COPIES:
        (target / name).write_bytes((source / name).read_bytes())


main()
