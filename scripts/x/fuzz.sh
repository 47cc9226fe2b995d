# libFuzzer on stable Rust: the sanitizer-coverage passes of LLVM by RUSTFLAGS, no address sanitizer. Sourced by inside.sh.
# A target is a program of package ravelin-fuzz. Its committed corpus is read; what a run finds goes below target/.
# Each target has a floor of covered edges in tests/fuzz/floors.txt, so that a target that stopped reaching its parser fails.

readonly FUZZ_TRIPLE=x86_64-unknown-linux-gnu
# libFuzzer is C++.
readonly FUZZ_CXX=clang++-19
readonly FUZZ_SHORT_S=10
readonly FUZZ_DEFAULT_S=60
readonly FUZZ_SEED=20260101

# The targets are optimised, with the checks of dev. Build scripts and procedural macros are those of an ordinary build: the flags are
# for the triple only.
fuzz_build() {
	as_owner env CXX=$FUZZ_CXX RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
		cargo build --package ravelin-fuzz --bins --config profile.dev.opt-level=2 --target $FUZZ_TRIPLE
}

fuzz_targets() {
	metadata '.packages[] | select(.name == "ravelin-fuzz") | .targets[] | select(.kind[0] == "bin") | .name'
}

# fuzz_run TARGET SECONDS [SEED]: false on a crash, or below the floor. Without a seed each run goes another way.
fuzz_run() {
	found=$CARGO_TARGET_DIR/fuzz/corpus/$1
	crashes=$RAVELIN_ARTIFACTS/fuzz-$1
	seeds=$X_SRC/tests/fuzz/corpus/$1
	as_owner mkdir -p "$found" "$crashes"
	[ -d "$seeds" ] || die "tests/fuzz/corpus/$1 is missing: a target needs seeds"
	out=$crashes/output.log
	status=0
	as_owner "$CARGO_TARGET_DIR/$FUZZ_TRIPLE/debug/$1" -max_total_time="$2" -seed="${3:-0}" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$crashes/" "$found" "$seeds" >"$out" 2>&1 || status=$?
	tail -n 20 "$out"
	[ $status = 0 ] || return 1
	edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$out" | tail -n 1)
	floor=$(awk -v t="$1" '$1 == t { print $2 }' "$X_SRC/tests/fuzz/floors.txt")
	[ -n "$floor" ] || { echo "$1 has no line in tests/fuzz/floors.txt"; return 1; }
	echo "$1: $edges edges, floor $floor"
	[ "${edges:-0}" -ge "$floor" ] || { echo "$1 covers fewer edges than its floor"; return 1; }
}

fuzz() {
	time_s=$FUZZ_DEFAULT_S
	target=
	for argument; do
		case $argument in
		*[!0-9]*) target=$argument ;;
		*) time_s=$argument ;;
		esac
	done
	make_artifacts fuzz
	all=$(fuzz_targets)
	[ -z "$target" ] || printf '%s\n' "$all" | grep -qx -- "$target" || die "no fuzz target '$target'; there are: $(printf '%s' "$all" | tr '\n' ' ')"
	fuzz_build
	verdict=0
	for name in ${target:-$all}; do
		say "fuzzing $name for $time_s s"
		fuzz_run "$name" "$time_s" || verdict=1
	done
	return $verdict
}

# Called by ./x test: every target for a short time, always the same way, so that a change is judged by itself. A target is one
# thread: two at a time.
fuzz_suite() {
	step build fuzz_build
	[ "$failed" = 0 ] || return 0
	# shellcheck disable=SC2046  # names
	set -- $(fuzz_targets)
	while [ $# -gt 0 ]; do
		fuzz_short "${2:-}" &
		beside=$!
		fuzz_short "$1"
		wait "$beside"
		step "$1" fuzz_verdict "$1"
		[ $# -eq 1 ] || step "$2" fuzz_verdict "$2"
		shift $(($# > 1 ? 2 : 1))
	done
}

# fuzz_short TARGET: its short run, if there is such a target; what it said and its verdict are kept.
fuzz_short() {
	[ -n "$1" ] || return 0
	status=0
	fuzz_run "$1" $FUZZ_SHORT_S $FUZZ_SEED >"$RAVELIN_ARTIFACTS/fuzz-$1.said" 2>&1 || status=$?
	echo "$status" >"$RAVELIN_ARTIFACTS/fuzz-$1.status"
}

fuzz_verdict() {
	cat "$RAVELIN_ARTIFACTS/fuzz-$1.said"
	return "$(cat "$RAVELIN_ARTIFACTS/fuzz-$1.status")"
}
