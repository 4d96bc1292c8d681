#!/usr/bin/env bash
# packages.sh build|guests|test|languages: installs the system packages that a step needs and that are missing.
# On Debian and Ubuntu with apt (through sudo when not root); elsewhere it says what to install and stops.
set -euo pipefail

step=${1:?usage: packages.sh build|guests|test|languages}
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }

# A rustup or system toolchain must be there; everything else can be installed.
command -v cargo >/dev/null 2>&1 || { echo "Rust is missing: install it with rustup (https://rustup.rs), then run this again." >&2; exit 1; }

case $step in
  build)
    need cc build-essential
    need make make
    need cmake cmake
    need pkg-config pkg-config
    need python3 python3
    ;;
  guests)
    # Rustup's toolchain may have the target; if not, rustup may be able to fetch it; if not, Debian's compiler builds it.
    target=wasm32-unknown-unknown
    libdir=$(rustc --print target-libdir --target $target 2>/dev/null || true)
    if ! compgen -G "$libdir/libcore-*.rlib" >/dev/null; then
      if command -v rustup >/dev/null 2>&1 && timeout 120 rustup target add $target >/dev/null 2>&1; then
        exit 0
      fi
      [ -x /usr/bin/rustc ] && [ -f /usr/lib/rustlib/src/rust/library/std/Cargo.toml ] || missing+=(rustc-web cargo-web rust-web-src)
      command -v wasm-ld-19 >/dev/null 2>&1 || missing+=(lld-19)
    fi
    ;;
  test)
    need java openjdk-17-jre-headless
    need mvn maven
    need python3 python3
    python3 -m venv --help >/dev/null 2>&1 || missing+=(python3-venv)
    ;;
  languages)
    need node nodejs
    need npm npm
    need python3 python3
    python3 -m venv --help >/dev/null 2>&1 || missing+=(python3-venv)
    ;;
  *) echo "packages.sh: unknown step '$step'" >&2; exit 2 ;;
esac

[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "These packages are missing, and this system has no apt-get: install them by hand: ${missing[*]}" >&2
  exit 1
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "installing ${missing[*]}"
$sudo apt-get update -q >/dev/null || { echo "apt-get update failed; are the package sources reachable?" >&2; exit 1; }
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q "${missing[@]}" >/tmp/calzone-apt.log 2>&1 \
  || { tail -20 /tmp/calzone-apt.log >&2; echo "apt-get could not install: ${missing[*]}" >&2; exit 1; }
