#!/bin/sh
# Prints the NICs and QAT functions of this machine as the trees beside this file: `sh record.sh > NAME.txt`, as root, before `ravelin-host prepare`.
#
# @ FOLDER       paths below are relative to it
# = PATH TEXT    a file
# x PATH HEX     a file of octets
# > PATH TARGET  a symbolic link
# d PATH         a folder
# ! LINE         written by hand: what is decided for a NIC, in the order of the bus, then for a crypto device

set -eu

echo "# $(cat /sys/class/dmi/id/sys_vendor) $(cat /sys/class/dmi/id/product_name), Linux $(uname -r)"
echo "@ /sys"
for driver in vfio-pci igb_uio uio_pci_generic; do
	[ ! -d "/sys/bus/pci/drivers/$driver" ] || echo "d bus/pci/drivers/$driver"
done
for iommu in /sys/class/iommu/*; do
	[ ! -e "$iommu" ] || echo "d ${iommu#/sys/}"
done
noiommu=module/vfio/parameters/enable_unsafe_noiommu_mode
[ ! -e "/sys/$noiommu" ] || echo "= $noiommu N"

for device in /sys/bus/pci/devices/*; do
	group=$(readlink "$device/iommu_group" || true)
	case $(cat "$device/class")$(cat "$device/vendor") in
	0x0200* | 0x0b40*0x8086) ;;
	*) # Others only where they share a group with one of these.
		[ -n "$group" ] || continue
		shared=no
		for member in "$device"/iommu_group/devices/*; do
			case $(cat "$member/class")$(cat "$member/vendor") in 0x0200* | 0x0b40*0x8086) shared=yes ;; esac
		done
		[ "$shared" = yes ] || continue
		;;
	esac
	echo "@ $device"
	for file in class vendor device numa_node; do
		echo "= $file $(cat "$device/$file")"
	done
	echo "x config $(head -c 64 "$device/config" | od -An -v -tx1 | tr -d ' \n')"
	driver=$(readlink "$device/driver" || true)
	[ -z "$driver" ] || echo "> driver ../../drivers/${driver##*/}"
	[ ! -e "$device/physfn" ] || echo "> physfn ../$(basename "$(readlink "$device/physfn")")"
	for net in "$device"/net/* "$device"/virtio*/net/*; do
		[ -d "$net" ] || continue
		for file in address addr_assign_type; do
			echo "= ${net#"$device"/}/$file $(cat "$net/$file")"
		done
	done
	for features in "$device"/virtio*/features; do
		[ ! -e "$features" ] || echo "= ${features#"$device"/} $(cat "$features")"
	done
	[ -n "$group" ] || continue
	echo "> iommu_group ../../../../kernel/iommu_groups/${group##*/}"
	echo "d /sys/kernel/iommu_groups/${group##*/}/devices/${device##*/}"
done
