"""Writes docs/benchmarks.md from the measured lines: medians over the rounds of the latest run of each case.

With `--least`, the minimum over all runs instead, for a machine that others use at the same time; the page
says so. The results may be of several machines, one file appended to the other: each section then has tables
for each machine. Without results, only the sections of the detector and of GPUs are written anew.
"""

import sys
import textwrap
from collections.abc import Callable
from statistics import median

import detection
import gpu
from plan import (
    GEMM_PEERS,
    GEMM_PELK,
    LAYOUTS,
    MODEL_PEERS,
    ORT_PEERS,
    ROOT,
    RUST,
    Case,
    cases,
    known_by,
    peer_of,
    read_results,
)

LEAST = "--least" in sys.argv
TARGET = ROOT / "docs/benchmarks.md"
NONE = "not measured"

Line = dict[str, object]
Measured = dict[str, Line]  # by peer; "pelk" is ours


def summary(lines: list[Line]) -> Line:
    """One line of several rounds."""
    numbers = ("ms", "floor_ms", "peak_bytes", "peak_gflops")
    found = {name: [line[name] for line in lines if line.get(name) is not None] for name in numbers}
    result = {name: median(values) for name, values in found.items() if values}
    return {**result, "ms": min(line["min_ms"] for line in lines)} if LEAST else result


def measured(case: Case, kind: str, lines: list[Line]) -> Measured:
    """The latest measurement of one pass of a case by each program."""
    mine = [line for line in lines if known_by(line, case) and line["pass"] == kind]
    result = {}
    for peer in ("pelk", *case.peers):
        own = [line for line in mine if peer_of(line) == peer]
        latest = max((line["started"] for line in own), default=None)
        if own:
            result[peer] = summary([line for line in own if line["started"] == latest])
    return result


def milliseconds(line: Line | None, name: str = "ms") -> str:
    if line is None or name not in line:
        return NONE
    value = line[name]
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def times(a: Line | None, b: Line | None, first: str = "ms", second: str = "ms") -> str:
    return f"{a[first] / b[second]:.2f}" if a and b and first in a and second in b else NONE


def memory(line: Line | None) -> str:
    return f"{line['peak_bytes'] / 2**20:,.0f}" if line and line.get("peak_bytes") else NONE


def best(found: Measured) -> str | None:
    """The fastest rival."""
    rivals = [peer for peer in found if peer != "pelk"]
    return min(rivals, key=lambda peer: found[peer]["ms"], default=None)


def table(head: list[str], rows: list[list[str]], words: int) -> str:
    """A Markdown table whose first `words` columns are text, the others numbers."""
    rules = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rules, *rows])


def name_of(fields: Line) -> list[str]:
    """The first columns of a case's row."""
    match fields["bench"]:
        case "peripheral_conv":
            return [
                f"{fields['c']}",
                f"{fields['h']} x {fields['w']}",
                f"{fields['kernel']} ({fields['center']})",
            ]
        case "depthwise_conv":
            return [
                f"{fields['c']}",
                f"{fields['h']} x {fields['w']}",
                f"{fields['kernel_h']} x {fields['kernel_w']}",
            ]
        case "pixel_mlp":
            return [f"{fields['rows']}", f"{fields['c']}"]
        case _:
            return [f"`{fields['model']}`", f"{fields['size']}", f"{fields['n']}"]


HEADS = {
    "peripheral_conv": ["channels", "map", "kernel (center)"],
    "depthwise_conv": ["channels", "map", "kernel"],
    "pixel_mlp": ["pixels", "channels"],
    "model": ["network", "image", "images per pass"],
}


def against_best(
    todo: list[Case], lines: list[Line], extra: Callable[[Case, Measured], list[str]], heads: list[str]
) -> str:
    """Ours, the floor and the fastest rival."""
    rows = []
    for case in todo:
        for kind in case.passes:
            found = measured(case, kind, lines)
            ours, rival = found.get("pelk"), best(found)
            row = [milliseconds(ours), milliseconds(ours, "floor_ms"), times(ours, ours, "ms", "floor_ms")]
            row += [milliseconds(found.get(rival)), times(found.get(rival), ours), rival or NONE]
            rows.append([*name_of(case.fields), kind, *row, *extra(case, found)])
    head = [
        *HEADS[todo[0].fields["bench"]],
        "pass",
        "pelk ms",
        "floor ms",
        "over floor",
        "best rival ms",
        "over pelk",
        "which",
    ]
    return table(head + heads, rows, len(HEADS[todo[0].fields["bench"]]) + 1)


def all_rivals(
    todo: list[Case], lines: list[Line], peers: tuple[str, ...], cell: Callable[[Line | None], str]
) -> str:
    """A column for each rival."""
    rows = []
    for case in todo:
        for kind in case.passes:
            found = measured(case, kind, lines)
            rows.append([*name_of(case.fields), kind, *(cell(found.get(peer)) for peer in peers)])
    names = HEADS[todo[0].fields["bench"]]
    return table([*names, "pass", *peers], rows, len(names) + 1)


def nothing(_: Case, __: Measured) -> list[str]:
    return []


def best_memory(_: Case, found: Measured) -> list[str]:
    return [memory(found.get("pelk")), memory(found.get(best(found)))]


def training(case: Case, found: Measured) -> list[str]:
    """Memory, then images a second."""
    rates = [
        1e3 * case.fields["n"] / found[peer]["ms"] if peer in found else None
        for peer in ("pelk", best(found))
    ]
    return best_memory(case, found) + [NONE if rate is None else f"{rate:,.1f}" for rate in rates]


def gflops(case: Case, line: Line | None) -> float | None:
    """Billions of operations per second of a matrix product; a multiply-add counts as two."""
    if line is None:
        return None
    operations = 2 * case.fields["rows"] * case.fields["inputs"] * case.fields["outputs"]
    return operations / line["ms"] / 1e6


def rate_cell(rate: float | None) -> str:
    return NONE if rate is None else f"{rate:,.1f}"


def share_cell(rate: float | None, peak: float | None) -> str:
    return NONE if rate is None or peak is None else f"{rate / peak:.2f}"


def products(todo: list[Case], lines: list[Line]) -> str:
    """GFLOP/s of each library on matrix products, then the medians over the widths of PeLK."""
    libs = ("pelk", *GEMM_PEERS)
    rows = []
    # By threads and pass: by library, GFLOP/s and share of the peak of each product of PeLK.
    pelk_widths: dict[tuple[int, str], dict[str, list[tuple[float, float]]]] = {}
    for case in todo:
        shape = [case.fields[name] for name in ("rows", "inputs", "outputs")]
        threads = case.fields["threads"]
        for kind in case.passes:
            found = measured(case, kind, lines)
            # Only our command measures the peak.
            peak = found.get("pelk", {}).get("peak_gflops")
            rates = {lib: gflops(case, found.get(lib)) for lib in libs}
            cells = [rate_cell(rates[lib]) if lib in ("pelk", *case.peers) else "-" for lib in libs]
            row = [*map(str, shape), kind, str(threads), *cells, rate_cell(peak)]
            rows.append([*row, *(share_cell(rates[lib], peak) for lib in ("pelk", "torch"))])
            if (shape[0], min(shape[1:])) in GEMM_PELK:
                by_lib = pelk_widths.setdefault((threads, kind), {lib: [] for lib in libs})
                # A median over other products would not be comparable.
                measured_by = [lib for lib in libs if rates[lib] is not None]
                if peak is not None and {"pelk", *case.peers} == set(measured_by):
                    for lib in measured_by:
                        by_lib[lib].append((rates[lib], rates[lib] / peak))
    head = ["rows", "inputs", "outputs", "pass", "threads", *libs, "peak", "pelk, of peak", "torch, of peak"]
    medians = []
    for (threads, kind), by_lib in pelk_widths.items():
        count = str(len(by_lib["pelk"]))
        # matrixmultiply has one thread.
        cells = [
            "-"
            if threads > 1 and lib == "matrixmultiply"
            else f"{median(rate for rate, _ in both):,.1f} ({median(share for _, share in both):.2f})"
            if (both := by_lib[lib])
            else NONE
            for lib in libs
        ]
        medians.append([kind, str(threads), count, *cells])
    summary_head = ["pass", "threads", "products", *libs]
    return (
        f"{table(head, rows, 4)}\n\nMedians over the widths of PeLK-T, of the products that every library "
        f"measured: GFLOP/s, and in brackets the share of the peak.\n\n{table(summary_head, medians, 1)}"
    )


def label(line: Line) -> str:
    """A machine's name. Processors of one name may differ in their instructions."""
    return f"{line['cores']} cores of {line['cpu']} ({', '.join(line['features'])})"


def by_machine(lines: list[Line]) -> dict[str, list[Line]]:
    """The lines of each machine, by its label. A run's lines follow the one that describes its machine."""
    found: dict[str, list[Line]] = {}
    name = ""
    for line in lines:
        if line["bench"] == "machine":
            name = label(line)
        if not name:
            sys.exit("the results do not start with a line of their machine; measure again")
        found.setdefault(name, []).append(line)
    return found


def on_each(todo: list[Case], lines: list[Line], tables: Callable[[list[Line]], str], named: bool) -> str:
    """The tables of each machine that measured any of the cases, with its name if `named` or if there are
    several machines in the results."""
    machines = by_machine(lines)
    parts = [
        f"On {name}:\n\n{tables(own)}" if named or len(machines) > 1 else tables(own)
        for name, own in machines.items()
        if any(known_by(line, case) for line in own for case in todo)
    ]
    return "\n\n".join(parts) or tables([])


def machine(lines: list[Line]) -> str:
    """The machines, and the versions of what was measured."""
    parts = [one_machine(own) for own in by_machine(lines).values()]
    return "\n\n".join(parts) or "Nothing has been measured yet."


def one_machine(lines: list[Line]) -> str:
    """One machine, from its lines."""
    found = [line for line in lines if line["bench"] == "machine"]
    last = found[-1]
    levels = {line["simd"] for line in lines if "simd" in line and line["started"] == last["started"]}
    versions = ", ".join(f"{name} {number}" for name, number in last["versions"].items())
    first_day, last_day = found[0]["started"][:10], last["started"][:10]
    days = first_day if first_day == last_day else f"{first_day} to {last_day}"
    return (
        f"Measured {days} on {label(last)}, {last['memory_gib']} GiB of memory; pelk with "
        f"{' and '.join(sorted(levels)) or 'no'} instructions. Versions: {versions}."
    )


STATISTIC = {
    False: "Times are in ms: the median over the rounds of each round's median, after warm-up.",
    True: "Times are in ms: the minimum over all runs, because others used the machine at the same time.",
}

PAGE = """# Benchmarks

Generated by `bench/peers/run.sh`, which measures pelk and its rivals in turn; do not edit this page by hand.

{machine}

{statistic} The floor is the time that the multiply-adds take at the measured peak rate of one core times the
number of threads. Every output counts one multiply-add per parameter, except for blocks of a kernel that lie
wholly outside the image; each of the two gradients counts as many as the forward pass. A large kernel needs
fewer with spectra, so a convolution may take less time than its floor. "over floor" is our time divided by
the floor, "over pelk" the best rival's time divided by ours. What each rival computes, and what it computes
before its clock starts, is described in `bench/peers/README.md`.

## Peripheral convolution

One image, one thread. Rivals compute the expanded dense kernel; the pass forward_backward also computes the
gradients of image and theta.

{peripheral}

All rivals, ms:

{peripheral_rivals}

## Depthwise convolution with dense kernels and stripes

One image, one thread.

{depthwise}

All rivals, ms:

{depthwise_rivals}

## Pixel MLP

LayerNorm, linear layer to four times the channels, GELU, linear layer back, layer scale, residual; one
thread. The rival is PyTorch.

{mlp}

## Matrix products

GFLOP/s of the products of a linear layer with `inputs` and `outputs` for `rows` pixels: fwd is the output, dx
and dw are the gradients of input and weight. A multiply-add counts as two operations; the peak is that of
multiply-adds in registers. The widths are those of PeLK-T, then of ConvNeXt-T, on one 224 x 224 image. Unlike
in other sections, a sample only counts if the machine was at its peak just before and after it.

{gemm}

## Inference of whole networks

The merged form, {threads} threads. Memory is the peak of the whole process in MiB, libraries included. The
rival "onnxruntime boxes" has the compact form of the kernels: boxes along rows, banded matrices along
columns.

{model}

All rivals, ms:

{model_rivals}

Memory of all rivals, MiB; importing PyTorch alone takes {torch_import}, ONNX Runtime {ort_import}:

{model_memory}

## Training

Forward pass, loss, backward pass, norm of the gradients and AdamW, {threads} threads. `pelk_atto` with 128
images is the default of `cargo xtask train`.

{train}

All rivals, ms:

{train_rivals}

Memory of all rivals, MiB:

{train_memory}

## Detection

Measured by `bench/peers/detection.py`, which says what a training step and a detection are.

{detection}

## GPU

Measured by `bench/peers/gpu.py`: operators by the device's clock, networks until their result is in host
memory. PyTorch's depthwise convolutions are those of cuDNN, or by FFT. Software GPUs are only for tests and
are not measured.

{gpu}
"""


def wrapped(page: str) -> str:
    """The page with its paragraphs wrapped at 110 columns; headings and tables stay."""
    parts = page.strip().split("\n\n")
    fill = textwrap.TextWrapper(110, break_long_words=False, break_on_hyphens=False).fill
    return "\n\n".join(part if part[0] in "#|" else fill(part) for part in parts) + "\n"


def page(lines: list[Line]) -> str:
    threads = max((line["threads"] for line in lines if line["bench"] == "model"), default=2)
    todo = cases(threads)

    def some(bench: str, group: str = "") -> list[Case]:
        return [case for case in todo if case.fields["bench"] == bench and group in case.group]

    def imports(word: str) -> str:
        found = [
            line["import_bytes"]
            for line in lines
            if word in str(line.get("peer", "")) and "import_bytes" in line
        ]
        return f"{median(found) / 2**20:,.0f}" if found else NONE

    def each(todo: list[Case], tables: Callable[[list[Line]], str]) -> str:
        return on_each(todo, lines, tables, named=False)

    peripheral, depthwise, mlp = some("peripheral_conv"), some("depthwise_conv"), some("pixel_mlp")
    gemm = some("gemm")
    model, train = some("model", "model"), some("model", "train")
    run = (*MODEL_PEERS, *ORT_PEERS)
    memories, rates = ["pelk MiB", "rival MiB"], ["pelk images/s", "rival images/s"]
    return PAGE.format(
        machine=machine(lines),
        statistic=STATISTIC[LEAST],
        threads=threads,
        peripheral=each(peripheral, lambda own: against_best(peripheral, own, nothing, [])),
        peripheral_rivals=each(
            peripheral, lambda own: all_rivals(peripheral, own, (*LAYOUTS, "torch fft", *RUST), milliseconds)
        ),
        depthwise=each(depthwise, lambda own: against_best(depthwise, own, nothing, [])),
        depthwise_rivals=each(depthwise, lambda own: all_rivals(depthwise, own, LAYOUTS, milliseconds)),
        mlp=each(mlp, lambda own: against_best(mlp, own, nothing, [])),
        gemm=on_each(gemm, lines, lambda own: products(gemm, own), named=True),
        model=each(model, lambda own: against_best(model, own, best_memory, memories)),
        model_rivals=each(model, lambda own: all_rivals(model, own, run, milliseconds)),
        model_memory=each(model, lambda own: all_rivals(model, own, run, memory)),
        train=each(train, lambda own: against_best(train, own, training, memories + rates)),
        train_rivals=each(train, lambda own: all_rivals(train, own, MODEL_PEERS, milliseconds)),
        train_memory=each(train, lambda own: all_rivals(train, own, MODEL_PEERS, memory)),
        torch_import=imports("torch"),
        ort_import=imports("onnxruntime"),
        detection=detection.section(detection.kept()),
        gpu=gpu.section(gpu.kept()),
    )


def sections(text: str) -> dict[str, str]:
    """The sections of the page by their title; the part before the first one is called ''."""
    return {part.partition("\n")[0] if place else "": part for place, part in enumerate(text.split("\n## "))}


def main() -> None:
    lines = read_results()
    text = wrapped(page(lines))
    # Only the lines of these two are in the repository, so that a checkout can write their sections anew.
    if not lines:
        new = sections(text)
        text = "\n## ".join(
            new[title] if title in ("Detection", "GPU") else part
            for title, part in sections(TARGET.read_text()).items()
        )
    TARGET.write_text(text)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
