"""Times layers in PyTorch: `python - DEVICE PRECISION LAYERS`, LAYERS as JSON on the command line.

Prints JSON: the versions of PyTorch and CUDA, the card, and milliseconds by the layers' names.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F

device, precision, layers = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
dtype = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}[precision]
torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
torch.backends.cudnn.allow_tf32 = precision == "tf32"
torch.backends.cudnn.benchmark = True
on_gpu = device != "cpu"


def wait():
    if on_gpu:
        torch.cuda.synchronize()


def milliseconds(run):
    def timed(times):
        wait()
        start = time.perf_counter()
        for _ in range(times):
            run()
        wait()
        return (time.perf_counter() - start) / times

    timed(3)
    return 1e3 * timed(max(1, min(200, int(0.1 / max(timed(1), 1e-6)))))


times = {}
with torch.inference_mode():
    for layer in layers:
        x = torch.rand(layer["x"], device=device, dtype=dtype)
        weight = torch.rand(layer["weight"], device=device, dtype=dtype)
        if layer["stride"] is None:
            run = lambda: x @ weight
        else:
            bias = torch.zeros(weight.shape[0], device=device, dtype=dtype)
            padding = [side // 2 for side in weight.shape[2:]]
            run = lambda: F.conv2d(x, weight, bias, stride=layer["stride"], padding=padding)
        times[layer["name"]] = milliseconds(run)

print(
    json.dumps(
        {
            "pytorch": torch.__version__,
            "cuda": torch.version.cuda,
            "card": torch.cuda.get_device_name(device) if on_gpu else None,
            "milliseconds": times,
        }
    )
)
