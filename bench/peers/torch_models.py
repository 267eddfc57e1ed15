"""Times PyTorch on whole models, with one process per model, pass and peer, so that its peak memory is known.

    torch_models.py --model pelk_t --size 224 --pass inference --peer "torch channels_last"
    torch_models.py --model pelk_t --size 224 --batch 2 --pass train_step --peer "torch nchw"

Inference runs the merged form. A training step is forward, loss, backward, clipping by the gradients' norm
and AdamW. `peak_bytes` is the peak resident memory of the process, `import_bytes` the part that the imports
alone took.
"""

from collections.abc import Callable

import torch
from torch import nn

from pelk_torch import MODELS, Merged, Pelk
from timing import arguments, emit, measure, peak_bytes

# Layout of the activations, large convolutions by FFT, compiled.
PEERS = {
    "torch nchw": (torch.contiguous_format, False, False),
    "torch channels_last": (torch.channels_last, False, False),
    "torch fft": (torch.channels_last, True, False),
    "torch.compile nchw": (torch.contiguous_format, False, True),
    "torch.compile channels_last": (torch.channels_last, False, True),
    "torch.compile fft": (torch.channels_last, True, True),
}


def inference(network: Pelk, images: torch.Tensor, compiled: bool) -> Callable:
    """The forward pass of the merged form. Compiled, its weights are constants, which inductor can pack."""
    merged: nn.Module = Merged(network)
    if compiled:
        torch._inductor.config.freezing = True
        merged = torch.compile(merged)
    return lambda: merged(images)


def train_step(network: Pelk, images: torch.Tensor, compiled: bool) -> Callable:
    """One step of training, with the settings of the preset fashion-mnist."""
    forward = torch.compile(network) if compiled else network
    labels = torch.randint(network.config.classes, (len(images),))
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    decayed = [p for name, p in network.named_parameters() if p.ndim > 1 and not name.startswith("positions")]
    others = [p for name, p in network.named_parameters() if p.ndim == 1 or name.startswith("positions")]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=4e-3, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(forward(images), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0, foreach=True)
        optimizer.step()

    return step


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--peer", choices=PEERS, required=True)
    args = parser.parse_args()
    [kind] = args.passes
    import_bytes = peak_bytes()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layout, fft, compiled = PEERS[args.peer]
    network = Pelk(MODELS[args.model], args.size, layout, fft)
    images = torch.randn(args.batch, network.config.in_channels, args.size, args.size).to(
        memory_format=layout
    )
    call = {"inference": inference, "train_step": train_step}[kind](network, images, compiled)
    with torch.inference_mode(kind == "inference"):
        figures = measure(call, args)
    memory = {"peak_bytes": peak_bytes(), "import_bytes": import_bytes}
    head = {"bench": "model", "model": args.model, "pass": kind, "n": args.batch, "size": args.size}
    emit({**head, "threads": args.threads}, args.peer, {**figures, **memory})


if __name__ == "__main__":
    main()
