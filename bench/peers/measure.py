"""Measures pelk and its rivals in turn and appends to the results: in every round, for every case, our
program and then each rival, in separate processes. If the machine slows down for a while, it therefore slows
down all of them.

A rival that takes more than a second and is not the fastest of its case is measured in the first round only.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from plan import FOLDER, HERE, RESULTS, ROOT, Case, cases, known_by, peer_of

SLOW_MS = 1000
FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "amx_tile", "asimd", "sve")


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def of_processor(*names: str) -> str:
    """The first of these fields in Linux's description of the processor."""
    info = Path("/proc/cpuinfo").read_text()
    match = re.search(rf"^(?:{'|'.join(names)})\s*:\s*(.*)$", info, re.MULTILINE)
    return match[1] if match else ""


def processor() -> str:
    """The processor's name."""
    return of_processor("model name") or platform.machine()


def machine() -> dict[str, object]:
    """The processor, and the versions of everything measured."""
    flags = of_processor("flags", "Features").split()
    lock = (HERE / "rust/Cargo.lock").read_text()
    crates = {
        name: re.search(rf'name = "{name}"\nversion = "(.*)"', lock)[1]
        for name in ("candle-core", "burn-tensor")
    }
    dirty = "-dirty" if output("git", "status", "--porcelain", "crates", "xtask", "Cargo.lock") else ""
    return {
        "cpu": processor(),
        "features": [name for name in FEATURES if name in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "versions": {
            "pelk": output("git", "rev-parse", "--short", "HEAD") + dirty,
            "rustc": output("rustc", "--version").split()[1],
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "onnxruntime")},
            **crates,
        },
    }


def lines_of(command: list[str], threads: int) -> list[dict[str, object]]:
    """The lines that a command printed; a rival that fails is reported and left out."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        print(f"failed: {' '.join(command)}\n{done.stderr[-2000:]}", file=sys.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def slow(seen: list[dict[str, object]]) -> set[tuple[str, str]]:
    """Peer and pass of those that need not be measured again."""
    rivals = [line for line in seen if peer_of(line) != "pelk"]
    fastest = {
        kind: min(line["ms"] for line in rivals if line["pass"] == kind)
        for kind in {r["pass"] for r in rivals}
    }
    return {(peer_of(r), r["pass"]) for r in rivals if r["ms"] > max(SLOW_MS, fastest[r["pass"]])}


def one_round(case: Case, seen: list[dict[str, object]]) -> list[dict[str, object]]:
    """One measurement of every program, except those that were slow before."""
    threads = case.fields["threads"]
    ours = ["cargo", "xtask", "bench", "--json", *case.ours, "--threads", str(threads)]
    if case.group != "gemm":  # which measures its three passes at once
        ours += ["--pass", ",".join(case.passes)]
    lines = lines_of(ours, threads)
    skipped = slow(seen)
    for rival in case.rivals:
        if "--peer" in rival and (rival[rival.index("--peer") + 1], case.passes[0]) in skipped:
            continue
        skips = (
            [] if case.group in ("model", "train") else [f"--skip={peer}:{kind}" for peer, kind in skipped]
        )
        lines += lines_of([*rival, *skips], threads)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = ("conv", "mlp", "gemm", "model", "train")
    parser.add_argument("--only", action="append", choices=groups, help="measure this part; can be repeated")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument(
        "--threads", type=int, default=2, metavar="N", help="threads of models; others are fixed"
    )
    parser.add_argument(
        "--slow-runs", type=int, default=3, metavar="N", help="runs a round of calls of over a second"
    )
    parser.add_argument("--skip-rust", action="store_true", help="without candle and burn")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.check:
        return
    todo = cases(args.threads, args.slow_runs, not args.skip_rust)
    todo = [case for case in todo if not args.only or case.group in args.only]
    FOLDER.mkdir(parents=True, exist_ok=True)
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    seen: list[list[dict[str, object]]] = [[] for _ in todo]
    with RESULTS.open("a") as results:
        print(json.dumps({"bench": "machine", "started": started, **machine()}), file=results, flush=True)
        for number in range(1, args.rounds + 1):
            for case, lines in zip(todo, seen):
                print(
                    f"round {number} of {args.rounds}: {case.passes[-1]} {' '.join(case.ours)}",
                    file=sys.stderr,
                )
                for line in one_round(case, lines):
                    assert known_by(line, case), f"{line} is not of {case.fields}"
                    lines.append(line)
                    print(json.dumps({"started": started, "round": number, **line}), file=results, flush=True)


if __name__ == "__main__":
    main()
