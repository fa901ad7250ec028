#!/bin/sh
# Cargo calls this as the compiler of the fuzz targets. It instruments only the crates that read untrusted bytes.
set -eu
rustc=$1
shift
case "${CARGO_PKG_NAME-} $*" in
*--crate-name\ build_script_*) ;;
boxlite-* | hickory-proto\ * | smoltcp\ * | imago\ * | mkext4\ * | oci-spec\ * | tar\ *)
	coverage=-Cllvm-args=-sanitizer-coverage
	set -- "$@" -Cpasses=sancov-module $coverage-level=4 $coverage-inline-8bit-counters $coverage-pc-table \
		$coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1
	;;
esac
exec "$rustc" "$@"
