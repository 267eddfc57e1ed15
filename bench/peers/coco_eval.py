"""Measures how long COCO's evaluation takes, beside pycocotools, and compares all numbers.

    pip install numpy pycocotools
    coco_eval.py [--images 5000] [--rounds 5]

Generates data of the size of val2017: images with 7.2 things of 80 categories each on average, polygons and
1 % crowds, and 100 results an image, half of them near a thing. Both sides run in turn, in separate
processes; prints the medians of the rounds: seconds of the whole process, of the processor, and of the
evaluation alone, without reading files. Fails if one of the 24 printed lines differs.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from plan import ROOT

HEIGHT, WIDTH, CATEGORIES = 480, 640, 80


def outline(rng: np.random.Generator, box: np.ndarray) -> list[float]:
    """A polygon of 10 to 40 corners around the middle of a box."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(10, 40)))
    radius = rng.uniform(0.6, 1, angles.size)
    x = box[0] + box[2] / 2 * (1 + radius * np.cos(angles))
    y = box[1] + box[3] / 2 * (1 + radius * np.sin(angles))
    points = np.stack([x.clip(0, WIDTH), y.clip(0, HEIGHT)], 1)
    return [round(value, 2) for value in points.ravel().tolist()]


def boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    size = np.exp(rng.uniform(np.log(12), np.log(300), (count, 2)))
    corner = rng.uniform(0, 1, (count, 2)) * (np.array([WIDTH, HEIGHT]) - size).clip(1)
    return np.concatenate([corner, size], 1)


def generate(folder: Path, images: int) -> None:
    """Writes truth.json, bbox.json and segm.json."""
    from pycocotools import mask

    rng = np.random.default_rng(0)
    truth, bbox, segm = [], [], []
    for image in range(images):
        things = boxes(rng, rng.poisson(7.2))
        classes = rng.integers(0, CATEGORIES, len(things))
        for box, category in zip(things, classes):
            polygon = outline(rng, box)
            crowd = bool(rng.uniform() < 0.01)
            rle = mask.frPyObjects([polygon], HEIGHT, WIDTH)[0]
            if crowd:
                bits = mask.decode(rle).ravel(order="F")
                edges = np.flatnonzero(np.diff(bits, prepend=0, append=bits[-1]))
                counts = np.diff(edges, prepend=0, append=bits.size).tolist()
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": image,
                    "category_id": int(category) + 1,
                    "iscrowd": int(crowd),
                    "area": float(mask.area(rle)) * 0.98,
                    "bbox": mask.toBbox(rle).tolist(),
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts} if crowd else [polygon],
                }
            )
        results = boxes(rng, 100)
        labels = rng.integers(0, CATEGORIES, 100)
        if len(things):
            near = rng.integers(0, len(things), 50)
            results[:50] = things[near] * rng.normal(1, 0.06, (50, 4))
            labels[:50] = classes[near]
        scores = rng.beta(1 + 2 * (np.arange(100) < 50), 4, 100).round(3)
        rles = mask.frPyObjects([outline(rng, box) for box in results], HEIGHT, WIDTH)
        for box, category, score, rle in zip(results, labels, scores, rles):
            head = {"image_id": image, "category_id": int(category) + 1, "score": float(score)}
            bbox.append({**head, "bbox": box.round(2).tolist()})
            segm.append({**head, "segmentation": {**rle, "counts": rle["counts"].decode()}})
    pictures = [
        {"id": image, "height": HEIGHT, "width": WIDTH, "file_name": f"{image}.jpg"}
        for image in range(images)
    ]
    categories = [{"id": category + 1, "name": f"class {category}"} for category in range(CATEGORIES)]
    file = {"images": pictures, "annotations": truth, "categories": categories}
    for name, content in (("truth", file), ("bbox", bbox), ("segm", segm)):
        (folder / f"{name}.json").write_text(json.dumps(content))


def theirs(truth: str, results: str, kind: str) -> None:
    """Prints what the example prints: the lines, and the seconds of both steps."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(truth)
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
    read = time.perf_counter() - start
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    evaluation.summarize()
    print(f"read {read:.3f} s, evaluated {time.perf_counter() - start:.3f} s")


def measured(command: list[str]) -> tuple[dict[str, float], list[str]]:
    """Seconds of a process, and the lines of its averages."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = process.stdout.read().splitlines()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    (times,) = [line.split() for line in lines if line.startswith("read ")]
    seconds = {
        "whole process": wall,
        "processor": usage.ru_utime + usage.ru_stime,
        "evaluation alone": float(times[4]),
    }
    return seconds, [line for line in lines if line.startswith(" Average")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--program", metavar="PATH", help="the built example `evaluate`; built if not given")
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep the files here and use them again")
    parser.add_argument("--theirs", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.theirs:
        theirs(*args.theirs)
        return
    program = args.program
    if program is None:
        build = ["cargo", "build", "--release", "--package", "pelk-coco", "--example", "evaluate"]
        subprocess.run(build, cwd=ROOT, check=True)
        program = str(ROOT / "target/release/examples/evaluate")
    with tempfile.TemporaryDirectory() as made:
        folder = args.data or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "segm.json").exists():
            generate(folder, args.images)
        print("| | | pelk | pycocotools | times as fast |\n| --- | --- | ---: | ---: | ---: |")
        for kind in ("bbox", "segm"):
            files = [str(folder / "truth.json"), str(folder / f"{kind}.json"), kind]
            rounds = []
            for number in range(1, args.rounds + 1):
                ours, our_lines = measured([program, *files])
                peer, peer_lines = measured([sys.executable, __file__, "--theirs", *files])
                assert len(our_lines) == 12 and our_lines == peer_lines, "\n".join(our_lines + peer_lines)
                rounds.append((ours, peer))
                print(f"round {number}, load {os.getloadavg()[0]:.1f}: {ours} {peer}", file=sys.stderr)
            for name in rounds[0][0]:
                ours, peer = (statistics.median(one[side][name] for one in rounds) for side in (0, 1))
                print(f"| {kind} | {name} | {ours:.3f} | {peer:.3f} | {peer / ours:.1f} |", flush=True)


if __name__ == "__main__":
    main()
