#!/usr/bin/env bash
# Measures pelk and its rivals in turn and writes docs/benchmarks.md. Needs Python 3.11 or newer, a C++
# compiler for torch.compile, and the first time the network. It installs and builds in $PELK_PEERS_DIR, by
# default ~/.cache/pelk-peers. Options: see `measure.py --help`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PELK_PEERS_DIR=${PELK_PEERS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pelk-peers}
python=$PELK_PEERS_DIR/venv/bin/python
if [[ ! -x $python ]]; then
    mkdir -p "$PELK_PEERS_DIR"
    python3 -m venv "$PELK_PEERS_DIR/venv"
fi
"$python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
# Checks the options first, so that a typo does not cost a build.
"$python" "$here/measure.py" --check "$@"
log=$PELK_PEERS_DIR/check.log
"$python" "$here/check.py" >"$log" || { tail -5 "$log" >&2; exit 1; }
(cd "$here/../.." && cargo build --release --package pelk)
if [[ " $* " != *" --skip-rust "* ]]; then
    rust=$here/rust/Cargo.toml
    cargo build --release --locked --manifest-path "$rust" --target-dir "$PELK_PEERS_DIR/target"
fi
"$python" "$here/measure.py" "$@"
"$python" "$here/report.py"
