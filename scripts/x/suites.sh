# The suites of ./x test, one after another; a failing one does not stop the others. Sourced by inside.sh.

readonly SUITES="lint tidy unit system vm fuzz demo"
readonly IMAGE_OF_TESTS="$CARGO_TARGET_DIR/image-test"
# A test program that runs longer has hung.
readonly PROGRAM_LIMIT_S=1200
readonly SOAK_LIMIT_S=7200
# System tests that want both cores: their packets come faster than a shared one takes them. The others run two at a time, since
# they mostly wait.
readonly ALONE="floods_leave_bfd_rekeys_and_traffic_alone pair_fifty_kpps_with_rekeys port_ring_losses_are_counted rekey"
# System tests of about a minute: first, so that the lanes end together.
readonly LONG="demo_finds_every_break neighbours_change_and_age_without_loss nothing_crosses_in_clear_whatever_happens vanished_peer_is_given_up_in_order"
# Tests that boot the appliance's image: suite vm. The main job runs always, those with #[ignore = "vm: ..."] with --vm.
readonly VM="artifacts_are_read_by_others two_builds_are_alike vm_boot_and_day0 vm_console vm_faults vm_kernel_esp_agrees vm_native_esp_crosses_the_image vm_native_esp_survives_power_cuts vm_nics vm_peers_speak_native_esp vm_routing_instances"

run_tests() {
	soak=no
	vm=no
	long=
	only=
	filter=
	for argument; do
		case $argument in
		--soak) soak=yes ;;
		--vm) vm=yes ;;
		-*) die "unknown option $argument; see ./x help" ;;
		*)
			case " $SUITES " in
			*" $argument "*) only="$only $argument" ;;
			*) filter=$argument ;;
			esac
			;;
		esac
	done
	: "${only:=$SUITES}"
	case "$vm: $only " in
	no:* | *" vm "*) ;;
	*) only="$only vm" ;;
	esac
	report_begin
	for name in $only; do
		# A filter names tests, which only these suites have.
		case $filter:$name in
		:* | *:unit | *:system | *:vm) "suite_$name" ;;
		esac
	done
	report_end
}

suite_lint() {
	suite_begin lint
	step lockfile as_owner cargo metadata --locked --format-version 1
	step fmt as_owner cargo fmt --all --check
	# The fuzz targets too, without the coverage flags: those would have every dependency checked twice.
	step clippy as_owner env CXX="$FUZZ_CXX" cargo clippy --workspace --all-targets -- -D warnings
	suite_end
}

suite_tidy() {
	suite_begin tidy
	log=$RAVELIN_ARTIFACTS/tidy.log
	status=0
	as_owner cargo test --test tidy >"$log" 2>&1 || status=$?
	count_tests tidy "$log" "$status"
	suite_end
}

# build_tests: builds every test program once and lists them as `manifest kind name executable`.
build_tests() {
	programs=$RAVELIN_ARTIFACTS/programs.tsv
	[ ! -e "$programs" ] || return 0
	status=0
	as_owner cargo test --no-run --message-format=json-render-diagnostics \
		>"$RAVELIN_ARTIFACTS/build.json" 2>"$RAVELIN_ARTIFACTS/build.log" || status=$?
	# Last: it puts the daemons where tests start them, which the image's build beside the tests must not do anew.
	if [ $status = 0 ]; then
		as_owner cargo build >>"$RAVELIN_ARTIFACTS/build.log" 2>&1 || status=$?
	fi
	if [ $status != 0 ]; then
		fails build "$RAVELIN_ARTIFACTS/build.log"
		return 1
	fi
	jq -r 'select(.reason == "compiler-artifact" and .profile.test and .executable)
		| [.manifest_path, .target.kind[0], .target.name, .executable] | @tsv' \
		"$RAVELIN_ARTIFACTS/build.json" | sort >"$programs"
}

# execute NAME MANIFEST EXECUTABLE ARGUMENTS...: one test program, as cargo would start it. Its status goes to a file, last.
execute() {
	name=$1 manifest=$2 program=$3
	shift 3
	limit=$PROGRAM_LIMIT_S
	if [ -n "$long" ]; then
		limit=$SOAK_LIMIT_S
		set -- "$@" --include-ignored
	fi
	[ -z "$filter" ] || set -- "$@" "$filter"
	status=0
	(
		cd "$(dirname "$manifest")"
		CARGO_MANIFEST_DIR=$PWD
		export CARGO_MANIFEST_DIR
		private_net timeout --kill-after=10 "$limit" "$program" --show-output "$@" </dev/null
	) >"$RAVELIN_ARTIFACTS/$suite-$name.log" 2>&1 || status=$?
	echo "$status" >"$runs/$name.status"
}

# lane ARGUMENTS...: executes those programs of the list that no other lane has taken.
lane() {
	while IFS="$(printf '\t')" read -r name manifest program; do
		! mkdir "$runs/$name" 2>/dev/null || execute "$name" "$manifest" "$program" "$@"
	done <"$list"
}

# count_finished: counts each program that has ended since the last call.
count_finished() {
	while read -r name _; do
		if [ -s "$runs/$name.status" ]; then
			count_tests "$name" "$RAVELIN_ARTIFACTS/$suite-$name.log" "$(cat "$runs/$name.status")"
			mv "$runs/$name.status" "$runs/$name.counted"
		fi
	done <"$list"
}

# run_programs LANES CONDITION ARGUMENTS...: those of the list whose line the awk CONDITION selects, so many at a time.
run_programs() {
	lanes=$1 condition=$2
	shift 2
	runs=$RAVELIN_ARTIFACTS/$suite-runs-$lanes
	list=$runs/list.tsv
	mkdir "$runs"
	awk -F '\t' -v bench="$X_SRC/tests/Cargo.toml" -v alone=" $ALONE " -v vm=" $VM " "$condition" "$programs" |
		awk -F '\t' -v long=" $LONG " 'index(long, " " $3 " ") { print; next } { rest = rest $0 "\n" } END { printf "%s", rest }' |
		while IFS="$(printf '\t')" read -r manifest kind name program; do
			folder=$(dirname "$manifest")
			case $folder:$kind in
			"$X_SRC/tests:test") ;;
			*:test) name=$(basename "$folder")-$name ;;
			*) name=$(basename "$folder")-$kind ;;
			esac
			printf '%s\t%s\t%s\n' "$name" "$manifest" "$program"
		done >"$list"
	pids=
	while [ "$lanes" -gt 0 ]; do
		lane "$@" &
		pids="$pids $!"
		lanes=$((lanes - 1))
	done
	for pid in $pids; do
		while kill -0 "$pid" 2>/dev/null; do
			count_finished
			sleep 0.5
		done
		wait "$pid" || :
	done
	count_finished
	# A lane that was killed has left programs behind.
	while read -r name _; do
		[ -e "$runs/$name.counted" ] || count_tests "$name" "$RAVELIN_ARTIFACTS/$suite-$name.log" 1
	done <"$list"
}

# long_if yes|no: whether the suite's ignored tests run too.
long_if() {
	long=
	[ "$1" = no ] || long=yes
}

suite_unit() {
	suite_begin unit
	long_if "$soak"
	if build_tests; then
		# shellcheck disable=SC2016  # fields of awk
		run_programs 1 '!($1 == bench && $2 == "test")'
		log=$RAVELIN_ARTIFACTS/unit-doc.log
		status=0
		# shellcheck disable=SC2086  # no filter, no argument
		as_owner cargo test --doc -- $filter >"$log" 2>&1 || status=$?
		count_tests doc "$log" "$status"
	fi
	suite_end
}

suite_system() {
	suite_begin system
	long_if "$soak"
	if build_tests; then
		# shellcheck disable=SC2016
		system='$1 == bench && $2 == "test" && $3 != "tidy" && !index(vm, " " $3 " ")'
		build_aside &
		aside=$!
		run_programs 2 "$system && !index(alone, \" \" \$3 \" \")" --test-threads=1
		wait "$aside"
		run_programs 1 "$system && index(alone, \" \" \$3 \" \")" --test-threads=1
		# A filter may have left no capture.
		[ -n "$filter" ] || step nonces "$RAVELIN_BIN_DIR/ravelin-nonces" "$RAVELIN_ARTIFACTS"
	fi
	suite_end
}

# build_aside: what later suites need, beside tests that mostly wait, with the time that these leave. What fails is built again in its
# suite, which tells why.
build_aside() {
	renice -n 19 -p "$(exec sh -c 'echo $PPID')" >/dev/null
	[ -z "$filter" ] || return 0
	for later in $only; do
		case $later in
		fuzz) fuzz_build ;;
		vm) make_image dev "$IMAGE_OF_TESTS" ;;
		esac || :
	done >"$RAVELIN_ARTIFACTS/aside.log" 2>&1
}

# The image of the tests has the daemons of the dev profile; it is made again only when something in it has changed.
suite_vm() {
	suite_begin vm
	long_if "$vm"
	if build_tests; then
		RAVELIN_IMAGE_DIR=$IMAGE_OF_TESTS
		export RAVELIN_IMAGE_DIR
		step image make_image dev "$RAVELIN_IMAGE_DIR"
		if [ "$failed" = 0 ]; then
			# shellcheck disable=SC2016
			run_programs 2 '$1 == bench && $2 == "test" && index(vm, " " $3 " ")' --test-threads=1
		fi
	fi
	suite_end
}

suite_fuzz() {
	suite_begin fuzz
	fuzz_suite
	suite_end
}

suite_demo() {
	[ -n "$(metadata '.packages[].targets[] | select(.kind[0] == "bin" and .name == "ravelin-demo") | .name')" ] || return 0
	suite_begin demo
	if build_tests; then
		step demo private_net timeout --kill-after=10 300 "$RAVELIN_BIN_DIR/ravelin-demo"
	fi
	suite_end
}
