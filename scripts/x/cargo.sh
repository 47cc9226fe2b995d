# How cargo is called. One profile (dev) and the default members everywhere, so that build, test, demo and lint share
# what they compile. Sourced by inside.sh.

export LIBCLANG_PATH=/usr/lib/llvm-19/lib
: "${CARGO_TARGET_DIR:=$X_SRC/target}"
: "${X_BUILD_UID:=0}"
: "${X_BUILD_GID:=0}"
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}" CARGO_TERM_PROGRESS_WHEN=never
# Where the bench finds the daemons and peers' programs built by us.
export CARGO_TARGET_DIR RAVELIN_BIN_DIR="$CARGO_TARGET_DIR/debug"
# Disks of virtual machines: not on /tmp, which is memory.
export RAVELIN_VM_DISKS="$CARGO_TARGET_DIR/vm-disks"

# as_owner COMMAND...: as the checkout's owner, so that no root-owned file appears in it.
as_owner() {
	if [ "$X_BUILD_UID" = 0 ]; then
		"$@"
	else
		setpriv --reuid "$X_BUILD_UID" --regid "$X_BUILD_GID" --clear-groups env HOME=/tmp/home "$@"
	fi
}

# private_net COMMAND...: in a network namespace of its own, with loopback: nothing reaches the host's network.
private_net() {
	unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
}

# metadata FILTER: jq over `cargo metadata` of our own packages.
metadata() {
	as_owner cargo metadata --format-version 1 --no-deps | jq -r "$1"
}

build() {
	as_owner cargo build "$@"
}

demo() {
	as_owner cargo build
	[ -x "$RAVELIN_BIN_DIR/ravelin-demo" ] || die "this checkout has no ravelin-demo yet"
	make_artifacts demo
	private_net "$RAVELIN_BIN_DIR/ravelin-demo" "$@"
}

# testca ARGUMENTS: the CA of the tests, which no other build has.
testca() {
	as_owner cargo run --quiet -p ravelin-pki --features testca --bin ravelin-testca -- "$@"
}

# bench WHICH [ARGUMENTS]: `esp` and `ike` measure the released planed and iked beside their peers, `stages` the pipeline inside of one
# process.
bench() {
	which=${1:-esp}
	[ $# -eq 0 ] || shift
	if [ "$which:$*" = stages:--update-guard ]; then
		as_owner env RAVELIN_UPDATE_GUARD=1 cargo test -p ravelin-guard --test instructions
		return
	fi
	case $which in
	esp)
		as_owner cargo build --release -p ravelin-bin-planed -p ravelin-bin-netd
		# What runs must be what was built here.
		RAVELIN_PLANED_SHA256=$(sha256sum "$CARGO_TARGET_DIR/release/ravelin-planed" | cut -d' ' -f1)
		export RAVELIN_PLANED_SHA256
		;;
	ike) as_owner cargo build --release -p ravelin-bin-iked -p ravelin-bin-enb ;;
	stages) ;;
	*) die "unknown benchmark '$which'; there are esp, ike and stages" ;;
	esac
	# Cargo starts it in the folder of its package.
	before=
	for argument in "$@"; do
		shift
		case $before/$argument in
		--json//*) ;;
		--json/*) argument=$X_SRC/$argument ;;
		esac
		set -- "$@" "$argument"
		before=$argument
	done
	as_owner cargo bench -p ravelin-tests --bench "$which" --no-run
	private_net cargo bench -p ravelin-tests --bench "$which" -- "$@"
}

# make_artifacts NAME: a folder for this run's logs and captures in RAVELIN_ARTIFACTS; the newest ones are kept.
make_artifacts() {
	base=$CARGO_TARGET_DIR/artifacts
	as_owner mkdir -p "$base"
	# shellcheck disable=SC2012  # names are ours
	ls -1t "$base" | tail -n +9 | while read -r old; do
		rm -rf "${base:?}/$old"
	done
	RAVELIN_ARTIFACTS=$base/$(date -u +%Y%m%dT%H%M%S)-$1-$(od -An -N2 -tx2 /dev/urandom | tr -d ' ')
	as_owner mkdir "$RAVELIN_ARTIFACTS"
	export RAVELIN_ARTIFACTS
}
