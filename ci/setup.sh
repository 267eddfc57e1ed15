#!/usr/bin/env bash
# What the checks need beyond a clone. That is a Rust toolchain and nothing else, so this installs nothing: it says
# what is missing and records the versions in the log. A software Vulkan driver for GPU tests would be installed here.
set -euo pipefail
if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH; install Rust from https://rustup.rs" >&2
    exit 1
fi
for tool in "rustc" "cargo" "cargo fmt" "cargo clippy"; do
    # Unquoted, since "cargo fmt" is a command and its argument.
    if ! $tool --version; then
        echo "error: \`$tool\` does not run; \`rustup component add rustfmt clippy\` adds what is missing" >&2
        exit 1
    fi
done
