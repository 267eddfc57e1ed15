"""Golden cases of UperNet: both heads on the features of four stages, their loss, and all gradients.

    python golden_upernet.py crates/pelk-models/tests/fixtures/golden

Written from MMSegmentation's documented structure, apart from the Rust code, as modules whose parameters have MMSegmentation's names:
float64, stored as float32 in the format that the README of that folder describes.
"""

import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

BN_EPS, BN_MOMENTUM, LN_EPS = 1e-5, 0.1, 1e-6
IGNORED, AUXILIARY_WEIGHT = 255, 0.4


class ConvModule(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=BN_EPS, momentum=BN_MOMENTUM)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def resize(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class UperHead(nn.Module):
    def __init__(self, widths: list[int], channels: int, pools: list[int], classes: int):
        super().__init__()
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), ConvModule(widths[-1], channels, 1)) for side in pools
        )
        self.bottleneck = ConvModule(widths[-1] + len(pools) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(ConvModule(width, channels, 1) for width in widths[:-1])
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3) for _ in widths[:-1])
        self.fpn_bottleneck = ConvModule(len(widths) * channels, channels, 3)
        self.conv_seg = nn.Conv2d(channels, classes, 1)

    def forward(self, features):
        deepest = features[-1]
        pyramid = [deepest] + [resize(module(deepest), deepest.shape[2:]) for module in self.psp_modules]
        maps = [conv(x) for conv, x in zip(self.lateral_convs, features)] + [self.bottleneck(torch.cat(pyramid, 1))]
        for i in reversed(range(len(maps) - 1)):
            maps[i] = maps[i] + resize(maps[i + 1], maps[i].shape[2:])
        maps = [conv(x) for conv, x in zip(self.fpn_convs, maps)] + [maps[-1]]
        joined = torch.cat([resize(x, maps[0].shape[2:]) for x in maps], 1)
        return self.conv_seg(self.fpn_bottleneck(joined))


class FcnHead(nn.Module):
    def __init__(self, width: int, channels: int, classes: int):
        super().__init__()
        self.convs = nn.Sequential(ConvModule(width, channels, 3))
        self.conv_seg = nn.Conv2d(channels, classes, 1)

    def forward(self, features):
        return self.conv_seg(self.convs(features[-2]))


class Heads(nn.Module):
    def __init__(self, widths: list[int], channels: int, auxiliary: int, pools: list[int], classes: int):
        super().__init__()
        for i, width in enumerate(widths):
            setattr(self, f"norm{i}", nn.LayerNorm(width, eps=LN_EPS))
        self.decode_head = UperHead(widths, channels, pools, classes)
        self.auxiliary_head = FcnHead(widths[-2], auxiliary, classes)

    def forward(self, features):
        norms = [getattr(self, f"norm{i}") for i in range(len(features))]
        features = [norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) for norm, x in zip(norms, features)]
        return self.decode_head(features), self.auxiliary_head(features)


def make(name, training, seed, folder, *, widths, sizes, image, channels=10, auxiliary=6, pools=(1, 2, 3, 6), classes=7, batch=4):
    torch.manual_seed(seed)

    def float32(value):
        # Both sides start from the same float32 values.
        return value.float().double()

    heads = Heads(list(widths), channels, auxiliary, list(pools), classes).double().train(training)
    with torch.no_grad():
        for key, value in heads.state_dict().items():
            if key.endswith("num_batches_tracked"):
                continue
            random = torch.randn_like(value)
            if key.endswith("running_var"):
                random = random.abs() + 0.5
            elif value.ndim == 4:
                random = random * (2 / value[0].numel()) ** 0.5
            elif key.endswith("weight"):
                random = 1 + 0.3 * random
            else:
                random = 0.3 * random
            value.copy_(float32(random))
    features = [float32(torch.randn(batch, c, *size, dtype=torch.float64)).requires_grad_() for c, size in zip(widths, sizes)]
    target = torch.randint(0, classes, (batch, *image))
    target[torch.rand(batch, *image) < 0.2] = IGNORED
    state = {key: value for key, value in heads.state_dict().items() if not key.endswith("num_batches_tracked")}
    tensors = {f"in.{key}": value.clone() for key, value in state.items()}
    tensors |= {f"in.features.{i}": x.detach() for i, x in enumerate(features)}

    logits, extra = (resize(x, image) for x in heads(features))
    loss = F.cross_entropy(logits, target, ignore_index=IGNORED)
    loss = loss + AUXILIARY_WEIGHT * F.cross_entropy(extra, target, ignore_index=IGNORED)
    loss.backward()

    tensors |= {"out.logits": logits.detach(), "out.auxiliary": extra.detach(), "out.loss": loss.detach().reshape(1)}
    tensors |= {f"out.{key}": value for key, value in heads.state_dict().items() if "running" in key}
    # The finest map's LayerNorm feeds a 1 x 1 convolution with a BatchNorm alone, which removes its bias: in training that has no
    # gradient but rounding, which cannot be compared.
    gradients = {key: value.grad for key, value in heads.named_parameters()}
    tensors |= {f"grad.{key}": value for key, value in gradients.items() if value.abs().max() > 1e-12}
    tensors |= {f"grad.features.{i}": x.grad for i, x in enumerate(features)}
    tensors = {key: value.float().contiguous() for key, value in tensors.items()} | {"in.target": target}
    attrs = {
        "channels": channels, "auxiliary_channels": auxiliary, "pools": pools, "classes": classes, "image": image,
        "auxiliary_weight": AUXILIARY_WEIGHT, "ignore_index": IGNORED, "training": training,
    }  # fmt: skip
    save_file(tensors, folder / f"upernet_{name}.safetensors", {"op": "upernet", "attrs": json.dumps(attrs)})


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    paper = {"widths": (5, 8, 9, 12), "sizes": ((9, 7), (5, 4), (3, 2), (2, 1)), "image": (34, 27)}
    # Four samples: BatchNorm over the two values of a coarsest map in a batch of two leaves no gradient but rounding.
    three = {"widths": (4, 7, 10), "sizes": ((8, 8), (4, 4), (2, 2)), "image": (16, 16), "pools": (1, 2)}
    make("train", True, 0, folder, **paper)
    make("eval", False, 1, folder, **paper)
    make("three_stages", True, 2, folder, **three)
