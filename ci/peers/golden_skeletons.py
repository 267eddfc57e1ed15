"""Golden cases of the rivals' whole networks, a tiny InceptionNeXt and a tiny RepLKNet, and of a depthwise convolution with a stride.

    python golden_skeletons.py crates/pelk-models/tests/fixtures/golden

Written from the papers' descriptions, apart from the Rust code, as modules whose parameters have the published names, but for what a
mixer has, which has pelk's: float64, stored as float32 in the format that the README of that folder describes. A case holds
pelk's configuration of the network, so that this must mean what the module here computes.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

# The constants of both papers' networks, which are PyTorch's defaults but for LayerNorm.
BN_EPS, BN_MOMENTUM, LN_EPS = 1e-5, 0.1, 1e-6


def batch_norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=BN_EPS, momentum=BN_MOMENTUM)


def depthwise(width: int, rows: int, columns: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    padding = (rows // 2, columns // 2)
    return nn.Conv2d(width, width, (rows, columns), stride=stride, padding=padding, groups=width, bias=bias)


class Inception(nn.Module):
    """The first channels pass, an eighth each goes through a square, a horizontal band, a vertical band."""

    def __init__(self, width: int, square: int, band: int):
        super().__init__()
        self.part = width // 8
        self.dwconv_hw = depthwise(self.part, square, square)
        self.dwconv_w = depthwise(self.part, 1, band)
        self.dwconv_h = depthwise(self.part, band, 1)

    def forward(self, x):
        passed, a, b, c = torch.split(x, [x.shape[1] - 3 * self.part] + 3 * [self.part], dim=1)
        return torch.cat((passed, self.dwconv_hw(a), self.dwconv_w(b), self.dwconv_h(c)), dim=1)


class PixelMlp(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, hidden, 1), nn.Conv2d(hidden, width, 1)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class InceptionBlock(nn.Module):
    def __init__(self, width: int, square: int, band: int, ratio: int):
        super().__init__()
        self.token_mixer, self.norm = Inception(width, square, band), batch_norm(width)
        self.mlp = PixelMlp(width, ratio * width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x + self.gamma.reshape(1, -1, 1, 1) * self.mlp(self.norm(self.token_mixer(x)))


class InceptionStage(nn.Module):
    def __init__(self, before: int, width: int, depth: int, band: int, ratio: int, first: bool):
        super().__init__()
        down = [] if first else [batch_norm(before), nn.Conv2d(before, width, 2, stride=2)]
        self.downsample = nn.Sequential(*down)
        self.blocks = nn.Sequential(*(InceptionBlock(width, 3, band, ratio) for _ in range(depth)))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class InceptionHead(nn.Module):
    def __init__(self, width: int, classes: int):
        super().__init__()
        self.fc1, self.norm = nn.Linear(width, 3 * width), nn.LayerNorm(3 * width, eps=LN_EPS)
        self.fc2 = nn.Linear(3 * width, classes)

    def forward(self, x):
        return self.fc2(self.norm(F.gelu(self.fc1(x.mean((2, 3))))))


class InceptionNeXt(nn.Module):
    def __init__(self, widths, depths, bands, classes):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), batch_norm(widths[0]))
        ratios = [4] * (len(widths) - 1) + [3]
        befores = [widths[0], *widths]
        sizes = zip(befores, widths, depths, bands, ratios)
        self.stages = nn.ModuleList(InceptionStage(*size, first=i == 0) for i, size in enumerate(sizes))
        self.head = InceptionHead(widths[-1], classes)

    def forward(self, x):
        x, features = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.head(x), features


class ConvBn(nn.Module):
    def __init__(self, conv: nn.Conv2d, relu: bool):
        super().__init__()
        self.conv, self.bn, self.relu = conv, batch_norm(conv.out_channels), relu

    def forward(self, x):
        x = self.bn(self.conv(x))
        return F.relu(x) if self.relu else x


def pointwise(before: int, width: int, relu: bool) -> ConvBn:
    return ConvBn(nn.Conv2d(before, width, 1, bias=False), relu)


class LargeKernel(nn.Module):
    def __init__(self, width: int, kernel: int, small: int):
        super().__init__()
        self.large, self.large_bn = depthwise(width, kernel, kernel, bias=False), batch_norm(width)
        self.small, self.small_bn = depthwise(width, small, small, bias=False), batch_norm(width)

    def forward(self, x):
        return self.large_bn(self.large(x)) + self.small_bn(self.small(x))


class RepLkHalf(nn.Module):
    def __init__(self, width: int, kernel: int, small: int):
        super().__init__()
        self.prelkb_bn, self.pw1 = batch_norm(width), pointwise(width, width, relu=True)
        self.large_kernel, self.pw2 = LargeKernel(width, kernel, small), pointwise(width, width, relu=False)

    def forward(self, x):
        return x + self.pw2(F.relu(self.large_kernel(self.pw1(self.prelkb_bn(x)))))


class FfnHalf(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.preffn_bn, self.pw1 = batch_norm(width), pointwise(width, hidden, relu=False)
        self.pw2 = pointwise(hidden, width, relu=False)

    def forward(self, x):
        return x + self.pw2(F.gelu(self.pw1(self.preffn_bn(x))))


class RepLkStage(nn.Module):
    def __init__(self, width: int, depth: int, kernel: int, small: int):
        super().__init__()
        halves = [(RepLkHalf(width, kernel, small), FfnHalf(width, 4 * width)) for _ in range(depth)]
        self.blocks = nn.Sequential(*(half for pair in halves for half in pair))

    def forward(self, x):
        return self.blocks(x)


class RepLKNet(nn.Module):
    def __init__(self, widths, depths, kernels, classes, small=5):
        super().__init__()
        c = widths[0]
        self.stem = nn.Sequential(
            ConvBn(nn.Conv2d(3, c, 3, stride=2, padding=1, bias=False), relu=True),
            ConvBn(depthwise(c, 3, 3, bias=False), relu=True),
            pointwise(c, c, relu=True),
            ConvBn(depthwise(c, 3, 3, stride=2, bias=False), relu=True),
        )
        self.stages = nn.ModuleList(RepLkStage(w, d, k, small) for w, d, k in zip(widths, depths, kernels))
        self.transitions = nn.ModuleList(
            nn.Sequential(pointwise(before, w, relu=True), ConvBn(depthwise(w, 3, 3, stride=2, bias=False), relu=True))
            for before, w in zip(widths, widths[1:])
        )
        self.norm, self.head = batch_norm(widths[-1]), nn.Linear(widths[-1], classes)

    def forward(self, x):
        x, features = self.stem(x), []
        for i, stage in enumerate(self.stages):
            x = stage(x if i == 0 else self.transitions[i - 1](x))
            features.append(x)
        return self.head(self.norm(x).mean((2, 3))), features


def float32(value):
    """Both sides start from the same float32 values."""
    return value.float().double()


def stored(name: str, value: torch.Tensor) -> torch.Tensor:
    """A large kernel has the shape of a sharing grid's parameters."""
    return value.squeeze(1) if name.endswith("large.weight") else value


def randomize(network: nn.Module):
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            random = torch.randn_like(value)
            if name.endswith("running_var"):
                random = random.abs() + 0.5
            elif value.ndim > 1:
                random = random * value[0].numel() ** -0.5
            elif name.endswith("weight") or name.endswith("gamma"):
                random = 1 + 0.3 * random
            else:
                random = 0.3 * random
            value.copy_(float32(random))


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    items = network.state_dict().items()
    return {name: stored(name, value.clone()) for name, value in items if not name.endswith("num_batches_tracked")}


def make(name: str, network: nn.Module, config: dict, training: bool, seed: int, folder: Path, *, size, batch=4):
    torch.manual_seed(seed)
    network = network.double().train(training)
    randomize(network)
    x = float32(torch.randn(batch, 3, *size, dtype=torch.float64)).requires_grad_()
    tensors = {f"in.{key}": value for key, value in state(network).items()} | {"in.x": x.detach()}
    logits, features = network(x)
    gy = float32(torch.randn_like(logits))
    (gy * logits).sum().backward()
    tensors |= {"in.gy": gy, "out.logits": logits.detach(), "grad.x": x.grad}
    tensors |= {f"out.features.{i}": feature.detach() for i, feature in enumerate(features)}
    tensors |= {f"out.{key}": value for key, value in state(network).items() if "running" in key}
    # A bias right before a BatchNorm has no gradient in training but rounding, which cannot be compared.
    gradients = {key: stored(key, value.grad) for key, value in network.named_parameters()}
    tensors |= {f"grad.{key}": value for key, value in gradients.items() if value.abs().max() > 1e-12}
    tensors = {key: value.float().contiguous() for key, value in tensors.items()}
    metadata = {"op": "network", "attrs": json.dumps({"config": config, "training": training})}
    save_file(tensors, folder / f"{name}_{'train' if training else 'eval'}.safetensors", metadata)


def configuration(skeleton, widths, depths, mixers, classes, layer_scale, last_ratio=None):
    stages = [{"depth": d, "width": w, "mixer": m} for w, d, m in zip(widths, depths, mixers)]
    if last_ratio is not None:
        stages[-1]["mlp_ratio"] = last_ratio
    return {
        "name": "golden", "in_channels": 3, "classes": classes, "stem_stride": 4, "stages": stages, "mlp_ratio": 4,
        "layer_scale": layer_scale, "skeleton": skeleton, "dense_init": "fixed", "drop_path": 0.0, "folded": False,
    }  # fmt: skip


def inceptionnext(training: bool, seed: int, folder: Path, classes=7):
    widths, depths, bands = (16, 25), (1, 2), (7, 11)
    mixers = [{"inception": {"square": 3, "band": b, "channels": w // 8}} for w, b in zip(widths, bands)]
    config = configuration("inceptionnext", widths, depths, mixers, classes, 1.0, last_ratio=3)
    make("inceptionnext", InceptionNeXt(widths, depths, bands, classes), config, training, seed, folder, size=(36, 26))


def replknet(training: bool, seed: int, folder: Path, classes=7, small=5):
    widths, depths, kernels = (6, 9), (1, 2), (9, 7)
    mixers = [
        {"peripheral": {
            "grid": ",".join(["1"] * (k // 2 + 1)), "channels": w, "small_kernel": small, "position": "none",
        }} for w, k in zip(widths, kernels)
    ]  # fmt: skip
    config = configuration("replknet", widths, depths, mixers, classes, 0.0)
    # Sides that are odd where a stride halves them.
    make("replknet", RepLKNet(widths, depths, kernels, classes, small), config, training, seed, folder, size=(30, 21))


def strided(name: str, shape, kernel, stride: int, seed: int, folder: Path):
    torch.manual_seed(seed)
    random = lambda *sizes: float32(torch.randn(*sizes, dtype=torch.float64))  # noqa: E731
    x, weight = random(*shape).requires_grad_(), random(shape[1], 1, *kernel).requires_grad_()
    y = F.conv2d(x, weight, stride=stride, padding=(kernel[0] // 2, kernel[1] // 2), groups=shape[1])
    gy = random(*y.shape)
    (gy * y).sum().backward()
    tensors = {
        "in.x": x, "in.weight": weight, "in.gy": gy, "out.y": y, "grad.x": x.grad, "grad.weight": weight.grad
    }  # fmt: skip
    tensors = {key: value.detach().float().contiguous() for key, value in tensors.items()}
    attrs = json.dumps({"kernel": kernel, "stride": stride})
    save_file(tensors, folder / f"{name}.safetensors", {"op": "depthwise_conv", "attrs": attrs})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for seed, training in enumerate((True, False)):
        inceptionnext(training, seed, folder)
        replknet(training, 2 + seed, folder)
    strided("depthwise_stride_2", (2, 5, 9, 14), [3, 3], 2, 4, folder)
    strided("depthwise_stride_3", (1, 3, 7, 8), [5, 3], 3, 5, folder)
