# The initramfs: busybox, the modules that find the root file system, and image/initramfs/init. No udev: less to start, and it is
# read in a second even on an emulated processor. Sourced by image.sh.

# make_initramfs TREE OUT
make_initramfs() {
	release=$(kernel_release "$1")
	new=$IMAGE_TMP/initramfs
	modules=$1/usr/lib/modules/$release
	mkdir -p "$new/bin" "$new/dev" "$new/proc" "$new/sys" "$new/run" "$new/root" "$new/volatile" "$new/lib/modules/$release"
	ln -s bin "$new/sbin"
	cp "$1/usr/bin/busybox" "$new/bin/busybox"
	chroot "$new" /bin/busybox --list | while read -r applet; do
		[ -e "$new/bin/$applet" ] || ln -s busybox "$new/bin/$applet"
	done
	install -m 755 "$IMAGE_SRC/initramfs/init" "$new/init"
	module_patterns initramfs >"$IMAGE_TMP/patterns"
	select_modules "$modules" "$IMAGE_TMP/patterns" >"$IMAGE_TMP/initramfs-modules"
	(cd "$modules" && tar -cf - modules.builtin modules.builtin.modinfo modules.order -T "$IMAGE_TMP/initramfs-modules") |
		tar -xf - -C "$new/lib/modules/$release"
	depmod --basedir "$new" "$release"
	rm -f "$new/lib/modules/$release"/modules.*.bin
	stamp "$new"
	(cd "$new" && find . -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --owner=0:0 --reproducible --quiet) |
		zstd -q -19 -T1 >"$2"
	say "initramfs of $(wc -l <"$IMAGE_TMP/initramfs-modules") modules, $(du -k "$2" | cut -f1) KB"
}
