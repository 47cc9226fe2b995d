# Borrows 2 MB hugepages for the time of one run. Sourced by ./x.
# Each run that raised nr_hugepages leaves a file /run/ravelin/hugepages-<pid> "<start time of the pid> <pages>"; the
# next run lowers nr_hugepages by what dead runs left (SIGKILL runs no trap), and the file goes with /run at reboot.

readonly HUGE_DIR=/run/ravelin
readonly HUGE_COUNT=/proc/sys/vm/nr_hugepages
readonly DROP_CACHES=/proc/sys/vm/drop_caches
readonly COMPACT=/proc/sys/vm/compact_memory
# Two gateways of 256 MB each, twice over for what a test starts beside them.
readonly HUGE_DEFAULT=512
# The benchmark's: planed's 256 MB, two peers of 384 MB and two bare loops of 96 MB, at the same time.
readonly HUGE_BENCH=640
# Never take more than this share of the available memory: 1/4.
readonly HUGE_SHARE=4

# start_time PID: field 22 of its stat file; tells a process from a later one with the same number.
start_time() {
	sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

lower_hugepages() {
	[ "$1" -gt 0 ] || return 0
	have=$(cat $HUGE_COUNT)
	left=$((have > $1 ? have - $1 : 0))
	echo "$left" >$HUGE_COUNT
}

hugepages_lock() {
	mkdir -p $HUGE_DIR
	exec 9>$HUGE_DIR/lock
	flock 9
}

return_dead_runs() {
	for file in "$HUGE_DIR"/hugepages-*; do
		[ -e "$file" ] || continue
		pid=${file##*-}
		read -r started pages <"$file" || continue
		if [ "$(start_time "$pid")" != "$started" ]; then
			say "giving back $pages hugepages of run $pid, which was killed"
			lower_hugepages "$pages"
			rm -f "$file"
		fi
	done
}

hugepages_reclaim() {
	[ -d $HUGE_DIR ] || return 0
	hugepages_lock
	return_dead_runs
	exec 9>&-
}

# hugepages_borrow DEFAULT: sets and exports RAVELIN_NO_HUGE=1 when DPDK has to do without.
hugepages_borrow() {
	want=${RAVELIN_HUGEPAGES:-$1}
	[ "${RAVELIN_NO_HUGE:-}" != 1 ] || want=0
	if [ ! -w $HUGE_COUNT ]; then
		say "$HUGE_COUNT is not writable: DPDK runs with --no-huge"
		export RAVELIN_NO_HUGE=1
		return
	fi
	hugepages_lock
	return_dead_runs
	most=$(($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) / 2048 / HUGE_SHARE))
	[ "$want" -le "$most" ] || want=$most
	if [ "$want" -gt 0 ]; then
		before=$(cat $HUGE_COUNT)
		# The file says what is wanted before it is taken, so that a kill in between gives back too much to us, never too little.
		printf '%s %s\n' "$(start_time $$)" "$want" >"$HUGE_DIR/hugepages-$$"
		echo $((before + want)) >$HUGE_COUNT 2>/dev/null || :
		got=$(($(cat $HUGE_COUNT) - before))
		if [ "$got" -lt "$want" ] && [ -w $COMPACT ]; then
			# Memory that only caches files, and free memory in small pieces: have the kernel free the one and join the other.
			echo 1 >$DROP_CACHES
			echo 1 >$COMPACT
			echo $((before + want)) >$HUGE_COUNT 2>/dev/null || :
			got=$(($(cat $HUGE_COUNT) - before))
		fi
		if [ "$got" -lt "$want" ]; then
			lower_hugepages "$got"
			rm -f "$HUGE_DIR/hugepages-$$"
			say "only $got of $want hugepages could be had: DPDK runs with --no-huge"
			export RAVELIN_NO_HUGE=1
		fi
	else
		say "no hugepages: DPDK runs with --no-huge"
		export RAVELIN_NO_HUGE=1
	fi
	exec 9>&-
}

hugepages_return() {
	[ -e "$HUGE_DIR/hugepages-$$" ] || return 0
	hugepages_lock
	read -r _ pages <"$HUGE_DIR/hugepages-$$"
	lower_hugepages "$pages"
	rm -f "$HUGE_DIR/hugepages-$$"
	exec 9>&-
}
