"""Times PyTorch on the operators of `cargo xtask bench`, one JSON object a line.

    torch_operators.py --shape C,H,KERNEL,CENTER    a peripheral convolution, computed as a dense one
    torch_operators.py --depthwise C,H,KH,KW        a dense or stripe depthwise convolution
    torch_operators.py --mlp ROWS,C                 the second half of a block: LayerNorm to residual
    torch_operators.py --gemm ROWS,INPUTS,OUTPUTS   the three products of a linear layer

Values are random. What does not depend on the image is computed before a pass: the expanded kernel and its
spectrum. The pass forward_backward computes the gradients of the image and of theta, expansion included.

Matrix products are timed as `pelk bench --gemm` times them: into memory that exists already, in samples of at
least 2 ms, and only samples count just before and after which the machine was at its peak. pelk times
multiply-adds in registers to know that. PyTorch has no such loop, so here it is a product of 256 x 256
matrices, which stay in the cache: it must reach nine tenths of the best speed that it had at the start.
"""

import math
import statistics
import sys
import time

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from depthwise import FftDepthwise, direct, expansion, fastest_points, product, reach
from timing import arguments, emit, measure, numbers, print_line

LAYOUTS = {"torch nchw": torch.contiguous_format, "torch channels_last": torch.channels_last}
GATE = 256  # side of the matrices whose product shows whether the machine is at its peak
GATE_FILL = 0.4  # seconds to find the best time of that product
SAMPLE = 2e-3  # seconds that a sample of a matrix product lasts at least
ATTEMPTS = 20  # attempts at a sample that nothing disturbed


def passes(
    head: dict, peer: str, operator: Callable, x: Tensor, weights: list[Tensor], args, ready=None
) -> None:
    """Times `operator(x, *weights)`, and the same with all gradients, if requested.

    `ready(x)` is the forward pass that uses what was computed from the weights beforehand.
    """
    forward = ready or (lambda x: operator(x, *weights))
    wanted = [kind for kind in args.passes if f"{peer}:{kind}" not in args.skip]
    if "forward" in wanted:
        with torch.inference_mode():
            figures = measure(lambda: forward(x), args)
        emit({**head, "pass": "forward", "threads": args.threads}, peer, figures)
    if "forward_backward" in wanted:
        gy = torch.randn_like(x)
        leaves = [tensor.detach().requires_grad_() for tensor in (x, *weights)]
        figures = measure(lambda: torch.autograd.grad(operator(*leaves), leaves, gy), args)
        emit({**head, "pass": "forward_backward", "threads": args.threads}, peer, figures)


def peripheral(c: int, h: int, kernel: int, center: int, args) -> None:
    """Both layouts and FFT on one peripheral convolution."""
    head = {
        "bench": "peripheral_conv",
        "n": args.batch,
        "c": c,
        "h": h,
        "w": h,
        "kernel": kernel,
        "center": center,
    }
    e = expansion(kernel, center)[reach(kernel, h)]
    turned, k = e.flip(0), len(e)
    image, theta = torch.randn(args.batch, c, h, h), torch.randn(c, e.shape[1], e.shape[1])
    dense = e @ theta @ e.T
    points = fastest_points(c, (h, h), k)
    spectrum = torch.fft.rfft2(dense.flip(1, 2), points)

    def direct_forward(x: Tensor) -> Tensor:
        return direct(x, dense)

    def direct_trained(x: Tensor, theta: Tensor) -> Tensor:
        return direct(x, e @ theta @ e.T)

    def fft_forward(x: Tensor) -> Tensor:
        return product(torch.fft.rfft2(x, points), spectrum, points, k // 2, (h, h))

    def fft_trained(x: Tensor, theta: Tensor) -> Tensor:
        return FftDepthwise.apply(x, turned @ theta @ turned.T, points)

    rivals = {peer: (direct_forward, direct_trained, layout) for peer, layout in LAYOUTS.items()}
    rivals["torch fft"] = (fft_forward, fft_trained, torch.contiguous_format)
    expected = direct_forward(image)
    for peer, (forward, trained, layout) in rivals.items():
        x = image.to(memory_format=layout)
        for actual in (forward(x), trained(x, theta)):
            assert (actual - expected).abs().max() < 1e-4 * expected.abs().max(), (
                f"{peer} computes something else"
            )
        passes(head, peer, trained, x, [theta], args, forward)


def dense(c: int, h: int, kernel_h: int, kernel_w: int, args) -> None:
    """Both layouts on one dense or stripe convolution."""
    head = {"bench": "depthwise_conv", "n": args.batch, "c": c, "h": h, "w": h}
    head |= {"kernel_h": kernel_h, "kernel_w": kernel_w}
    image, weight = torch.randn(args.batch, c, h, h), torch.randn(c, kernel_h, kernel_w)
    weight = weight[:, reach(kernel_h, h), reach(kernel_w, h)].contiguous()
    for peer, layout in LAYOUTS.items():
        x = image.to(memory_format=layout)
        passes(head, peer, direct, x, [weight], args)


def mlp(rows: int, c: int, args) -> None:
    """A pixel MLP; its rows are pixels, so the two layouts are the same."""

    def operator(
        x: Tensor, norm: Tensor, shift: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor, gamma: Tensor
    ):
        y = F.linear(F.layer_norm(x, (c,), norm, shift, 1e-6), w1, b1)
        return x + gamma * F.linear(F.gelu(y), w2, b2)

    shapes = [(c,), (c,), (4 * c, c), (4 * c,), (c, 4 * c), (c,), (c,)]
    weights = [torch.randn(shape) / c**0.5 for shape in shapes]
    passes(
        {"bench": "pixel_mlp", "rows": rows, "c": c}, "torch", operator, torch.randn(rows, c), weights, args
    )


def seconds(call: Callable[[], object], repeats: int = 1) -> float:
    """The time of one call, from several in a row."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


class Gate:
    """Whether the machine is at its peak just now, with all of PyTorch's threads."""

    def __init__(self) -> None:
        a, b, product = (torch.randn(GATE, GATE) for _ in range(3))
        self.call = lambda: torch.mm(a, b, out=product)
        end = time.perf_counter() + GATE_FILL
        self.least = math.inf
        while time.perf_counter() < end:
            self.least = min(self.least, seconds(self.call))

    def is_open(self) -> bool:
        # What ran before has emptied the caches: the first product only fills them.
        self.call()
        return seconds(self.call) <= self.least / 0.9


def gemm(rows: int, inputs: int, outputs: int, args) -> None:
    """The products of a linear layer `y = x @ weight.T`: y, and the gradients of x and of the weight."""
    x, weight, gy = (torch.randn(shape) for shape in ((rows, inputs), (outputs, inputs), (rows, outputs)))
    y, gx, gweight = torch.empty_like(gy), torch.empty_like(x), torch.empty_like(weight)
    products = {
        "fwd": lambda: torch.mm(x, weight.T, out=y),
        "dx": lambda: torch.mm(gy, weight, out=gx),
        "dw": lambda: torch.mm(gy.T, x, out=gweight),
    }
    gate = Gate()
    for kind, call in products.items():
        if f"torch:{kind}" in args.skip:
            continue
        call()
        repeats = math.ceil(SAMPLE / seconds(call))
        times = []
        for _ in range(args.runs):
            for _ in range(ATTEMPTS):
                if not gate.is_open():
                    time.sleep(1e-3)
                    continue
                sample = 1e3 * seconds(call, repeats)
                if gate.is_open():
                    times.append(sample)
                    break
        if not times:
            shape = f"{rows} x {inputs} to {outputs}, {kind}"
            print(f"{shape}: other programs kept the machine busy", file=sys.stderr)
            continue
        ms = statistics.median(times)
        line = {"bench": "gemm", "lib": "torch", "pass": kind, "rows": rows, "inputs": inputs}
        line |= {"outputs": outputs, "threads": args.threads, "ms": round(ms, 6)}
        line |= {"gflops": round(2e-6 * rows * inputs * outputs / ms, 1), "min_ms": round(min(times), 6)}
        print_line({**line, "runs": len(times), "device": "cpu"})


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--shape", type=numbers(4), action="append", default=[], metavar="C,H,KERNEL,CENTER")
    parser.add_argument("--depthwise", type=numbers(4), action="append", default=[], metavar="C,H,KH,KW")
    parser.add_argument("--mlp", type=numbers(2), action="append", default=[], metavar="ROWS,C")
    parser.add_argument("--gemm", type=numbers(3), action="append", default=[], metavar="ROWS,INPUTS,OUTPUTS")
    parser.set_defaults(passes={"forward", "forward_backward"})
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for shape in args.shape:
        peripheral(*shape, args)
    for shape in args.depthwise:
        dense(*shape, args)
    for shape in args.mlp:
        mlp(*shape, args)
    with torch.inference_mode():
        for shape in args.gemm:
            gemm(*shape, args)


if __name__ == "__main__":
    main()
