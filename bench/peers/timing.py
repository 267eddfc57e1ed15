"""Shared by the measuring scripts: options, the clock, the lines that they print, and the memory of
the process."""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

SLOW = 1.0  # seconds per call above which `--slow-runs` applies
FILL = 0.3  # seconds that the runs of a short call fill, as in `cargo xtask bench`


def arguments(description: str) -> argparse.ArgumentParser:
    """The options of every script."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=1, metavar="N")
    parser.add_argument("--pass", dest="passes", type=lambda text: set(text.split(",")), metavar="PASS,...")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--runs", type=int, default=10, help="minimum number of timed runs")
    parser.add_argument(
        "--slow-runs", type=int, default=10, help=f"runs of a call that takes more than {SLOW} s"
    )
    parser.add_argument("--skip", action="append", default=[], metavar="PEER:PASS", help="leave this one out")
    return parser


def numbers(count: int) -> Callable[[str], list[int]]:
    """The type of an option that takes `count` numbers between commas."""

    def parse(text: str) -> list[int]:
        values = [int(item) for item in text.split(",")]
        if len(values) != count:
            raise argparse.ArgumentTypeError(f"takes {count} numbers")
        return values

    return parse


def measure(call: Callable[[], object], args: argparse.Namespace) -> dict[str, float]:
    """Median and minimum of the time of `call`, in ms, after a call or two to warm up."""

    def once() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    first = once()
    expected = first if first > 10 * SLOW else once()
    runs = args.slow_runs if expected > SLOW else max(args.runs, min(1000, int(FILL / expected)))
    times = [1e3 * once() for _ in range(runs)]
    return {"ms": round(statistics.median(times), 4), "min_ms": round(min(times), 4), "runs": runs}


def print_line(line: dict[str, object]) -> None:
    """Prints one measurement."""
    print(json.dumps(line), flush=True)


def emit(head: dict[str, object], peer: str, figures: dict[str, object]) -> None:
    """Prints one measurement: the fields that `cargo xtask bench` would print, and the peer."""
    print_line({**head, "peer": peer, **figures})


def peak_bytes() -> int:
    """The peak resident memory of this process so far (Linux counts it in KiB)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
