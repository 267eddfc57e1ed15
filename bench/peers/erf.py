"""Checks `cargo xtask erf` against PyTorch's autograd and RepLKNet's definition, implemented again here.

    cargo xtask erf --checkpoint runs/fashion-mnist/best.safetensors --out runs/erf
    erf.py --checkpoint runs/fashion-mnist/best.safetensors --csv runs/erf/erf.csv

Takes checkpoints of PeLKs and the images that `erf` used: the first test images of Fashion-MNIST, or files,
which should already have the right size because programs resize differently. Computes in float64. Fails if
the side of a square differs by more than one step.
"""

import argparse
import csv
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open

from check import load
from pelk_torch import RATIO, SMALL, Config, Pelk

FASHION_MNIST = Path(__file__).parents[2] / "datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"
THRESHOLDS = (0.2, 0.3, 0.5, 0.99)


def describe(text: str) -> dict:
    """The description in a checkpoint, in the terms of `pelk_torch.py`."""
    description = json.loads(text)
    network, kernels, centers = description["network"], [], set()
    for stage in network["stages"]:
        mixer = stage["mixer"].get("peripheral")
        if not mixer or mixer["position"] != "in_bounds" or mixer["small_kernel"] != SMALL:
            only = f"pelk_torch.py has only peripheral kernels with embedding and a {SMALL} x {SMALL} branch"
            sys.exit(f"{network['name']}: {only}")
        assert mixer["channels"] == int(stage["width"] * RATIO)
        half = [int(length) for length in mixer["grid"].split(",")]
        kernels.append(2 * sum(half) - 1)
        ones = next((i for i, length in enumerate(reversed(half)) if length > 1), len(half))
        if ones < len(half):
            centers.add(2 * ones - 1)
    assert len(centers) == 1, "one center for all stages"
    config = Config(
        depths=tuple(stage["depth"] for stage in network["stages"]),
        widths=tuple(stage["width"] for stage in network["stages"]),
        kernels=tuple(kernels),
        center=centers.pop(),
        in_channels=network["in_channels"],
        classes=network["classes"],
        stem_stride=network["stem_stride"],
    )
    return {"config": config, "size": description["image"][0], **description["normalization"]}


def last_map(network: Pelk, x: torch.Tensor) -> torch.Tensor:
    """The last stage's output, before the final norm."""
    for down, blocks, position in zip(network.downsample_layers, network.stages, network.positions):
        x = down(x)
        for block in blocks:
            x = block(x, position)
    return x


def scores(network: Pelk, image: torch.Tensor) -> np.ndarray:
    """The score map `[H, W]` of an image `[1, C, H, W]`."""
    image.requires_grad_()
    features = torch.relu(last_map(network, image))
    height, width = features.shape[2:]
    features[:, :, height // 2, width // 2].sum().backward()
    return torch.relu(image.grad).sum((0, 1)).numpy()


def squares(mean: np.ndarray) -> list[int | None]:
    """The side of the smallest centered square that holds more than each share of the field."""
    field = np.log10(mean + 1)
    field /= field.max()
    y, x = field.shape[0] // 2, field.shape[1] // 2

    def holds(i: int) -> float:
        return field[y - i : y + i + 1, x - i : x + i + 1].sum() / field.sum()

    shares = {2 * i + 1: holds(i) for i in range(1, y)}
    return [next((side for side, share in shares.items() if share > t), None) for t in THRESHOLDS]


def pictures(files: list[Path], count: int, size: int, channels: int) -> list[np.ndarray]:
    """Images `[size, size, channels]` of values from 0 to 1."""
    if files:
        images = [Image.open(path).convert("L" if channels == 1 else "RGB") for path in files]
    else:
        with gzip.open(FASHION_MNIST) as file:
            pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        images = [Image.fromarray(image) for image in pixels[:count]]
    resized = [
        image if image.size == (size, size) else image.resize((size, size), Image.BICUBIC) for image in images
    ]
    return [np.asarray(image, np.float64).reshape(size, size, channels) / 255 for image in resized]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, action="append", required=True)
    parser.add_argument("--csv", type=Path, required=True, help="what `cargo xtask erf` wrote")
    parser.add_argument("--size", type=int, help="as given to `cargo xtask erf`")
    parser.add_argument("--images", type=int, default=50, help="number of test images, if no files are given")
    parser.add_argument("files", type=Path, nargs="*")
    args = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    with args.csv.open() as file:
        measured = {(row["network"], float(row["threshold"])): row for row in csv.DictReader(file)}

    agrees = True
    for path in args.checkpoint:
        with safe_open(path, "pt") as file:
            about = describe(file.metadata()["pelk"])
            size, config = args.size or about["size"], about["config"]
            # By FFT, because direct convolutions in float64 take minutes per image.
            network = Pelk(config, size, torch.contiguous_format, fft=True).double().eval()
            wanted = network.state_dict().keys() & set(file.keys())
            load(network, {name: file.get_tensor(name).double() for name in wanted})
        total, images = np.zeros((size, size)), pictures(args.files, args.images, size, config.in_channels)
        for image in images:
            image = (image - np.array(about["mean"])) / np.array(about["std"])
            total += scores(network, torch.from_numpy(image).permute(2, 0, 1)[None].contiguous())
        name = f"{path.resolve().parent.name}-{path.stem}"
        for threshold, side in zip(THRESHOLDS, squares(total / len(images))):
            row = measured[name, threshold]
            assert int(row["images"]) == len(images) and int(row["height"]) == size, row
            other = int(row["side"]) if row["side"] else None
            ratios = [f"{100 * s * s / size**2:.2f} % (side {s})" if s else "-" for s in (other, side)]
            print(f"{name} at {size}, t = {threshold:.0%}: pelk {ratios[0]}, PyTorch {ratios[1]}")
            # If no square holds enough, the next one would be larger than the image.
            beyond = 2 * (size // 2) + 1
            agrees &= abs((other or beyond) - (side or beyond)) <= 2
    if not agrees:
        sys.exit("not equal")


if __name__ == "__main__":
    main()
