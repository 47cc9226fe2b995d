#!/bin/sh
# Makes the domain `ravelin` by virt-install instead of from ravelin.xml: the same machine without pinned CPUs, booted by BIOS.
# More options of virt-install may follow, say `--boot uefi` or `--print-xml --dry-run`.
#
#   virt-install.sh DISK.qcow2 DAY0.iso UNTRUST-BRIDGE TRUST-BRIDGE [OPTION ...]
set -eu

[ $# -ge 4 ] || {
	echo "usage: $0 DISK.qcow2 DAY0.iso UNTRUST-BRIDGE TRUST-BRIDGE [OPTION ...]" >&2
	exit 2
}
disk=$1 iso=$2 untrust=$3 trust=$4
shift 4

data=model.type=virtio,driver.name=vhost,driver.queues=4,xpath0.set=./driver/@iommu=on,xpath1.set=./driver/@ats=on
data=$data,xpath2.set=./driver/guest/@csum=off,xpath3.set=./driver/guest/@tso4=off,xpath4.set=./driver/guest/@tso6=off
exec virt-install --name ravelin --osinfo debian12 --import \
	--virt-type kvm --machine pc-q35-7.2 \
	--memory 4096 --memorybacking hugepages=on,hugepages.page0.size=2,hugepages.page0.unit=MiB,locked=on,allocation.mode=immediate \
	--vcpus 4,sockets=1,cores=4,threads=1 --cpu host-passthrough,check=none,migratable=off \
	--features ioapic.driver=qemu --iommu model=intel,driver.intremap=on,driver.caching_mode=on,driver.iotlb=on \
	--disk "path=$disk,driver.type=qcow2,bus=virtio,discard=unmap,boot.order=1" \
	--disk "path=$iso,driver.type=raw,device=cdrom,bus=sata" \
	--network network=default,model.type=virtio \
	--network "bridge=$untrust,$data" --network "bridge=$trust,$data" \
	--serial pty --graphics vnc,listen=127.0.0.1 --video vga --rng /dev/urandom --memballoon none --controller usb,model=none \
	--input none --sound none --channel none --noautoconsole "$@"
