"""PeLK in PyTorch, with the dense kernels that its paper computes: the rival that `torch_models.py` measures.

Parameters have the names and shapes of pelk-models, so weights can be exchanged as they are. Two forms:
`Pelk` is for training (theta k' x k', expanded to k x k in every step; a 5 x 5 branch; a BatchNorm each;
position embedding where the tap lies inside the image), and `Merged` is for inference (one dense kernel and
one bias map per block, made once). Both run in NCHW and in channels_last memory; tensors have N, C, H, W
shapes in either case.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthwise import FftDepthwise, direct, expansion, fastest_points, product, reach

RATIO = 3 / 8  # share of the channels that is convolved
SMALL = 5  # side of the dense branch beside the large kernel


@dataclass(frozen=True)
class Config:
    """One architecture, with a list entry for each stage; widths are final. Without classes it has no
    classifier."""

    depths: tuple[int, ...]
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    center: int
    in_channels: int = 3
    classes: int = 1000
    stem_stride: int = 4
    drop_path: float = 0.0


def paper(depth: int, width: int, kernels: tuple[int, ...], center: int, drop_path: float) -> Config:
    """A model of the paper, whose widths are 1.3 times those of ConvNeXt."""
    widths = tuple(int(1.3 * (width << i)) for i in range(4))
    return Config((3, 3, depth, 3), widths, kernels, center, drop_path=drop_path)


MODELS = {
    "pelk_atto": Config((2, 2, 2), (32, 64, 128), (27, 13, 5), 5, 1, 10, 2),
    "pelk_t": paper(9, 96, (51, 49, 47, 13), 5, 0.1),
    "pelk_b_101": paper(27, 128, (101, 69, 67, 13), 7, 0.5),
}


def inside(size: int, kernel: int) -> Tensor:
    """The 0/1 matrix `[size, k]` that says which taps lie inside the image at each position."""
    taps = torch.arange(size)[:, None] + torch.arange(kernel)[None] - kernel // 2
    return ((taps >= 0) & (taps < size)).float()


def copy_shared(source: nn.Module, target: nn.Module) -> None:
    """Copies the parameters that both have."""
    shared = source.state_dict()
    target.load_state_dict({name: shared[name] for name in target.state_dict()})


@dataclass(frozen=True)
class Form:
    """How the blocks of a network compute."""

    center: int
    layout: torch.memory_format
    fft: bool


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the channels of an N, C, H, W tensor, which it leaves in `layout`."""

    def __init__(self, channels: int, layout: torch.memory_format):
        super().__init__(channels, eps=1e-6)
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        return (
            super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
        )


class Large(nn.Module):
    """Peripheral depthwise convolution with the stage's position embedding, for maps of `size`, height and
    width.

    Taps that lie outside the map at every position are left out of the dense kernel. `points` are the
    lengths of FFTs, none for a direct convolution.
    """

    def __init__(self, channels: int, kernel: int, size: tuple[int, int], form: Form):
        super().__init__()
        self.taps = reach(kernel, max(*size, SMALL))
        expand = expansion(kernel, form.center)
        self.weight = nn.Parameter(torch.randn(channels, expand.shape[1], expand.shape[1]) * 0.02)
        self.register_buffer("expand", expand[self.taps], persistent=False)
        self.register_buffer("rows", inside(size[0], len(self.expand)), persistent=False)
        self.register_buffer("columns", inside(size[1], len(self.expand)), persistent=False)
        self.points = fastest_points(channels, size, len(self.expand)) if form.fft else None

    def dense(self) -> Tensor:
        """The kernel `[C, k, k]`."""
        return self.expand @ self.weight @ self.expand.T

    def bias_map(self, kernel: Tensor, position: Tensor) -> Tensor:
        """The in-bounds embedding `[1, k, k]` under the dense kernel, as a bias `[C, h, w]`."""
        return self.rows @ (kernel * position[:, self.taps, self.taps]) @ self.columns.T

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        kernel = self.dense()
        if self.points:
            y = FftDepthwise.apply(x.contiguous(), kernel.flip(1, 2), self.points)
        else:
            y = direct(x, kernel)
        return y + self.bias_map(kernel, position)


class Mlp(nn.Module):
    """What follows the convolution in a block: LayerNorm, pixel MLP, layer scale."""

    def __init__(self, width: int, layout: torch.memory_format):
        super().__init__()
        self.layout = layout
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def mlp(self, y: Tensor) -> Tensor:
        y = self.norm(y.permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return y.permute(0, 3, 1, 2).contiguous(memory_format=self.layout)


class Block(Mlp):
    """A block in training form, dropped with probability `rate`."""

    def __init__(self, width: int, kernel: int, size: tuple[int, int], rate: float, form: Form):
        super().__init__(width, form.layout)
        c = int(width * RATIO)
        self.channels, self.rate = c, rate
        self.large = Large(c, kernel, size, form)
        self.large_bn = nn.BatchNorm2d(c)
        self.small = nn.Conv2d(c, c, SMALL, padding=SMALL // 2, groups=c, bias=False)
        self.small_bn = nn.BatchNorm2d(c)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        convolved, passed = x[:, : self.channels], x[:, self.channels :]
        convolved = self.large_bn(self.large(convolved, position)) + self.small_bn(self.small(convolved))
        y = self.mlp(torch.cat((convolved, passed), 1))
        if self.training and self.rate > 0:
            keep = torch.rand(len(x), 1, 1, 1) >= self.rate
            y = y * (keep / (1 - self.rate))
        return x + y


class MergedBlock(Mlp):
    """A block in inference form: dense kernel `[C, k, k]` or its spectrum, and bias map `[C, h, w]`."""

    def __init__(self, block: Block, position: Tensor):
        super().__init__(len(block.gamma), block.layout)
        copy_shared(block, self)
        self.channels, self.points = block.channels, block.large.points
        kernel, bias = self.merge(block, position)
        self.side = kernel.shape[-1]
        if self.points:
            kernel = torch.fft.rfft2(kernel.flip(1, 2), self.points)
        self.kernel, self.bias = nn.Parameter(kernel), nn.Parameter(bias)

    @staticmethod
    def merge(block: Block, position: Tensor) -> tuple[Tensor, Tensor]:
        def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            return scale[:, None, None], (norm.bias - norm.running_mean * scale)[:, None, None]

        scale, shift = affine(block.large_bn)
        small_scale, small_shift = affine(block.small_bn)
        kernel = block.large.dense() * scale
        bias = block.large.bias_map(kernel, position) + shift + small_shift
        margin = (kernel.shape[-1] - SMALL) // 2
        return kernel + F.pad(block.small.weight[:, 0] * small_scale, [margin] * 4), bias

    def convolve(self, x: Tensor) -> Tensor:
        if not self.points:
            return direct(x, self.kernel)
        image = torch.fft.rfft2(x.contiguous(), self.points)
        return product(image, self.kernel, self.points, self.side // 2, x.shape[-2:])

    def forward(self, x: Tensor) -> Tensor:
        convolved, passed = x[:, : self.channels], x[:, self.channels :]
        return x + self.mlp(torch.cat((self.convolve(convolved) + self.bias, passed), 1))


class Skeleton(nn.Module):
    """Stem, downsampling and classifier, which both forms share; subclasses add `stages`, and `maps`, which
    computes the output of each stage."""

    def __init__(self, config: Config, layout: torch.memory_format):
        super().__init__()
        self.config, self.layout = config, layout
        stride, widths = config.stem_stride, config.widths
        kernel = max(stride, 3)
        stem = nn.Conv2d(config.in_channels, widths[0], kernel, stride, padding=(kernel - stride + 1) // 2)
        self.downsample_layers = nn.ModuleList([nn.Sequential(stem, LayerNorm(widths[0], layout))])
        for before, after in zip(widths, widths[1:]):
            down = nn.Sequential(LayerNorm(before, layout), nn.Conv2d(before, after, 2, 2))
            self.downsample_layers.append(down)
        if config.classes:
            self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
            self.head = nn.Linear(widths[-1], config.classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.maps(x)[-1].mean((2, 3))))


class Pelk(Skeleton):
    """The training form for images of one size: logits `[N, classes]` of `[N, C, height, width]`.

    `size` is height and width, or one number for both. Activations lie in memory in `layout`; with `fft` the
    large convolutions are computed by FFT.
    """

    def __init__(
        self, config: Config, size: int | tuple[int, int], layout: torch.memory_format, fft: bool = False
    ):
        super().__init__(config, layout)
        form = Form(config.center, layout, fft)
        rates = iter(torch.linspace(0, config.drop_path, sum(config.depths)).tolist())
        height, width = (size, size) if isinstance(size, int) else size
        sides = [(height // config.stem_stride >> i, width // config.stem_stride >> i) for i in range(4)]
        self.positions = nn.ParameterList(nn.Parameter(torch.randn(1, k, k) * 0.02) for k in config.kernels)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(channels, kernel, side, next(rates), form) for _ in range(depth))
            for depth, channels, kernel, side in zip(config.depths, config.widths, config.kernels, sides)
        )
        self.to(memory_format=layout)

    def maps(self, x: Tensor) -> list[Tensor]:
        maps = []
        for down, blocks, position in zip(self.downsample_layers, self.stages, self.positions):
            x = down(x)
            for block in blocks:
                x = block(x, position)
            maps.append(x)
        return maps


class Merged(Skeleton):
    """The inference form of a network."""

    @torch.no_grad()
    def __init__(self, network: Pelk):
        super().__init__(network.config, network.layout)
        copy_shared(network, self)
        self.stages = nn.ModuleList(
            nn.ModuleList(MergedBlock(block, position) for block in blocks)
            for blocks, position in zip(network.stages, network.positions)
        )
        self.to(memory_format=network.layout).eval()

    def maps(self, x: Tensor) -> list[Tensor]:
        maps = []
        for down, blocks in zip(self.downsample_layers, self.stages):
            x = down(x)
            for block in blocks:
                x = block(x)
            maps.append(x)
        return maps
