# Counting and the table at the end of ./x test. Sourced by inside.sh.
# A test that cannot run prints one line `SKIP <test-name>: <reason>` and returns; a test with #[ignore] counts as a
# skip too. A skip whose name is not in tests/allowed-skips.txt (`<test-name> <reason>`) is a failure.

readonly ALLOWED_SKIPS="$X_SRC/tests/allowed-skips.txt"

report_begin() {
	make_artifacts test
	results=$RAVELIN_ARTIFACTS/results.tsv
	: >"$results"
	suite_failed=
}

suite_begin() {
	suite=$1
	suite_started=$(seconds)
	passed=0 failed=0 skipped=0
	say "suite $suite"
}

suite_end() {
	minutes=$(awk -v s=$(($(seconds) - suite_started)) 'BEGIN { printf "%.1f", s / 60 }')
	printf '%s\t%s\t%s\t%s\t%s\n' "$suite" "$passed" "$failed" "$skipped" "$minutes" >>"$results"
}

# fails NAME LOG: counts a failure and shows the end of its log.
fails() {
	failed=$((failed + 1))
	printf 'FAILED %s/%s (log: %s)\n' "$suite" "$1" "$2"
	tail -n "${3:-60}" "$2"
}

# step NAME COMMAND...: one check of a suite; its exit status is its verdict.
step() {
	name=$1
	shift
	log=$RAVELIN_ARTIFACTS/$suite-$name.log
	if "$@" >"$log" 2>&1; then
		passed=$((passed + 1))
		printf '  ok      %s/%s\n' "$suite" "$name"
	else
		fails "$name" "$log"
	fi
}

# count_tests NAME LOG STATUS: adds up what libtest printed; a program that died without a result is a failure.
count_tests() {
	totals=$(awk '
		/^test result: / { n++; p += $4; f += $6 }
		END { print n + 0, p + 0, f + 0 }' "$2")
	# shellcheck disable=SC2086  # three numbers
	set -- "$1" "$2" "$3" $totals
	skips=$(sed -n -e 's/^SKIP \([^:]*[^: ]\): \(.*\)/\1\t\2/p' \
		-e 's/^test \([^ ]*\) \.\.\. ignored,* *\(.*\)/\1\t\2/p' "$2" | sort -u)
	here=0
	if [ -n "$skips" ]; then
		here=$(printf '%s\n' "$skips" | wc -l)
		printf '%s\n' "$skips" >"$RAVELIN_ARTIFACTS/skips.tmp"
		while IFS="$(printf '\t')" read -r test reason; do
			check_skip "$test" "$reason"
		done <"$RAVELIN_ARTIFACTS/skips.tmp"
		rm -f "$RAVELIN_ARTIFACTS/skips.tmp"
	fi
	printed=$(grep -c '^SKIP ' "$2" || :)
	passed=$((passed + $5 - (printed < $5 ? printed : $5)))
	if [ "$6" -gt 0 ]; then
		failed=$((failed + $6 - 1))
		fails "$1" "$2" 150
	elif [ "$3" -ne 0 ] || [ "$4" -eq 0 ]; then
		printf 'status %s\n' "$3" >>"$2"
		fails "$1" "$2"
	elif [ "$5" -gt 0 ] || [ "$here" -gt 0 ]; then
		printf '  ok      %s/%s  %s passed, %s skipped\n' "$suite" "$1" "$5" "$here"
	fi
}

# The list names functions; a test within a package is told with its modules.
check_skip() {
	if awk -v name="${1##*::}" '$1 == name && NF > 1 { found = 1 } END { exit !found }' "$ALLOWED_SKIPS"; then
		skipped=$((skipped + 1))
		printf '  skipped %s/%s: %s\n' "$suite" "$1" "$2"
	else
		failed=$((failed + 1))
		printf 'FAILED %s/%s: skipped (%s) but not in tests/allowed-skips.txt\n' "$suite" "$1" "$2"
	fi
}

# The table, then the line that scripts read. False if anything failed or nothing ran.
report_end() {
	echo
	awk -F '\t' '
		BEGIN { printf "%-10s %8s %8s %8s %8s\n", "suite", "passed", "failed", "skipped", "minutes" }
		{ printf "%-10s %8d %8d %8d %8.1f\n", $1, $2, $3, $4, $5; p += $2; f += $3; s += $4; m += $5 }
		END {
			printf "%-10s %8d %8d %8d %8.1f\n", "all", p, f, s, m
			printf "%d passed, %d failed, %d skipped\n", p, f, s
			exit f > 0 || p == 0
		}' "$results"
}
