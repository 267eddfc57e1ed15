"""The plan: for every case, our command and those of the rivals; the report has a line for each."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
FOLDER = Path(os.environ.get("PELK_PEERS_DIR", CACHE / "pelk-peers"))
RESULTS = FOLDER / "results.jsonl"

# C, H, KERNEL, CENTER: the kernels of PeLK-T at 224 with 3/8 of ConvNeXt-T's channels, and the largest on
# the map of a 512 x 512 image; then the channels of PeLK-T itself.
PERIPHERAL = [
    (36, 56, 51, 5),
    (72, 28, 49, 5),
    (144, 14, 47, 5),
    (288, 7, 13, 5),
    (36, 128, 51, 5),
    (36, 128, 101, 7),
    (46, 56, 51, 5),
    (93, 28, 49, 5),
    (187, 14, 47, 5),
    (374, 7, 13, 5),
]
# C, H, KERNEL_H, KERNEL_W: dense kernels and the two stripes on the maps of PeLK-T.
MAPS = [(36, 56), (72, 28), (144, 14), (288, 7)]
KERNELS = [(7, 7), (13, 13), (31, 31), (51, 51), (51, 5), (5, 51)]
DEPTHWISE = [(*size, *kernel) for size in MAPS for kernel in KERNELS]
# ROWS, C: the stages of ConvNeXt-T, then of PeLK-T, on one 224 x 224 image.
MLP = [(3136, 96), (784, 192), (196, 384), (49, 768), (3136, 124), (784, 249), (196, 499), (49, 998)]
# ROWS, C of linear layers c -> 4c and 4c -> c: the stages of PeLK-T, then of ConvNeXt-T, on one 224 x 224
# image.
GEMM_PELK = [(3136, 124), (784, 249), (196, 499), (49, 998)]
GEMM_CONVNEXT = [(3136, 96), (784, 192), (196, 384), (49, 768)]
GEMM_THREADS = (1, 2)
# Model, size, images. The last is the training of the preset fashion-mnist.
INFERENCE = [("pelk_t", 224, 1), ("pelk_t", 512, 1), ("pelk_b_101", 384, 1)]
TRAIN = [("pelk_t", 224, 2), ("pelk_atto", 28, 128)]

OPERATOR_PASSES = ("forward", "forward_backward")
GEMM_PASSES = ("fwd", "dx", "dw")
LAYOUTS = ("torch nchw", "torch channels_last")
RUST = ("candle", "burn-ndarray", "burn-flex")
GEMM_PEERS = ("torch", "matrixmultiply", "gemm")
MODEL_PEERS = (*LAYOUTS, "torch fft", "torch.compile channels_last", "torch.compile fft")

ORT_PEERS = ("onnxruntime", "onnxruntime boxes")


@dataclass
class Case:
    """One shape or model: the fields that identify its lines, and the commands that compute it."""

    group: str
    fields: dict[str, object]
    passes: tuple[str, ...]
    peers: tuple[str, ...]
    ours: list[str]
    rivals: list[list[str]] = field(default_factory=list)


def python(script: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HERE / script), *map(str, arguments)]


def joined(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def operators(runs: list[str], rust: bool) -> Iterator[Case]:
    for c, h, kernel, center in PERIPHERAL:
        shape = ["--shape", joined((c, h, kernel, center))]
        fields = {
            "bench": "peripheral_conv",
            "n": 1,
            "c": c,
            "h": h,
            "w": h,
            "kernel": kernel,
            "center": center,
        }
        rivals = [python("torch_operators.py", *shape, *runs)]
        if rust:
            rivals.append([str(FOLDER / "target/release/pelk-peers"), *shape])
        yield Case(
            "conv", {**fields, "threads": 1}, OPERATOR_PASSES, (*LAYOUTS, "torch fft", *RUST), shape, rivals
        )
    for c, h, kernel_h, kernel_w in DEPTHWISE:
        shape = ["--depthwise", joined((c, h, kernel_h, kernel_w))]
        fields = {
            "bench": "depthwise_conv",
            "n": 1,
            "c": c,
            "h": h,
            "w": h,
            "kernel_h": kernel_h,
            "kernel_w": kernel_w,
        }
        rivals = [python("torch_operators.py", *shape, *runs)]
        yield Case("conv", {**fields, "threads": 1}, OPERATOR_PASSES, LAYOUTS, shape, rivals)
    for rows, c in MLP:
        shape = ["--mlp", joined((rows, c))]
        rivals = [python("torch_operators.py", *shape, *runs)]
        fields = {"bench": "pixel_mlp", "rows": rows, "c": c, "threads": 1}
        yield Case("mlp", fields, OPERATOR_PASSES, ("torch",), shape, rivals)


def products() -> Iterator[Case]:
    """The products of linear layers; our command measures the two Rust crates, too."""
    for threads in GEMM_THREADS:
        # matrixmultiply has one thread.
        peers = tuple(peer for peer in GEMM_PEERS if threads == 1 or peer != "matrixmultiply")
        for rows, c in (*GEMM_PELK, *GEMM_CONVNEXT):
            for inputs, outputs in ((c, 4 * c), (4 * c, c)):
                ours = ["--gemm", joined((rows, inputs, outputs))]
                fields = {"bench": "gemm", "rows": rows, "inputs": inputs, "outputs": outputs}
                rivals = [python("torch_operators.py", *ours, "--threads", threads)]
                yield Case("gemm", {**fields, "threads": threads}, GEMM_PASSES, peers, ours, rivals)


def models(runs: list[str], threads: int) -> Iterator[Case]:
    for kind, cases in (("inference", INFERENCE), ("train_step", TRAIN)):
        for model, size, batch in cases:
            fields = {"bench": "model", "model": model, "n": batch, "size": size, "threads": threads}
            ours = ["--model", model, "--size", str(size), "--batch", str(batch)]
            common = [*ours, "--pass", kind, "--threads", str(threads), *runs]
            rivals = [python("torch_models.py", *common, "--peer", peer) for peer in MODEL_PEERS]
            peers = MODEL_PEERS
            if kind == "inference":
                peers = (*peers, *ORT_PEERS)
                command = ["ort_models.py", *common, "--folder", FOLDER]
                rivals += [python(*command, "--peer", peer) for peer in ORT_PEERS]
            group = "model" if kind == "inference" else "train"
            yield Case(group, fields, (kind,), peers, ours, rivals)


def cases(threads: int, slow_runs: int = 3, rust: bool = True) -> list[Case]:
    """All cases, in the order of the report."""
    runs = ["--slow-runs", str(slow_runs)]
    return [*operators(runs, rust), *products(), *models(runs, threads)]


def known_by(line: dict[str, object], case: Case) -> bool:
    """Whether a printed line belongs to the case."""
    return (
        all(line.get(name) == value for name, value in case.fields.items())
        and line.get("pass") in case.passes
    )


def peer_of(line: dict[str, object]) -> str:
    """Who computed a line. Lines of matrix products call it `lib`, as ours measure several libraries; other
    lines of ours do not say it."""
    return str(line.get("lib") or line.get("peer", "pelk"))


def read_results(path: Path = RESULTS) -> list[dict[str, object]]:
    """The lines measured so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
