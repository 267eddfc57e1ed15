#!/usr/bin/env bash
# Builds the crates that compute for 64-bit ARM and runs their tests in QEMU, on the CPU backend: those of every
# kernel, every operator and every golden case, at the levels `portable` and `neon`.
#
# On Debian, root needs nothing else: this installs the cross linker and QEMU, and where the Rust toolchain
# cannot compile for ARM, it unpacks Debian's into target/aarch64/tools (560 MB), without installing that.
# On other machines it says what to install.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu
build=$PWD/target/aarch64
tools=$build/tools

if [ "$(uname -m)" = aarch64 ]; then
    echo "error: this is a 64-bit ARM machine, where \`cargo xtask test\` runs these tests without QEMU" >&2
    exit 1
fi
debian_root() { command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ "$(id -u)" = 0 ]; }
knows_target() { [ -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ]; }
emulator() { command -v qemu-aarch64-static || command -v qemu-aarch64; }

linker=aarch64-linux-gnu-gcc
missing=()
command -v "$linker" >/dev/null || missing+=("$linker, with the C library of $target (Debian: libc6-dev-arm64-cross)")
emulator >/dev/null || missing+=("qemu-aarch64 or qemu-aarch64-static (Debian: qemu-user-static)")
knows_target || [ -e "$tools/done" ] || missing+=("the Rust target (\`rustup target add $target\`)")
if [ ${#missing[@]} != 0 ] && ! debian_root; then
    echo "error: testing for 64-bit ARM needs more than is installed here, and this is not root on Debian," >&2
    echo "where ci/aarch64.sh would install it. Install:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
fi

if ! command -v "$linker" >/dev/null || ! emulator >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev \
        gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
fi

if ! knows_target; then
    if ! [ -e "$tools/done" ]; then
        rm -rf "$tools"
        # A view of the archive of its own, with both architectures. The empty status file lets nothing count
        # as installed, and the machine's own lists stay as they are.
        mkdir -p "$tools"/apt/lists/partial "$tools"/apt/cache/archives/partial "$tools/debs"
        : >"$tools/apt/status"
        apt=(-qq -o "Dir::State=$tools/apt" -o "Dir::State::lists=$tools/apt/lists"
            -o "Dir::State::status=$tools/apt/status" -o "Dir::Cache=$tools/apt/cache"
            -o APT::Architecture=amd64 -o APT::Architectures=amd64,arm64 -o APT::Sandbox::User=root)
        apt-get "${apt[@]}" update
        depends() {
            apt-cache "${apt[@]}" show --no-all-versions "$1" | grep '^Depends' | grep -oE "$2" | head -n 1
        }
        # Security updates raise the versions in these names.
        std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]+')
        llvm=$(depends "$std" 'libllvm[0-9]+')
        (cd "$tools/debs" && apt-get "${apt[@]}" download rustc-web "$std" "$llvm" \
            libstd-rust-web-dev libstd-rust-web-dev:arm64)
        for deb in "$tools"/debs/*.deb; do dpkg -x "$deb" "$tools/root"; done
        rm -rf "$tools/debs" "$tools/apt"
        touch "$tools/done"
    fi
    export LD_LIBRARY_PATH="$tools/root/usr/lib/x86_64-linux-gnu"
    export RUSTC="$tools/root/usr/bin/rustc" RUSTDOC="$tools/root/usr/bin/rustdoc"
    if ! "$RUSTC" --version >/dev/null 2>&1; then
        # Libraries that the unpacked compiler's LLVM wants of the system.
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            libedit2 libffi8 libxml2 libz3-4
    fi
    "$RUSTC" --version
fi

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$linker
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$(emulator) -L /usr/aarch64-linux-gnu"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER
# There is no GPU in QEMU. Dependencies compute little, so what counts is that they compile fast; GPU crates
# are compiled because tests depend on them, without their drivers.
export PELK_BACKEND=cpu CARGO_PROFILE_DEV_OPT_LEVEL=0
arm() { cargo test --locked --target "$target" --target-dir "$build" "$@"; }
arm --lib -p pelk-simd -p pelk-grid -p pelk-random -p pelk-ops -p pelk-cpu
# Without what tests the plain float64 loops alone: that takes minutes in QEMU and concerns no level.
arm --no-default-features -p pelk-autodiff -p pelk-models --test operators --test golden -- \
    --skip gradients_are_differences_of_values --skip every_golden_case_holds_on_the_reference
