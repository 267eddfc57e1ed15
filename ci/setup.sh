#!/usr/bin/env bash
# What the checks need beyond a clone: a Rust toolchain, which this only looks for, and a GPU. Where no Vulkan driver is
# installed, and apt-get can, it installs Mesa's, which has one in software (lavapipe).
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

# The places where Vulkan's loader looks for drivers.
if ! compgen -G "/usr/share/vulkan/icd.d/*.json" >/dev/null && ! compgen -G "/etc/vulkan/icd.d/*.json" >/dev/null; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "error: no Vulkan driver is installed, and this is not root on Debian; install one by hand" >&2
        exit 1
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1
fi
