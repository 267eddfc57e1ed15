#!/usr/bin/env python3
"""Compares the losses of the default preset's first steps on the CPU and on the GPU, step by step.

    bench/gpu_curve.py [--steps 200] [--within 0.01] [options of `cargo xtask train`]

Fails if a loss on the GPU differs from the one on the CPU by more than the fraction `--within`. On a software
GPU, 200 steps take about ten minutes.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path


def losses(device: str, steps: int, folder: Path, more: list[str]) -> list[float]:
    log = folder / f"{device}.csv"
    run = ["--device", device, "--max-steps", str(steps)]
    run += ["--out", str(folder / device), "--step-log", str(log)]
    subprocess.run(["cargo", "xtask", "train", *run, *more], check=True)
    with log.open() as lines:
        return [float(line["loss"]) for line in csv.DictReader(lines)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--within", type=float, default=0.01)
    args, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        cpu, gpu = (losses(device, args.steps, Path(folder), more) for device in ("cpu", "gpu"))
    apart = [abs(a - b) / a for a, b in zip(cpu, gpu, strict=True)]
    for step in range(0, args.steps, max(1, args.steps // 10)):
        print(
            f"step {step + 1:5}: cpu {cpu[step]:.5f}, gpu {gpu[step]:.5f}, off by {100 * apart[step]:.4f} %"
        )
    worst = max(range(args.steps), key=apart.__getitem__)
    print(f"largest difference: {100 * apart[worst]:.4f} % at step {worst + 1}")
    print(f"difference of the last step: {100 * apart[-1]:.4f} %")
    if apart[worst] > args.within:
        sys.exit(f"the losses differ by more than {100 * args.within} %")


if __name__ == "__main__":
    main()
