# The boot loader: GRUB for BIOS and for UEFI, both with the same grub.cfg and grubenv on the ESP. Sourced by image.sh.

readonly GRUB_MODULES="part_gpt fat ext2 normal linux configfile loadenv test regexp echo search reboot halt minicmd serial terminal"

# make_esp FILE
make_esp() {
	truncate -s "${ESP_MIB}M" "$1"
	mformat -i "$1" -F -v RAVELIN-ESP -N "$(uuid_of esp | cut -c1-8)" ::
	# shellcheck disable=SC2086  # a list
	grub-mkimage -O x86_64-efi -p /grub -o "$IMAGE_TMP/BOOTX64.EFI" $GRUB_MODULES
	cp "$IMAGE_SRC/boot/grub.cfg" "$IMAGE_TMP/grub.cfg"
	grub-editenv "$IMAGE_TMP/grubenv" create
	grub-editenv "$IMAGE_TMP/grubenv" set slot=a
	touch --date="@$SOURCE_DATE_EPOCH" "$IMAGE_TMP/BOOTX64.EFI" "$IMAGE_TMP/grub.cfg" "$IMAGE_TMP/grubenv"
	mmd -i "$1" ::/EFI ::/EFI/BOOT ::/grub
	mcopy -i "$1" -m "$IMAGE_TMP/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI
	mcopy -i "$1" -m "$IMAGE_TMP/grub.cfg" "$IMAGE_TMP/grubenv" ::/grub/
}

# embed_bios_loader: what grub-install does on a disk, on a file: the core image goes into the BIOS boot partition, the boot sector
# learns where it begins, and the core's own first sector where its rest lies.
embed_bios_loader() {
	core_at=2048
	# shellcheck disable=SC2086
	grub-mkimage -O i386-pc -p '(,gpt2)/grub' -o "$IMAGE_TMP/core.img" $GRUB_MODULES biosdisk
	[ "$(stat -c %s "$IMAGE_TMP/core.img")" -le $((BIOS_MIB * 1048576)) ] || die "GRUB's core image is larger than its partition"
	cp /usr/lib/grub/i386-pc/boot.img "$IMAGE_TMP/boot.img"
	poke "$IMAGE_TMP/boot.img" 92 "$core_at"
	poke "$IMAGE_TMP/core.img" 500 $((core_at + 1))
	# The partition table lies behind the first 440 octets.
	dd if="$IMAGE_TMP/boot.img" of="$disk" bs=1 count=440 conv=notrunc status=none
	dd if="$IMAGE_TMP/core.img" of="$disk" bs=512 seek="$core_at" conv=notrunc status=none
}

# poke FILE OFFSET NUMBER: 64 bits, little endian.
poke() {
	number=$3
	octets=
	for _ in 1 2 3 4 5 6 7 8; do
		octets="$octets\\$(printf %03o $((number % 256)))"
		number=$((number / 256))
	done
	# shellcheck disable=SC2059  # octal escapes
	printf "$octets" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
