"""Measures Cascade Mask R-CNN with PeLK-T beside PyTorch: a training step and the detection in an image.

    pip install torch torchvision pillow
    detection.py --check
    detection.py [--size 800 1216] [--steps 3] [--threads 2] [--pelk PATH]
    detection.py --steps 1 --keep no    a trial

Generates images with 8 things of 80 categories each. pelk runs its preset `coco-pelk-t` on them with one
image a step; PyTorch runs the network of `cascade_torch.py` on one of them. Both run in turn, in separate
processes. A line for each pass and program, with the median of the rounds and the peak memory of the process,
is appended to detection.jsonl beside this file; `report.py` writes the page's section from the latest ones.

A training step is forward pass, losses, backward pass and AdamW, after one step to warm up. Detection is that
of the merged form: 1000 proposals, three stages, NMS, and pasted masks of the 100 best boxes. A fresh network
gives each class a probability of about 1/81, so the threshold of scores is 0 on both sides: otherwise there
would be no masks to compute. pelk's time also includes reading the image, coding masks as runs and COCO's
evaluation. Reading the weights is left out, because the time is that of many images minus that of a few.
"""

import argparse
import csv
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from measure import processor
from plan import ROOT
from timing import peak_bytes

# Only the processes that measure PyTorch load it.
if TYPE_CHECKING:
    from torch import Tensor

    from cascade_torch import Detector, Truth

MODEL = "pelk_t"
PARAMETERS = 105_149_904  # of `pelk cost pelk_t --task coco`, with all weights
CATEGORIES, THINGS = 80, 8
FEW = 2  # test images, whose time is subtracted from that of all training images
PASSES = {"train_step": "training step", "inference": "detection"}
PEERS = ("torch nchw", "torch channels_last", "torch fft")  # as in torch_models.py
RESULTS = Path(__file__).parent / "detection.jsonl"
Line = dict[str, object]
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Picture:
    """An image and its things: boxes `[G, 4]` (x, y, width, height), labels, polygons `[G, 12, 2]`."""

    image: Image.Image
    boxes: np.ndarray
    labels: np.ndarray
    polygons: np.ndarray

    def masks(self) -> np.ndarray:
        """The things' pixels, 0 or 1, `[G, height, width]`."""
        drawn = []
        for corners in self.polygons:
            mask = Image.new("L", self.image.size)
            ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners], fill=1)
            drawn.append(np.asarray(mask))
        return np.stack(drawn)


def picture(seed: int, size: tuple[int, int]) -> Picture:
    """A random image with smooth colors and things of 5 to 60 % of its shorter side."""
    rng = np.random.default_rng(seed)
    height, width = size
    colors = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    sides = min(size) * np.exp(rng.uniform(np.log(0.05), np.log(0.6), (THINGS, 2)))
    corner = rng.uniform(0, 1, (THINGS, 2)) * (np.array([width, height]) - sides)
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = (1 + np.stack((np.cos(angles), np.sin(angles)), 1)) / 2
    return Picture(
        colors.resize((width, height), Image.Resampling.BICUBIC),
        np.concatenate((corner, sides), 1),
        rng.integers(0, CATEGORIES, THINGS),
        corner[:, None] + sides[:, None] * circle,
    )


def write_dataset(folder: Path, size: tuple[int, int], counts: dict[str, int]) -> None:
    """Writes a dataset in COCO's layout; `counts` are the numbers of images of its splits."""
    categories = [{"id": category + 1, "name": f"class {category}"} for category in range(CATEGORIES)]
    (folder / "annotations").mkdir()
    for split, count in counts.items():
        (folder / split).mkdir()
        images, things = [], []
        for number in range(1, count + 1):
            made = picture(number, size)
            name = f"{number}.jpg"
            made.image.save(folder / split / name, quality=92)
            images.append({"id": number, "height": size[0], "width": size[1], "file_name": name})
            for box, label, polygon in zip(made.boxes, made.labels, made.polygons):
                things.append(
                    {
                        "id": len(things) + 1,
                        "image_id": number,
                        "category_id": int(label) + 1,
                        "iscrowd": 0,
                        "area": float(box[2] * box[3] * math.pi / 4),
                        "bbox": box.round(2).tolist(),
                        "segmentation": [polygon.round(2).ravel().tolist()],
                    }
                )
        content = {"images": images, "annotations": things, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def run(command: list[str]) -> tuple[str, float, int]:
    """What a process prints, its seconds, and its peak memory in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return text, time.perf_counter() - start, 1024 * usage.ru_maxrss


def ours(program: str, data: Path, args: argparse.Namespace, kind: str) -> dict[str, float]:
    """Seconds of a step or an image, and peak memory. Training leaves the checkpoint for inference."""
    long, short = max(args.size), min(args.size)
    out, log = data / "run", data / "steps.csv"
    threads = [f"--threads={args.threads}", f"--data={data}"]
    if kind == "inference":
        test = [program, "eval", f"--checkpoint={out / 'last.safetensors'}", "--folded", *threads]
        _, many, peak = run([*test, "--train", f"--precision={data / 'many.svg'}"])
        _, few, _ = run([*test, f"--precision={data / 'few.svg'}"])
        return {"seconds": (many - few) / (args.steps + 2 - FEW), "peak_bytes": peak}
    settings = [
        "batch.size=1",
        "batch.accumulation=1",
        f"data.augmentation.multiscale.short=[{short}]",
        f"data.augmentation.multiscale.long={long}",
        f"data.augmentation.multiscale.crop_short=[{short}]",
        "data.augmentation.multiscale.crop_probability=0",
        f"data.evaluation.fit=[{long},{short}]",
        "model.cascade.detections.score_threshold=0",
    ]
    command = [program, "train", "--preset=coco-pelk-t", *threads, *(f"--set={one}" for one in settings)]
    shutil.rmtree(out, ignore_errors=True)
    _, _, peak = run([*command, f"--out={out}", f"--max-steps={args.steps + 1}", f"--step-log={log}"])
    with log.open() as lines:
        seconds = [float(line["seconds"]) for line in csv.DictReader(lines)]
    assert len(seconds) == args.steps + 1, seconds
    return {"seconds": statistics.median(seconds[1:]), "peak_bytes": peak}


def theirs(size: tuple[int, int], peer: str) -> tuple["Detector", "Tensor", "Truth"]:
    """The network, an image and its truth."""
    import torch

    from cascade_torch import Detector, Truth
    from torch_models import PEERS as FORMS

    torch.manual_seed(0)
    memory, fft, _ = FORMS[peer]
    detector = Detector(MODEL, size, memory, fft)
    made = picture(1, size)
    image = ((np.asarray(made.image) - np.float32(MEAN)) / np.float32(DEVIATION)).transpose(2, 0, 1)
    boxes = torch.from_numpy(made.boxes).float()
    boxes = torch.cat((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), 1)
    truth = Truth(boxes, torch.from_numpy(made.labels), torch.from_numpy(made.masks()).float())
    return detector, torch.from_numpy(image)[None].contiguous(memory_format=memory), truth


def training(detector: "Detector", image: "Tensor", truth: "Truth") -> Callable[[], float]:
    """A step of training, which returns the loss."""
    import torch

    decayed, others = [], []
    for name, parameter in detector.named_parameters():
        plain = parameter.ndim > 1 and not name.startswith("backbone.positions")
        (decayed if plain else others).append(parameter)
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    # The first rate of the recipe's warm-up.
    optimizer = torch.optim.AdamW(groups, lr=2e-7, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        loss = detector.loss(image, truth)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def measure_theirs(args: argparse.Namespace) -> None:
    """Prints the seconds of one pass, and the peak memory."""
    import torch

    torch.set_num_threads(args.threads)
    detector, image, truth = theirs(tuple(args.size), args.peer)
    if args.theirs == "train_step":
        call = training(detector, image, truth)
    else:
        detector.merge()

        def call() -> None:
            found = detector.detect(image, least=0.0)
            assert len(found.masks) == 100, len(found.masks)

    seconds = []
    for _ in range(args.steps + 1):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(seconds[1:]), "peak_bytes": peak_bytes()}))


def check() -> None:
    """Checks all forms of the network; with equal seeds they have equal losses."""
    import torch

    import check_cascade

    torch.set_num_threads(1)
    check_cascade.boxes()
    check_cascade.cascade()
    losses = []
    for peer in PEERS:
        detector, image, truth = theirs((64, 96), peer)
        step = training(detector, image, truth)
        losses.append(check_cascade.small((detector, image, truth, step), PARAMETERS))
        print(f"{peer}: {PARAMETERS} parameters, loss {losses[-1]:.4f}")
    assert max(losses) - min(losses) < 1e-3 * max(losses), losses


def lines_of(rounds: list[dict[str, tuple[Line, Line]]], args: argparse.Namespace) -> list[Line]:
    """A line for each pass and program."""
    source = {
        "size": args.size,
        "threads": args.threads,
        "rounds": args.rounds,
        "machine": processor(),
        "day": str(date.today()),
        "torch": version("torch"),
    }
    lines = []
    for kind in PASSES:
        for side, peer in enumerate(("pelk", args.peer)):
            figures = [one[kind][side] for one in rounds]
            seconds = statistics.median(one["seconds"] for one in figures)
            peak = max(one["peak_bytes"] for one in figures)
            lines.append({"pass": kind, "peer": peer, "seconds": seconds, "peak_bytes": peak, **source})
    return lines


def section(lines: list[Line]) -> str:
    """The section of docs/benchmarks.md, from the latest lines."""
    if not lines:
        return "Not measured yet."
    last = lines[-1]
    (height, width), day = last["size"], last["day"]
    head = (
        f"PeLK-T with Cascade Mask R-CNN, 80 classes, one image of {height} x {width}, "
        f"{last['threads']} threads of {last['machine']}, {day}; torch {last['torch']}, {last['peer']}. "
        f"Medians of {last['rounds']} rounds."
    )
    rows = [
        "| pass | pelk, s | PyTorch, s | over pelk | pelk, GiB | PyTorch, GiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind, title in PASSES.items():
        ours, theirs = (
            [line for line in lines if line["pass"] == kind and line["peer"] == peer][-1]
            for peer in ("pelk", last["peer"])
        )
        seconds = [float(line["seconds"]) for line in (ours, theirs)]
        memory = [f"{line['peak_bytes'] / 2**30:.2f}" for line in (ours, theirs)]
        speed = f"{seconds[0]:.2f} | {seconds[1]:.2f} | {seconds[1] / seconds[0]:.2f}"
        rows.append(f"| {title} | {speed} | {' | '.join(memory)} |")
    return "\n".join([head, "", *rows])


def kept() -> list[Line]:
    """The lines of all measurements."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="check the network on a small image instead")
    parser.add_argument("--size", type=int, nargs=2, default=[800, 1216], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="measured steps and images a round")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--peer", choices=PEERS, default="torch fft", help="form of the rival")
    parser.add_argument("--pelk", metavar="PATH", help="the built command; built if not given")
    parser.add_argument("--keep", choices=["yes", "no"], default="yes", help="append the lines to the file")
    parser.add_argument("--theirs", choices=PASSES, help="measure one pass of PyTorch alone")
    args = parser.parse_args()
    if any(side <= 0 or side % 32 for side in args.size):
        parser.error("--size takes multiples of 32")
    if args.check:
        check()
        return
    if args.theirs:
        measure_theirs(args)
        return
    program = args.pelk
    if program is None:
        subprocess.run(["cargo", "build", "--release", "--package", "pelk"], cwd=ROOT, check=True)
        program = str(ROOT / "target/release/pelk")
    same = [f"--steps={args.steps}", f"--threads={args.threads}", f"--peer={args.peer}"]
    same += ["--size", *map(str, args.size)]
    rounds = []
    with tempfile.TemporaryDirectory() as made:
        # One image more than steps, so that the epoch does not end within them.
        write_dataset(Path(made), tuple(args.size), {"train": args.steps + 2, "val": FEW})
        for number in range(1, args.rounds + 1):
            figures = {}
            for kind in PASSES:
                text, _, _ = run([sys.executable, __file__, *same, f"--theirs={kind}"])
                figures[kind] = (ours(program, Path(made), args, kind), json.loads(text))
            rounds.append(figures)
            print(f"round {number}, load {os.getloadavg()[0]:.1f}: {figures}", file=sys.stderr)
    lines = lines_of(rounds, args)
    print(section(lines))
    if args.keep == "yes":
        with RESULTS.open("a") as results:
            results.writelines(json.dumps(line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
