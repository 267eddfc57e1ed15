"""The merged form of PeLK with large kernels that stay compact, for ONNX Runtime.

A peripheral kernel is constant over blocks. Along rows it is therefore a sum of boxes: sums of neighboring
rows of the image, one for each interval of the sharing grid. Along columns it is a banded matrix. A
convolution is a few additions of whole maps, then one batched matrix product over boxes and columns, which
runtimes compute far faster than a dense depthwise convolution of this size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depthwise import expansion
from pelk_torch import Config, Merged, MergedBlock


class Boxes(nn.Module):
    """Depthwise convolution of maps `[N, C, h, w]` with `kernel` `[C, k, k]`, which is constant over blocks
    of these `lengths`."""

    def __init__(self, kernel: Tensor, lengths: list[int], width: int):
        super().__init__()
        assert sum(lengths) == kernel.shape[-1], "the blocks do not cover the kernel"
        self.lengths, self.half = lengths, kernel.shape[-1] // 2
        self.starts = [sum(lengths[:i]) for i in range(len(lengths))]
        rows = kernel[:, self.starts]  # [C, k', k]
        # Column `to` of the output takes column `of` of the image by tap `of - to + half`.
        taps = torch.arange(width)[:, None] - torch.arange(width)[None] + self.half
        inside = (taps >= 0) & (taps < kernel.shape[-1])
        bands = rows[:, :, taps.clamp(0, kernel.shape[-1] - 1)] * inside  # [C, k', w, w]
        self.bands = nn.Parameter(bands.flatten(1, 2)[None])  # [1, C, k' w, w]

    def forward(self, x: Tensor) -> Tensor:
        height = x.shape[2]
        sums = {1: F.pad(x, (0, 0, self.half, self.half))}

        def box(length: int) -> Tensor:
            """Row i is the sum of `length` rows from i on."""
            if length not in sums:
                larger = 1 << (length - 1).bit_length() - 1
                count = height + 2 * self.half - length + 1
                first, second = box(larger), box(length - larger)
                sums[length] = first[:, :, :count] + second[:, :, larger : larger + count]
            return sums[length]

        boxes = [box(n)[:, :, start : start + height] for n, start in zip(self.lengths, self.starts)]
        return torch.cat(boxes, 3) @ self.bands


class BoxesBlock(nn.Module):
    """A block of the merged form, from the one with a dense kernel for maps that are `width` wide."""

    def __init__(self, block: MergedBlock, kernel: int, config: Config, width: int):
        super().__init__()
        # Taps that are outside the map everywhere are cut off already.
        cut = (kernel - block.side) // 2
        lengths = expansion(kernel, config.center)[cut : kernel - cut].sum(0)
        self.convolution = Boxes(block.kernel, [int(n) for n in lengths if n > 0], width)
        del block.kernel
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        convolved, passed = x[:, : self.block.channels], x[:, self.block.channels :]
        convolved = self.convolution(convolved) + self.block.bias
        return x + self.block.mlp(torch.cat((convolved, passed), 1))


@torch.no_grad()
def with_boxes(network: Merged) -> Merged:
    """The network with all of its dense kernels replaced; it is changed in place."""
    for stage, blocks in enumerate(network.stages):
        for i, block in enumerate(blocks):
            kernel, width = network.config.kernels[stage], block.bias.shape[-1]
            blocks[i] = BoxesBlock(block, kernel, network.config, width)
    return network
