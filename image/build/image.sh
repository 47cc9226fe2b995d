# Builds the appliance image. Called by `./x image` inside the sysroot, as root, after cargo has built the daemons.
#   image.sh [--update-lock] [--profile dev|release] [--only raw|qcow2] [--out DIR] [--if-changed]
# The steps, one file each:
#   lock.sh       appliance.list -> appliance.lock          packages.sh   the locked packages, into the cache
#   base.sh       packages -> base tree, cached             modules.sh    the kernel modules that stay
#   tree.sh       base + image/root + daemons               initramfs.sh  what mounts the root
#   disk.sh       partitions and file systems               boot.sh       GRUB for BIOS and UEFI
#   formats.sh    raw and qcow2                             then ova.sh, sbom.sh, checksums.sh
set -eu
umask 022
export LC_ALL=C.UTF-8

IMAGE_BUILD=$(cd "$(dirname "$0")" && pwd -P)
X_SRC=$(cd "$IMAGE_BUILD/../.." && pwd -P)
IMAGE_SRC=$X_SRC/image
. "$X_SRC/scripts/x/common.sh"
for part in settings lock packages base modules tree initramfs disk-layout disk boot formats; do
	. "$IMAGE_BUILD/$part.sh"
done

# In a function, so that a change of this file does not reach a build that runs.
main() {
	read_options "$@"
	settle
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	mkdir -p "$IMAGE_CACHE" "$IMAGE_OUT" "$IMAGE_TMP"

	if [ "$IMAGE_UPDATE_LOCK" = yes ]; then
		update_lock
		exit 0
	fi
	begun_all=$(seconds)
	check_lock
	check_programs
	make_base
	make_peer
	if [ "$IMAGE_IF_CHANGED" = yes ] && is_current; then
		exit 0
	fi
	need_free "$IMAGE_OUT" 2500 "the image"
	make_tree
	make_initramfs "$IMAGE_TREE" "$IMAGE_TREE/boot/initramfs"
	mv "$IMAGE_TREE"/boot/vmlinuz-* "$IMAGE_TREE/boot/vmlinuz"
	stamp "$IMAGE_TREE/boot"
	# Nothing of an earlier disk stands beside the new one.
	for kind in raw qcow2 ova spdx.json sha256 inputs; do
		rm -f "$IMAGE_OUT/$IMAGE_NAME.$kind"
	done
	make_disk "$IMAGE_TREE" "$IMAGE_RAW.new"
	mv "$IMAGE_RAW.new" "$IMAGE_RAW"
	[ "$IMAGE_ONLY" = raw ] || make_qcow2
	[ -n "$IMAGE_ONLY" ] || sh "$IMAGE_BUILD/ova.sh"
	[ "$IMAGE_ONLY" != qcow2 ] || rm -f "$IMAGE_RAW"
	sh "$IMAGE_BUILD/sbom.sh"
	sh "$IMAGE_BUILD/checksums.sh"
	inputs >"$IMAGE_OUT/$IMAGE_NAME.inputs"
	say "image of $IMAGE_VERSION ($IMAGE_COMMIT, $IMAGE_PROFILE profile) in $IMAGE_OUT in $(($(seconds) - begun_all)) s"
}

main "$@"
