# ravelin-<version>.ova, for VMware ESXi: a tar archive of the OVF descriptor, its manifest and the disk. Called by image.sh with
# its variables in the environment.
set -eu

. "$X_SRC/scripts/x/common.sh"

readonly OVF_TEMPLATE="$X_SRC/image/ova/ravelin.ovf.in"
# Where a sparse VMDK's text descriptor begins, and the sectors that qemu-img reserves for it.
readonly VMDK_DESCRIPTOR_OCTET=512
readonly VMDK_DESCRIPTOR_OCTETS=10240

make_ova() {
	begun=$(seconds)
	say "compressing the disk of $IMAGE_NAME.ova"
	parts=$IMAGE_OUT/$IMAGE_NAME.ova.parts
	trap 'rm -rf "$parts"' EXIT
	trap 'exit 130' INT TERM HUP
	rm -rf "$parts"
	mkdir "$parts"
	disk=$IMAGE_NAME-disk1.vmdk
	make_vmdk "$IMAGE_QCOW2" "$parts/$disk"
	make_ovf "$parts/$disk" >"$parts/$IMAGE_NAME.ovf"
	make_manifest "$parts" "$IMAGE_NAME.ovf" "$disk" >"$parts/$IMAGE_NAME.mf"
	# The order is the standard's: the descriptor, the manifest, then the files as the descriptor lists them.
	tar --create --file="$parts/ova" --directory="$parts" --format=ustar --mtime="@$SOURCE_DATE_EPOCH" \
		--owner=0 --group=0 --numeric-owner --mode=0644 "$IMAGE_NAME.ovf" "$IMAGE_NAME.mf" "$disk"
	mv "$parts/ova" "$IMAGE_OUT/$IMAGE_NAME.ova"
	say "$IMAGE_NAME.ova: $(($(stat -c %s "$IMAGE_OUT/$IMAGE_NAME.ova") / 1000000)) MB in $(($(seconds) - begun)) s"
}

# make_vmdk QCOW2 VMDK: compressed grains in the order of the disk, which is the one kind of disk that an OVA may hold.
make_vmdk() {
	qemu-img convert -f qcow2 -O vmdk -o subformat=streamOptimized,adapter_type=lsilogic,compat6 "$1" "$2"
	fix_content_id "$1" "$2"
}

# fix_content_id QCOW2 VMDK: qemu-img writes a random content id (CID) into the descriptor. It only has to change when the content
# does, so it is taken from the digest of what was converted, and two builds of one disk are the same file. ffffffff means "no
# parent" and fffffffe is qemu-img's "no CID".
fix_content_id() {
	id=$(sha256sum "$1" | cut -c1-8)
	case $id in
	fffffffe | ffffffff) id=00000001 ;;
	esac
	# The random one may have fewer digits than the one before it, whose text then goes on behind the first zero octet. So it is written
	# anew up to there, with zero octets that fill its place.
	head -c $((VMDK_DESCRIPTOR_OCTET + VMDK_DESCRIPTOR_OCTETS)) "$2" | tail -c "$VMDK_DESCRIPTOR_OCTETS" | sed -z -n 1p | tr -d '\0' |
		sed "s/^CID=[0-9a-f]*$/CID=$id/" >"$2.descriptor"
	grep -q "^CID=$id$" "$2.descriptor" || die "qemu-img wrote no CID into the descriptor of $2"
	truncate -s "$VMDK_DESCRIPTOR_OCTETS" "$2.descriptor"
	dd if="$2.descriptor" of="$2" bs="$VMDK_DESCRIPTOR_OCTET" seek=1 conv=notrunc status=none
	rm "$2.descriptor"
}

# make_ovf VMDK: the descriptor on standard output.
make_ovf() {
	capacity=$(qemu-img info --output=json "$1" | jq '."virtual-size"')
	populated=$(qemu-img map --output=json "$1" | jq '[.[] | select(.data) | .length] | add // 0')
	sed -e "s/@NAME@/$IMAGE_NAME/g" -e "s/@VERSION@/$IMAGE_VERSION/g" \
		-e "s/@DISK_FILE@/$(basename "$1")/" -e "s/@DISK_FILE_OCTETS@/$(stat -c %s "$1")/" \
		-e "s/@CAPACITY_OCTETS@/$capacity/" -e "s/@POPULATED_OCTETS@/$populated/" "$OVF_TEMPLATE"
}

# make_manifest FOLDER FILES...: the digests on standard output, in the form that OVF demands.
make_manifest() {
	(
		cd "$1"
		shift
		for file; do
			printf 'SHA256(%s)= %s\n' "$file" "$(sha256sum "$file" | cut -d' ' -f1)"
		done
	)
}

make_ova
