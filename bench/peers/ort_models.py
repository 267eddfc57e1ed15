"""Times ONNX Runtime on the merged form of a model, one JSON object per line; exports it with `torch.onnx`
first.

    ort_models.py --model pelk_t --size 224 --pass inference --folder DIR
    ort_models.py --model pelk_t --size 224 --pass inference --folder DIR --peer "onnxruntime boxes"

The second form has the compact kernels of `boxes.py`. A file is kept only if ONNX Runtime's logits are those
of the network with dense kernels in PyTorch.
The file stays in DIR and later calls reuse it, so the measured process contains no PyTorch network.
"""

import subprocess
import sys
from pathlib import Path

from plan import ORT_PEERS
from timing import arguments, emit, measure, peak_bytes

OPSET = 18
TOLERANCE = 1e-4  # of the largest logit


def session(path: Path, threads: int):
    """The model in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def export(name: str, size: int, boxes: bool, path: Path) -> None:
    """Writes the model as ONNX, whose limit of 2 GB is above the weights of every model."""
    import torch

    from boxes import with_boxes
    from pelk_torch import MODELS, Merged, Pelk

    torch.manual_seed(0)
    network = Merged(Pelk(MODELS[name], size, torch.contiguous_format))
    images = torch.randn(1, network.config.in_channels, size, size)
    with torch.no_grad():
        expected = network(images).numpy()
    if boxes:
        network = with_boxes(network)
    new = path.with_suffix(".new")
    torch.onnx.export(
        network, (images,), new, opset_version=OPSET, dynamo=True, external_data=False, verbose=False
    )
    runtime = session(new, 1)
    [actual] = runtime.run(None, {runtime.get_inputs()[0].name: images.numpy()})
    error = abs(actual - expected).max() / abs(expected).max()
    if not error <= TOLERANCE:
        sys.exit(f"the logits of {path.name} have a relative error of {error:.1e}")
    new.rename(path)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--peer", choices=ORT_PEERS, default=ORT_PEERS[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--export", action="store_true", help="only export")
    args = parser.parse_args()
    boxes = args.peer != ORT_PEERS[0]
    path = args.folder / f"{args.model}-{args.size}{'-boxes' if boxes else ''}.onnx"
    if args.export:
        return export(args.model, args.size, boxes, path)
    if not path.exists():
        # In a separate process, whose memory does not count.
        subprocess.run([sys.executable, *sys.argv, "--export"], check=True, stdout=sys.stderr)

    import numpy
    import onnxruntime  # noqa: F401, imported here for its share of the memory

    import_bytes = peak_bytes()
    runtime = session(path, args.threads)
    [source] = runtime.get_inputs()
    images = numpy.random.default_rng(0).standard_normal(source.shape, dtype=numpy.float32)
    figures = measure(lambda: runtime.run(None, {source.name: images}), args)
    head = {
        "bench": "model",
        "model": args.model,
        "pass": "inference",
        "n": 1,
        "size": args.size,
        "threads": args.threads,
    }
    emit(head, args.peer, {**figures, "peak_bytes": peak_bytes(), "import_bytes": import_bytes})


if __name__ == "__main__":
    main()
