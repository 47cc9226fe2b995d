# The files that are handed out: raw and qcow2. Sourced by image.sh.

# A format's file appears under its name when it is complete.
make_qcow2() {
	begun=$(seconds)
	qemu-img convert -q -f raw -O qcow2 -c -o compression_type=zstd,compat=1.1 "$IMAGE_RAW" "$IMAGE_QCOW2.new" ||
		die "qemu-img cannot write $IMAGE_QCOW2"
	qemu-img resize -q "$IMAGE_QCOW2.new" "${DISK_GIB}G"
	size=$(($(stat -c %s "$IMAGE_QCOW2.new") / 1000000))
	[ "$size" -le "$MAX_QCOW2_MB" ] || die "the qcow2 has $size MB, more than $MAX_QCOW2_MB"
	mv "$IMAGE_QCOW2.new" "$IMAGE_QCOW2"
	say "$(basename "$IMAGE_QCOW2"): $size MB in $(($(seconds) - begun)) s"
}
