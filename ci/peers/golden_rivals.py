"""Golden cases of the rivals' blocks: SLaK's crossed stripes and RepLKNet's dense kernels over part of the channels.

    python golden_rivals.py crates/pelk-models/tests/fixtures/golden

Written from the papers' formulas, apart from the Rust code: outputs and gradients in float64, stored as float32 in the format
that the README of that folder describes.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

BN_EPS, BN_MOMENTUM, LN_EPS = 1e-5, 0.1, 1e-6


def branches(form: str, kernel: int, small: int) -> dict[str, tuple[int, int]]:
    """The parallel kernels of a form by the names of their parameters: rows and columns."""
    if form == "stripe":
        return {"vertical": (kernel, small), "horizontal": (small, kernel), "small": (small, small)}
    return {"large": (kernel, kernel), "small": (small, small)}


def make(form: str, training: bool, seed: int, folder: Path, *, batch=3, dim=11, channels=4, kernel=13, small=5, size=(9, 14)):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int, scale: float = 1.0, shift: float = 0.0):
        value = torch.randn(*shape, generator=generator, dtype=torch.float64) * scale + shift
        # Both sides start from the same float32 values.
        return value.float().double().requires_grad_()

    inputs = {"x": random(batch, dim, *size)}
    kernels = branches(form, kernel, small)
    for name, (rows, columns) in kernels.items():
        # Theta of a dense large kernel has the shape of a sharing grid's parameters.
        axes = (channels, rows, columns) if name == "large" else (channels, 1, rows, columns)
        inputs[f"{name}.weight"] = random(*axes, scale=(rows * columns) ** -0.5)
        inputs[f"{name}_bn.weight"] = random(channels, scale=0.3, shift=1.0)
        inputs[f"{name}_bn.bias"] = random(channels, scale=0.3)
        inputs[f"{name}_bn.running_mean"] = random(channels, scale=0.3).detach()
        inputs[f"{name}_bn.running_var"] = random(channels).detach().abs() + 0.5
    inputs["norm.weight"], inputs["norm.bias"] = random(dim, scale=0.3, shift=1.0), random(dim, scale=0.3)
    inputs["pwconv1.weight"], inputs["pwconv1.bias"] = random(4 * dim, dim, scale=dim**-0.5), random(4 * dim, scale=0.1)
    inputs["pwconv2.weight"], inputs["pwconv2.bias"] = random(dim, 4 * dim, scale=0.2), random(dim, scale=0.1)
    inputs["gamma"] = random(dim, scale=0.3, shift=1.0)
    given = {f"in.{name}": value.detach().clone() for name, value in inputs.items()}

    x = inputs["x"]
    convolved, passed = x[:, :channels], x[:, channels:]
    total, outputs = 0, {}
    for name, (rows, columns) in kernels.items():
        weight = inputs[f"{name}.weight"].reshape(channels, 1, rows, columns)
        y = F.conv2d(convolved, weight, padding=(rows // 2, columns // 2), groups=channels)
        mean, var = inputs[f"{name}_bn.running_mean"], inputs[f"{name}_bn.running_var"]
        scale, shift = inputs[f"{name}_bn.weight"], inputs[f"{name}_bn.bias"]
        total = total + F.batch_norm(y, mean, var, scale, shift, training, BN_MOMENTUM, BN_EPS)
        outputs[f"{name}_bn.running_mean"], outputs[f"{name}_bn.running_var"] = mean, var
    y = torch.cat((total, passed), 1).permute(0, 2, 3, 1)
    y = F.layer_norm(y, (dim,), inputs["norm.weight"], inputs["norm.bias"], LN_EPS)
    y = F.gelu(F.linear(y, inputs["pwconv1.weight"], inputs["pwconv1.bias"]))
    y = inputs["gamma"] * F.linear(y, inputs["pwconv2.weight"], inputs["pwconv2.bias"])
    y = x + y.permute(0, 3, 1, 2)
    gy = random(*y.shape).detach()
    (gy * y).sum().backward()

    tensors = given | {"in.gy": gy, "out.y": y.detach()}
    tensors |= {f"out.{name}": value for name, value in outputs.items()}
    tensors |= {f"grad.{name}": value.grad for name, value in inputs.items() if value.requires_grad}
    tensors = {name: value.float().contiguous() for name, value in tensors.items()}
    attrs = {
        "form": form, "dim": dim, "conv_channels": channels, "kernel": kernel, "small_kernel": small, "training": training,
        "bn_eps": BN_EPS, "bn_momentum": BN_MOMENTUM, "ln_eps": LN_EPS,
    }  # fmt: skip
    metadata = {"op": "rival_block", "attrs": json.dumps(attrs)}
    save_file(tensors, folder / f"rival_{form}_{'train' if training else 'eval'}.safetensors", metadata)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for seed, (form, training) in enumerate((f, t) for f in ("stripe", "dense") for t in (True, False)):
        make(form, training, seed, folder)
