#!/usr/bin/env bash
# Builds every guest under plugins/ into target/plugins/<name>.wasm.
#
# The compiler is the first of these that is here:
#   1. the toolchain on PATH, if it has wasm32-unknown-unknown's standard library (rustup target add wasm32-unknown-unknown)
#   2. Debian's rustc-web, cargo-web and rust-web-src: the standard library is built along (-Zbuild-std)
# All guests are built by one cargo invocation, so that the standard library and the SDK are built once.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
wasm=wasm32-unknown-unknown
guests=$root/target/guests
out=$root/target/plugins
tools=$root/target/tools
mkdir -p "$out"
cd "$root/plugins"

say_what_to_install() {
    cat >&2 <<MESSAGE
plugins/build.sh: no compiler here can build for $wasm. Install one of
  rustup target add $wasm
  apt-get install rustc-web cargo-web rust-web-src lld-19     (Debian)
MESSAGE
    exit 3
}

# Debian's linker by whatever version it has, or the one that comes with a rustup toolchain.
find_wasm_linker() {
    local candidate
    for candidate in wasm-ld-22 wasm-ld-21 wasm-ld-20 wasm-ld-19 wasm-ld; do
        command -v "$candidate" && return
    done
    candidate=$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$(uname -m)-unknown-linux-gnu/bin/rust-lld
    [ -x "$candidate" ] && echo "$candidate" && return
    echo "plugins/build.sh: no linker for $wasm: apt-get install lld-19" >&2
    exit 3
}

common=(build --release --locked --workspace --exclude componentize --target "$wasm")
if libdir=$(rustc --print target-libdir --target "$wasm" 2>/dev/null) && compgen -G "$libdir/libcore-*.rlib" >/dev/null; then
    CARGO_TARGET_DIR=$guests cargo "${common[@]}"
elif [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ]; then
    linker=$(find_wasm_linker)
    # -Zbuild-std is the one unstable thing; RUSTC_BOOTSTRAP lets a stable compiler do it.
    env -u RUSTUP_TOOLCHAIN -u RUSTC_WRAPPER -u CARGO -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS \
        PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker" CARGO_TARGET_DIR="$guests" \
        /usr/bin/cargo "${common[@]}" -Zbuild-std=std,panic_abort
else
    say_what_to_install
fi

CARGO_TARGET_DIR=$tools cargo build --release --locked -p componentize
pairs=()
for module in "$guests/$wasm"/release/*.wasm; do
    name=$(basename "$module" .wasm)
    pairs+=("$module" "$out/${name//_/-}.wasm")
done
"$tools/release/componentize" "${pairs[@]}"
ls -l "$out"/*.wasm | awk '{ printf "%8d  %s\n", $5, $NF }'
