#!/bin/sh
# Builds the guest agent, static, and packs it into the initramfs: guest/initramfs.sh OUT
# Called by the project's build. Honours CARGO_TARGET_DIR; needs cargo and nothing else.
set -eu

out=${1:?usage: guest/initramfs.sh OUT}
here=$(cd -- "$(dirname -- "$0")" && pwd)
target=x86_64-unknown-linux-gnu

# With --target, RUSTFLAGS spares build scripts and proc macros, which can't be static.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo build --manifest-path "$here/Cargo.toml" --profile native --package boxlite-guest --target "$target"

built=${CARGO_TARGET_DIR:-$here/../target}/$target/native
"$built/boxlite-initramfs" "$built/boxlite-guest" "$out"
