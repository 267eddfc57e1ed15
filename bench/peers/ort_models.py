"""Times ONNX Runtime on the merged form of a model, one JSON object per line; exports it with `torch.onnx`
first.

    ort_models.py --model pelk_t --size 224 --pass inference --folder DIR

The file stays in DIR and later calls reuse it, so the measured process contains no PyTorch network.
"""

import subprocess
import sys
from pathlib import Path

from timing import arguments, emit, measure, peak_bytes

OPSET = 18


def export(name: str, size: int, path: Path) -> None:
    """Writes the model as ONNX, whose limit of 2 GB is above the weights of every model."""
    import torch

    from pelk_torch import MODELS, Merged, Pelk

    torch.manual_seed(0)
    network = Merged(Pelk(MODELS[name], size, torch.contiguous_format))
    images = torch.randn(1, network.config.in_channels, size, size)
    torch.onnx.export(
        network, (images,), path, opset_version=OPSET, dynamo=True, external_data=False, verbose=False
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--export", action="store_true", help="only export")
    args = parser.parse_args()
    path = args.folder / f"{args.model}-{args.size}.onnx"
    if args.export:
        return export(args.model, args.size, path)
    if not path.exists():
        # In a separate process, whose memory does not count.
        subprocess.run([sys.executable, *sys.argv, "--export"], check=True, stdout=sys.stderr)

    import numpy
    import onnxruntime

    import_bytes = peak_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    [source] = session.get_inputs()
    images = numpy.random.default_rng(0).standard_normal(source.shape, dtype=numpy.float32)
    figures = measure(lambda: session.run(None, {source.name: images}), args)
    head = {
        "bench": "model",
        "model": args.model,
        "pass": "inference",
        "n": 1,
        "size": args.size,
        "threads": args.threads,
    }
    emit(head, "onnxruntime", {**figures, "peak_bytes": peak_bytes(), "import_bytes": import_bytes})


if __name__ == "__main__":
    main()
