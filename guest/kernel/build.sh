#!/usr/bin/env bash
# Builds the kernel of every box:  guest/kernel/build.sh OUT_DIR [--keep-source]
#
# Puts vmlinux, config, System.map and SOURCE into OUT_DIR. The result is cached by a hash of what goes in (fragment, patches, pack.c,
# this script, source version, compiler version), so a machine builds it once; two builders at once wait for each other.
#
#   BOXLITE_CACHE=DIR               the cache (default ${XDG_CACHE_HOME:-~/.cache}/boxlite-build)
#   BOXLITE_KERNEL_SOURCE=TARBALL   a linux-6.1.x tarball, Debian's or kernel.org's; without it Debian's linux-source-6.1 is downloaded
#   --keep-source                   leaves the source tree in the cache, for `make menuconfig` and experiments
set -euo pipefail
umask 022
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { echo "kernel: $*" >&2; exit 1; }
say() { echo "kernel: [${SECONDS}s] $*" >&2; }

out='' keep_source=''
for argument in "$@"; do
  case $argument in
    --keep-source) keep_source=1 ;;
    -*) fail "unknown option: $argument" ;;
    *) [ -z "$out" ] || fail "one OUT_DIR, please"; out=$argument ;;
  esac
done
[ -n "$out" ] || fail "usage: build.sh OUT_DIR [--keep-source]"
[ "$(uname -m)" = x86_64 ] || fail "builds on x86-64 only, this is $(uname -m)"

cache=${BOXLITE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/boxlite-build}/kernel
mkdir -p "$cache" "$out"
out=$(cd "$out" && pwd)

# --- What goes in. Each part is hashed by content; the source version is the one part that may have to be asked for.
ingredients=$(cd "$here" && cat boxlite.config pack.c build.sh patches/*.patch | sha256sum | cut -c1-64)
compiler=$({ gcc --version 2>/dev/null || echo 'no gcc'; } | head -n 1)

deb_version() { apt-cache policy linux-source-6.1 2>/dev/null | awk '/Candidate:/ && $2 != "(none)" {print $2}'; }
tarball=${BOXLITE_KERNEL_SOURCE:-}
if [ -n "$tarball" ]; then
  [ -r "$tarball" ] || fail "BOXLITE_KERNEL_SOURCE is not readable: $tarball"
  source="tarball $(basename "$tarball") sha256 $(sha256sum "$tarball" | cut -c1-64)"
else
  version=$(deb_version || true)
  source=${version:+Debian linux-source-6.1 $version}
fi

deliver() { # $1: a finished folder of the cache; each file appears whole
  local file
  for file in vmlinux config System.map SOURCE; do
    cp "$1/$file" "$out/.$file.$$"
    mv -f "$out/.$file.$$" "$out/$file"
  done
}

if [ -z "$source" ]; then
  # Nobody to ask for the version (no apt, or no lists): a kernel made of the same ingredients will do.
  for known in "$cache"/*/; do
    if [ "$(cat "$known/ingredients" 2>/dev/null)" = "$ingredients" ]; then
      say "source version unknown, using the cached kernel: $(head -n 1 "$known/SOURCE")"
      deliver "$known"
      exit 0
    fi
  done
fi
hash=$(printf '%s\n' "$ingredients" "$source" "$compiler" | sha256sum | cut -c1-32)
done_dir=$cache/$hash
if [ -n "$source" ] && [ -e "$done_dir/vmlinux" ] && [ -z "$keep_source" ]; then deliver "$done_dir"; exit 0; fi

# --- Tools, before anything is downloaded.
missing=()
has() { command -v "$1" >/dev/null || missing+=("$2"); }
has gcc gcc; has make make; has flex flex; has bison bison; has bc bc; has perl perl; has xz xz-utils; has patch patch; has strip binutils
has cpio cpio; has flock util-linux
[ -e /usr/include/libelf.h ] || [ -e /usr/local/include/libelf.h ] || missing+=(libelf-dev)
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
if [ -z "$tarball" ]; then has apt-get apt; has dpkg-deb dpkg; fi
[ ${#missing[@]} = 0 ] || fail "missing tools; run: sudo apt-get install -y $(printf '%s\n' "${missing[@]}" | sort -u | tr '\n' ' ')"

# --- One builder at a time; the second one finds the first one's work.
exec 9>"$cache/lock"
if ! flock -n 9; then say "another build is running, waiting for it"; flock 9; fi
if [ -n "$source" ] && [ -e "$done_dir/vmlinux" ] && [ -z "$keep_source" ]; then deliver "$done_dir"; exit 0; fi
rm -rf "$cache"/work.* # left by a build that was killed: the lock is ours, so nobody uses them

work=$(mktemp -d "$cache/work.XXXXXX")
chmod 755 "$work"
building=''
clean() {
  trap - EXIT
  [ -z "$building" ] || kill -- "-$building" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# --- The source.
if [ -z "$tarball" ]; then
  if [ -z "$source" ]; then
    [ "$(id -u)" != 0 ] || apt-get update -q >"$work/apt.log" 2>&1 || true
    version=$(deb_version || true)
    [ -n "$version" ] || fail "apt knows no linux-source-6.1; run 'apt-get update' on Debian 12, or set BOXLITE_KERNEL_SOURCE to a linux-6.1.x tarball"
    source="Debian linux-source-6.1 $version"
    hash=$(printf '%s\n' "$ingredients" "$source" "$compiler" | sha256sum | cut -c1-32)
    done_dir=$cache/$hash
    if [ -e "$done_dir/vmlinux" ] && [ -z "$keep_source" ]; then deliver "$done_dir"; exit 0; fi
  fi
  say "downloading linux-source-6.1 $version"
  (cd "$work" && apt-get download -q "linux-source-6.1=$version" >>apt.log 2>&1) || { tail -n 3 "$work/apt.log" >&2; fail "could not download linux-source-6.1 $version"; }
  dpkg-deb --fsys-tarfile "$work"/linux-source-6.1_*.deb | tar -xOf - ./usr/src/linux-source-6.1.tar.xz >"$work/source.tar.xz"
  rm -f "$work"/*.deb
  tarball=$work/source.tar.xz
  package="Source package: linux $version of Debian (binary package linux-source-6.1)
Get it with:    apt-get source linux=$version   or from https://snapshot.debian.org/package/linux/"
else
  package="Source package: $source
Get it from:    https://cdn.kernel.org/pub/linux/kernel/v6.x/ (kernel.org) or https://snapshot.debian.org/package/linux/ (Debian)"
fi
say "unpacking"
mkdir "$work/linux"
tar -xf "$tarball" -C "$work/linux" --strip-components=1
tree=$work/linux
[[ "$(make -s -C "$tree" kernelversion)" == 6.1.* ]] || fail "expected Linux 6.1.x, this tarball is $(make -s -C "$tree" kernelversion)"
kernel_version=$(make -s -C "$tree" kernelversion)
for file in "$here"/patches/*.patch; do
  patch -s -p1 -d "$tree" <"$file" || fail "does not apply to $kernel_version: $(basename "$file")"
done

# --- The configuration. Kconfig drops what it cannot honour without a word, so every line is looked up afterwards.
export ARCH=x86_64 KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=boxlite KBUILD_BUILD_HOST=boxlite KBUILD_BUILD_VERSION=1
unset MAKEFLAGS MFLAGS CROSS_COMPILE KBUILD_OUTPUT O
KCONFIG_ALLCONFIG=$here/boxlite.config make -s -C "$tree" allnoconfig >"$work/config.log" 2>&1 || { tail -n 5 "$work/config.log" >&2; fail "allnoconfig failed"; }
lost=()
while IFS= read -r line; do
  case $line in
    CONFIG_*) grep -qxF -- "$line" "$tree/.config" || lost+=("$line") ;;
    '# CONFIG_'*' is not set') name=${line#\# }; ! grep -q "^${name%% *}=" "$tree/.config" || lost+=("$line") ;;
  esac
done <"$here/boxlite.config"
[ ${#lost[@]} = 0 ] || fail "these lines of boxlite.config did not survive:$(printf '\n  %s' "${lost[@]}")"

# --- Compile, strip, pack.
say "compiling Linux $kernel_version on $(nproc) CPUs, about 7 minutes on two"
set -m # a process group of its own, so that a signal ends all of it
make -C "$tree" -j"$(nproc)" vmlinux >"$work/make.log" 2>&1 9>&- &
building=$!
set +m
while kill -0 "$building" 2>/dev/null; do
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do kill -0 "$building" 2>/dev/null || break 2; sleep 1; done
  say "$(grep -cE '^  (CC|AS|AR)' "$work/make.log" || true) files done"
done
wait "$building" || { building=''; grep -E 'error|Error' "$work/make.log" | head -n 10 >&2; tail -n 5 "$work/make.log" >&2; cp "$work/make.log" "$cache/failed.log"; fail "make failed, see $cache/failed.log"; }
building=''
gcc -O2 -Wall -o "$work/pack" "$here/pack.c"
new=$work/done
mkdir "$new"
strip -s -o "$work/stripped" "$tree/vmlinux"
packed=$("$work/pack" "$work/stripped" "$new/vmlinux")
cp "$tree/.config" "$new/config"
cp "$tree/System.map" "$new/System.map"
printf '%s\n' "$ingredients" >"$new/ingredients"
cat >"$new/SOURCE" <<EOF
Linux $kernel_version for BoxLite boxes, x86-64. Licence: GPL-2.0-only WITH Linux-syscall-note (the file COPYING of the source).

$package
Configuration:  the file \`config\`; made from guest/kernel/boxlite.config of the @boxlite/node repository
Patches:        $(cd "$here/patches" && echo *.patch), in guest/kernel/patches of the same repository
Built with:     guest/kernel/build.sh, $compiler

The complete corresponding source is that source package, those patches and that configuration.
EOF
chmod 644 "$new"/*
rm -rf "$done_dir"
mv "$new" "$done_dir"
if [ -n "$keep_source" ]; then
  rm -rf "$cache/source-$hash"; mv "$tree" "$cache/source-$hash"; say "source kept: $cache/source-$hash"
fi
deliver "$done_dir"
say "done: $(stat -c %s "$out/vmlinux") bytes, $packed"
