"""Measures how fast photos become batches, beside timm with Pillow: reading alone, training recipe, test
transform.

    pip install torch torchvision timm "pillow<13"    # Pillow 13 rejects some of timm 1.0's posterize
    loading.py [DIR]

DIR is a folder of class folders with photos, as `cargo xtask train --preset folder` reads it; without it,
photos of ImageNet's usual size are generated. Both run on one thread, in turn, in separate processes; prints
the medians of the rounds. Mixing is left out, because timm mixes whole batches outside its loader. Each side
draws its own random numbers, for the same 512 photos.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from plan import ROOT

PASSES = {"read": "read", "training": "training recipe", "evaluation": "test transform"}
IMAGES = 512
RUNS = 5  # as in `cargo xtask data speed`


def photos(folder: Path) -> None:
    """Photos of 500 x 375 pixels: smooth shapes, edges and camera noise, 90 to 130 KB like most of
    ImageNet's."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:375, 0:500] / 500
    for number in range(IMAGES):
        waves = [
            np.sin(rng.uniform(2, 40) * x + rng.uniform(2, 40) * y + rng.uniform(0, 6)) for _ in range(6)
        ]
        value = 128 + np.stack(
            [rng.uniform(-30, 30, 6) @ np.reshape(waves, (6, -1)) for _ in range(3)], -1
        ).reshape(375, 500, 3)
        for _ in range(12):
            top, left = rng.integers(0, 300), rng.integers(0, 400)
            value[top : top + rng.integers(20, 200), left : left + rng.integers(20, 200)] += rng.uniform(
                -60, 60, 3
            )
        value += rng.normal(0, 14, value.shape)
        path = folder / "train" / f"class-{number % 2}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(value.clip(0, 255).astype(np.uint8)).save(path, quality=92)
    (folder / "val").symlink_to("train")


def ours(folder: Path) -> dict[str, float]:
    settings = ["data.dataset=folder", "data.mix={}", "batch.size=128"]
    command = [
        "cargo",
        "xtask",
        "data",
        "speed",
        "--json",
        "--preset",
        "imagenet-pelk-t",
        "--data",
        str(folder),
    ]
    command += [f"--images={IMAGES}", *(f"--set={setting}" for setting in settings)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["pass"]: line["images_per_second"] for line in lines}


def theirs(folder: Path) -> dict[str, float]:
    import torch
    from timm.data import create_transform

    torch.set_num_threads(1)
    recipe = {
        "auto_augment": "rand-m9-mstd0.5-inc1",
        "color_jitter": None,
        "re_prob": 0.25,
        "re_mode": "pixel",
    }
    train = create_transform(224, is_training=True, interpolation="bicubic", **recipe)
    test = create_transform(224, is_training=False, interpolation="bicubic", crop_pct=0.875)
    paths = sorted((folder / "train").rglob("*.*"))[:IMAGES]

    def read(path: Path) -> Image.Image:
        with Image.open(path) as image:
            return image.convert("RGB")

    def speed(change) -> float:
        def once() -> float:
            start = time.perf_counter()
            for path in paths:
                change(read(path))
            return time.perf_counter() - start

        once()
        return len(paths) / statistics.median(once() for _ in range(RUNS))

    return {"read": speed(lambda image: image), "training": speed(train), "evaluation": speed(test)}


def in_own_process(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder), "--theirs"]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--theirs", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        print(json.dumps(theirs(args.folder)))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder
        if folder is None:
            folder = Path(made)
            photos(folder)
        rounds = []
        for number in range(1, args.rounds + 1):
            rounds.append({"pelk": ours(folder), "timm": in_own_process(folder)})
            print(f"round {number}: {rounds[-1]}", file=sys.stderr)
    print("| images/s of one thread | pelk | timm and Pillow | ratio |\n| --- | ---: | ---: | ---: |")
    for name, title in PASSES.items():
        pelk, timm = (statistics.median(one[side][name] for one in rounds) for side in ("pelk", "timm"))
        print(f"| {title} | {pelk:.0f} | {timm:.0f} | {pelk / timm:.2f} |")


if __name__ == "__main__":
    main()
