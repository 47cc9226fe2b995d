# The disk, written into a plain file: partition table, file systems, boot loader. No loop device and no mount is needed.
# Sourced by image.sh.

# uuid_of NAME: the same for the same version and commit, so that two builds are alike.
uuid_of() {
	printf 'ravelin %s %s %s' "$IMAGE_VERSION" "$IMAGE_COMMIT" "$1" | sha256sum |
		sed 's/^\(.\{8\}\)\(.\{4\}\).\(.\{3\}\).\(.\{3\}\)\(.\{12\}\).*/\1-\2-4\3-8\4-\5/'
}

# make_disk TREE OUT
make_disk() {
	disk=$2
	rm -f "$disk"
	truncate -s "${DISK_MIB}M" "$disk"
	sfdisk --quiet "$disk" <<-TABLE
		label: gpt
		label-id: $(uuid_of disk)
		unit: sectors
		start=1MiB, size=${BIOS_MIB}MiB, type=21686148-6449-6E6F-744E-656564454649, uuid=$(uuid_of bios), name=bios
		start=${ESP_AT}MiB, size=${ESP_MIB}MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(uuid_of esp), name=RAVELIN-ESP
		start=${SLOT_A_AT}MiB, size=${SLOT_MIB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$(uuid_of root-a), name=root-a
		start=${SLOT_B_AT}MiB, size=${SLOT_MIB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$(uuid_of root-b), name=root-b
		start=${DATA_AT}MiB, size=${DATA_MIB}MiB, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=$(uuid_of data), name=ravelin-data
	TABLE
	make_slot "$1" "$IMAGE_TMP/slot"
	place "$IMAGE_TMP/slot" "$SLOT_A_AT"
	rm -f "$IMAGE_TMP/slot"
	make_data "$IMAGE_TMP/data"
	place "$IMAGE_TMP/data" "$DATA_AT"
	make_esp "$IMAGE_TMP/esp"
	place "$IMAGE_TMP/esp" "$ESP_AT"
	embed_bios_loader
}

# place FILE MIB: its blocks that are not zero go to that place of the disk.
place() {
	dd if="$1" of="$disk" bs=1M seek="$2" conv=notrunc,sparse status=none
}

# make_slot TREE FILE: ext4 without a journal. Not a compressed file system: the loader reads kernel and initramfs from the slot that
# it starts, so that both always belong together, and an emulated or small processor does not decompress what it reads.
make_slot() {
	say "root file system: $(du -sm "$1" | cut -f1) MB of $SLOT_MIB"
	truncate -s "${SLOT_MIB}M" "$2"
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -b 4096 -i 16384 -m 0 -L ravelin-root -U "$(uuid_of slot)" \
		-O ^has_journal,^resize_inode,^orphan_file,^metadata_csum_seed -E "hash_seed=$(uuid_of hash),root_owner=0:0" -d "$1" "$2" ||
		die "the root file system does not fit its slot of $SLOT_MIB MiB"
	# The kernel refuses to mount it for writing.
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH tune2fs -O read-only "$2" >/dev/null
}

# make_data FILE: empty, with room in its tables to grow to a terabyte while mounted.
make_data() {
	truncate -s "${DATA_MIB}M" "$1"
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -b 4096 -m 1 -L ravelin-data -U "$(uuid_of data)" -J size=8 \
		-E "hash_seed=$(uuid_of data-hash),resize=268435456,lazy_itable_init=0,lazy_journal_init=0" "$1"
}
