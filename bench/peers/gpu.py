#!/usr/bin/env python3
"""Measures pelk and PyTorch on this machine's GPU in turn, and keeps the results for docs/benchmarks.md.

    gpu.py                      everything; needs PyTorch with CUDA and a GPU in `cargo xtask devices`
    gpu.py --only peripheral    one part: peripheral, inference or train; can be repeated
    gpu.py --torch cpu --keep no --batch 1 --rounds 1 --runs 1    a trial on a software GPU

Each case is measured by all programs in turn, `--rounds` times; a figure is the median of the rounds'
medians. Operators are timed by the device's clock, networks until their result is in host memory. The lines
are appended to gpu.jsonl beside this file, with the card's name; `report.py` writes the page's section from
them. A cell without a measurement says so.
"""

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "gpu.jsonl"

# C, H, KERNEL, CENTER, as in plan.py; images of a batch that fills a GPU.
PERIPHERAL = [
    (36, 56, 51, 5),
    (72, 28, 49, 5),
    (144, 14, 47, 5),
    (288, 7, 13, 5),
    (36, 128, 51, 5),
    (36, 128, 101, 7),
]
OPERATOR_BATCH = 64
# Model, size, images.
INFERENCE = [("pelk_t", 224, 1), ("pelk_t", 224, 64), ("pelk_b_101", 384, 16)]
TRAIN = [("pelk_t", 224, 32), ("pelk_atto", 28, 128)]
# Rivals: the layout, large convolutions by FFT, and whether products round to TF32.
PEERS = {
    "torch nchw": ("nchw", False, False),
    "torch channels_last": ("channels_last", False, False),
    "torch fft": ("channels_last", True, False),
    "torch channels_last, tf32": ("channels_last", False, True),
}
NOT_MEASURED = "not measured"
Line = dict[str, object]


def cases(parts: list[str], batch: int | None = None) -> list[Line]:
    """The fields that identify a case, as in a line of `cargo xtask bench`; `batch` replaces the numbers of
    images."""
    found: list[Line] = []
    for c, h, kernel, center in PERIPHERAL:
        for kind in ("forward", "forward_backward"):
            shape = {"c": c, "h": h, "kernel": kernel, "center": center, "n": OPERATOR_BATCH}
            found.append({"bench": "peripheral", **shape, "pass": kind})
    for part, kind, models in (("inference", "inference", INFERENCE), ("train", "train_step", TRAIN)):
        found += [
            {"bench": part, "model": model, "size": size, "n": n, "pass": kind} for model, size, n in models
        ]
    if batch:
        found = [{**case, "n": batch} for case in found]
    return [case for case in found if not parts or case["bench"] in parts]


def ours(case: Line, device: str) -> Line:
    """Our figures, from the command."""
    if case["bench"] == "peripheral":
        what = ["--shape", ",".join(str(case[name]) for name in ("c", "h", "kernel", "center"))]
    else:
        what = ["--model", str(case["model"]), "--size", str(case["size"])]
    what += ["--batch", str(case["n"]), "--pass", str(case["pass"])]
    command = ["cargo", "xtask", "bench", "--json", "--device", device, *what]
    line = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"ms": line["ms"], "device": line["device"]}


def timed(call: Callable[[], object], device: str, runs: int) -> float:
    """Median milliseconds of a call, after three to warm up."""
    import torch

    def once() -> float:
        if device == "cpu":
            start = time.perf_counter()
            call()
            return 1e3 * (time.perf_counter() - start)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end)

    for _ in range(3):
        once()
    return statistics.median(once() for _ in range(runs))


def theirs(case: Line, peer: str, device: str, runs: int) -> float:
    """A rival's milliseconds."""
    import torch

    from depthwise import FftDepthwise, direct, expansion, fastest_points, reach
    from pelk_torch import MODELS, Pelk
    from torch_models import inference, train_step

    torch.set_default_device(device)
    layout, fft, tf32 = PEERS[peer]
    memory = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    if case["bench"] != "peripheral":
        size = int(case["size"])
        network = Pelk(MODELS[str(case["model"])], size, memory, fft)
        images = torch.randn(case["n"], network.config.in_channels, size, size).to(memory_format=memory)
        call = {"inference": inference, "train_step": train_step}[str(case["pass"])](network, images, False)
        with torch.inference_mode(case["pass"] == "inference"):
            return timed(call, device, runs)
    c, h, kernel, center = (int(case[name]) for name in ("c", "h", "kernel", "center"))
    e = expansion(kernel, center)[reach(kernel, h)]
    x = torch.randn(case["n"], c, h, h).to(memory_format=memory)
    theta = torch.randn(c, e.shape[1], e.shape[1])
    points = fastest_points(c, (h, h), len(e)) if fft else None

    def operator(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        if fft:
            return FftDepthwise.apply(x.contiguous(), (e @ theta @ e.T).flip(1, 2), points)
        return direct(x, e @ theta @ e.T)

    if case["pass"] == "forward":
        dense = e @ theta @ e.T
        ready = (lambda: operator(x, theta)) if fft else (lambda: direct(x, dense))
        with torch.inference_mode():
            return timed(ready, device, runs)
    leaves = [tensor.detach().requires_grad_() for tensor in (x, theta)]
    gy = torch.randn_like(x)
    return timed(lambda: torch.autograd.grad(operator(*leaves), leaves, gy), device, runs)


def measure(args: argparse.Namespace) -> list[Line]:
    """A line for each case and peer."""
    import torch

    lines = []
    for case in cases(args.only, args.batch):
        peers = ["pelk"] + ([] if args.torch == "none" else list(PEERS))
        rounds: dict[str, list[float]] = {peer: [] for peer in peers}
        card = ""
        for _ in range(args.rounds):
            for peer in peers:
                if peer == "pelk":
                    figures = ours(case, args.device)
                    card = str(figures["device"])
                    rounds[peer].append(float(figures["ms"]))
                else:
                    rounds[peer].append(theirs(case, peer, args.torch, args.runs))
        for peer, times in rounds.items():
            version = "" if peer == "pelk" else torch.__version__
            source = {"card": card, "day": str(date.today()), "torch": version}
            lines.append({**case, "peer": peer, "ms": round(statistics.median(times), 4), **source})
            print(json.dumps(lines[-1]), flush=True)
    return lines


def name(case: Line) -> str:
    """The name of a case in the table."""
    if case["bench"] == "peripheral":
        c, h, kernel, center, n, kind = (case[key] for key in ("c", "h", "kernel", "center", "n", "pass"))
        return f"{kernel} x {kernel} (center {center}), {n} x {h} x {h} x {c}, {kind}"
    return f"{case['model']} at {case['size']}, {case['n']} images, {case['pass']}"


def section(lines: list[Line]) -> str:
    """The section of docs/benchmarks.md: a table for each card, from the latest line of each cell."""
    cards = sorted({str(line["card"]) for line in lines}) or ["a hardware GPU"]
    peers = ["pelk", *PEERS]
    text = []
    for card in cards:
        days = sorted({str(line["day"]) for line in lines if line["card"] == card})
        head = f"On {card}, {days[0]} to {days[-1]}; ms." if days else f"On {card}; ms. Not measured yet."
        rows = [f"| case | {' | '.join(peers)} |", "| --- |" + " ---: |" * len(peers)]
        for case in cases([]):
            cells = []
            for peer in peers:
                same = [
                    line
                    for line in lines
                    if line["card"] == card
                    and line["peer"] == peer
                    and all(line.get(key) == case[key] for key in case)
                ]
                cells.append(f"{same[-1]['ms']:,.3f}" if same else NOT_MEASURED)
            rows.append(f"| {name(case)} | {' | '.join(cells)} |")
        text.append("\n".join([head, "", *rows]))
    return "\n\n".join(text)


def kept() -> list[Line]:
    """The lines of all measurements."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], choices=["peripheral", "inference", "train"])
    parser.add_argument("--device", default="gpu", help="as `cargo xtask bench` takes it")
    parser.add_argument("--torch", default="cuda", help="PyTorch's device, or none")
    parser.add_argument("--batch", type=int, help="number of images in all cases, for a trial")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--keep", choices=["yes", "no"], default="yes", help="append the lines to gpu.jsonl")
    args = parser.parse_args()
    lines = measure(args)
    if args.keep == "yes":
        with RESULTS.open("a") as results:
            results.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
