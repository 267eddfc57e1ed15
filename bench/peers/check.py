"""Checks `pelk_torch.py` against pelk-models: the golden network case and the merged form.

The tests of pelk-models run the same golden case, so agreement with it is agreement with the Rust network.
"""

import itertools
import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

from pelk_torch import MODELS, Config, Merged, Pelk

GOLDEN = Path(__file__).parents[2] / "crates/pelk-models/tests/fixtures/golden/network_ten_steps.safetensors"


def load(network: Pelk, tensors: dict[str, torch.Tensor]) -> None:
    """Gives a network the weights of pelk-models; every name but PyTorch's own counters must be there."""
    missing, unknown = network.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    assert not missing and not unknown, (missing, unknown)


def close(what: str, actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    error = ((actual - expected.reshape(actual.shape)).abs().max() / expected.abs().max()).item()
    print(f"{what}: relative error {error:.1e}, allowed {tolerance:.0e}")
    if not error <= tolerance:
        sys.exit("not equal")


def golden(layout: torch.memory_format, fft: bool) -> None:
    """Logits before training, the first loss, and its gradients."""
    with safe_open(GOLDEN, "pt") as file:
        attrs = json.loads(file.metadata()["attrs"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    inputs = {name[3:]: value for name, value in tensors.items() if name.startswith("in.")}
    images, target = inputs.pop("x").to(memory_format=layout), inputs.pop("target")
    widths = tuple(int(attrs["width"] * dim) for dim in attrs["dims"])
    config = Config(
        tuple(attrs["depths"]), widths, tuple(attrs["kernels"]), attrs["center"], classes=attrs["classes"]
    )
    network = Pelk(config, images.shape[-1], layout, fft).eval()
    load(network, inputs)
    what = f"golden network, {layout}, fft {fft}"
    with torch.no_grad():
        close(f"{what}: logits", network(images), tensors["out.logits_eval_before"], 1e-5)
        close(f"{what}: logits, merged", Merged(network)(images), tensors["out.logits_eval_before"], 1e-5)
    logits = network.train()(images)
    loss = torch.nn.functional.cross_entropy(logits, target, label_smoothing=attrs["label_smoothing"])
    loss.backward()
    close(f"{what}: loss", loss.detach(), tensors["out.losses"][0], 1e-5)
    for name, parameter in network.named_parameters():
        close(f"{what}: gradient of {name}", parameter.grad, tensors[f"grad.{name}"], 1e-4)


def merged(name: str, size: int) -> None:
    """The merged form of a zoo network equals its training form in evaluation mode."""
    network = Pelk(MODELS[name], size, torch.channels_last).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.bias.data.normal_(std=0.1)
    with torch.no_grad():
        x = torch.randn(1, MODELS[name].in_channels, size, size)
        close(f"{name} at {size}: logits, merged", Merged(network)(x), network(x), 1e-5)


if __name__ == "__main__":
    for case in itertools.product((torch.contiguous_format, torch.channels_last), (False, True)):
        golden(*case)
    merged("pelk_atto", 28)
    merged("pelk_t", 224)
