# Virtual machines of the appliance: ./x vm. Sourced by inside.sh.

# vm SUBCOMMAND ARGUMENTS...
vm() {
	subcommand=${1:-}
	[ $# -eq 0 ] || shift
	case $subcommand in
	run) vm_run "$@" ;;
	demo) vm_demo "$@" ;;
	*) die "unknown './x vm $subcommand'; see ./x help" ;;
	esac
}

# newest_image: the qcow2 of ./x image, if there is one.
newest_image() {
	# shellcheck disable=SC2012  # names are ours
	ls -1t "$CARGO_TARGET_DIR"/image/ravelin-*.qcow2 2>/dev/null | head -n 1
}

# vm_run ARGUMENTS...: boots the image; it is made if there is none, and never made anew behind somebody's back.
vm_run() {
	as_owner cargo build --package ravelin-qemu
	case " $* " in
	*" --help "* | *" -h "*)
		"$RAVELIN_BIN_DIR/ravelin-vm" help
		return
		;;
	esac
	[ -n "$(newest_image)" ] || image --only qcow2
	found=$(newest_image)
	[ -n "$found" ] || die "there is no image in $CARGO_TARGET_DIR/image"
	say "booting $found (./x image makes it anew)"
	make_artifacts vm
	"$RAVELIN_BIN_DIR/ravelin-vm" run --image "$found" "$@"
}

# vm_demo [--nic MODEL]: the image between an eNodeB with its kernel's ESP and a core host. No network but QEMU's is needed.
vm_demo() {
	as_owner cargo build --package ravelin-tests --bin ravelin-vm-demo
	[ -n "$(newest_image)" ] || image --only qcow2
	RAVELIN_IMAGE_DIR=$CARGO_TARGET_DIR/image
	export RAVELIN_IMAGE_DIR
	make_artifacts vm-demo
	private_net "$RAVELIN_BIN_DIR/ravelin-vm-demo" "$@"
}
