"""Depthwise convolution in PyTorch, directly and by FFT; the expansion of a sharing grid to a dense
kernel."""

import timeit
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor


def intervals(kernel: int, center: int) -> list[int]:
    """Lengths of the sharing grid's intervals: `center` ones, then 2, 4, 8, ..., the outermost clipped."""
    if kernel <= center:
        return [1] * kernel
    side, left, length = [], (kernel - center) // 2, 2
    while left:
        side.append(min(length, left))
        left -= side[-1]
        length *= 2
    return side[::-1] + [1] * center + side


def expansion(kernel: int, center: int) -> Tensor:
    """The 0/1 matrix `[k, k']` with `dense = e @ theta @ e.T`.

    Its gradient is two small matrix products, which are cheaper than the scatter that autograd generates for
    indexing or `repeat_interleave`.
    """
    lengths = torch.tensor(intervals(kernel, center))
    return torch.eye(len(lengths)).repeat_interleave(lengths, dim=0)


def reach(kernel: int, size: int) -> slice:
    """The taps of an axis that lie inside a map of `size` at any position: 27 of 47 at 14.

    The others are cut off before a pass, so no rival multiplies by zeros that it could skip.
    """
    cut = max(0, kernel // 2 - (size - 1))
    return slice(cut, kernel - cut)


def direct(x: Tensor, kernel: Tensor) -> Tensor:
    """Depthwise convolution that keeps the size, `kernel` `[C, kh, kw]`."""
    padding = (kernel.shape[1] // 2, kernel.shape[2] // 2)
    return F.conv2d(x, kernel[:, None], padding=padding, groups=len(kernel))


def fastest_points(channels: int, size: tuple[int, int], kernel: int) -> tuple[int, int]:
    """The numbers of points, by axis, at which transforms of a map of `size` and back take the least time on
    this machine."""
    return fastest(channels, size[0], kernel), fastest(channels, size[1], kernel)


@cache
def fastest(channels: int, size: int, kernel: int) -> int:
    """The number of points for both axes of a square map.

    `size + kernel // 2` points are enough: anything that wraps around falls on rows that are cut off. The
    kernel itself must fit, too.
    """
    x, least = torch.ones(1, channels, size, size), max(size + kernel // 2, kernel)

    def smooth(n: int) -> bool:
        return n == 1 or any(n % prime == 0 and smooth(n // prime) for prime in (2, 3, 5, 7))

    def time(n: int) -> float:
        return min(
            timeit.repeat(lambda: torch.fft.irfft2(torch.fft.rfft2(x, (n, n)), (n, n)), number=1, repeat=5)
        )

    return min(filter(smooth, range(least + least % 2, least + least // 3 + 2, 2)), key=time)


def product(a: Tensor, b: Tensor, n: tuple[int, int], first: int, size: tuple[int, int]) -> Tensor:
    """Rows and columns `first .. first + size` of the cyclic convolution of factors with the spectra `a`,
    `b`."""
    rows, columns = (slice(first, first + side) for side in size)
    return torch.fft.irfft2(a * b, n)[..., rows, columns]


class FftDepthwise(torch.autograd.Function):
    """Depthwise convolution by FFT with `n` points; `turned` `[C, k, k]` is the kernel rotated by 180
    degrees.

    The gradients use the spectra of the forward pass, which is faster than autograd through `torch.fft`.
    """

    @staticmethod
    def forward(ctx, x: Tensor, turned: Tensor, n: tuple[int, int]) -> Tensor:
        image, kernel = torch.fft.rfft2(x, n), torch.fft.rfft2(turned, n)
        ctx.save_for_backward(image, kernel)
        ctx.sizes = n, x.shape[-2:], turned.shape[-1]
        return product(image, kernel, n, turned.shape[-1] // 2, x.shape[-2:])

    @staticmethod
    def backward(ctx, gy: Tensor) -> tuple[Tensor, Tensor, None]:
        image, kernel = ctx.saved_tensors
        n, size, k = ctx.sizes
        before = k // 2
        below, right = (points - side - before for points, side in zip(n, size))
        g = torch.fft.rfft2(F.pad(gy, (before, right, before, below)))
        gx = product(g, kernel.conj(), n, 0, size)
        return gx, product(g, image.conj(), n, 0, (k, k)).sum(0), None
