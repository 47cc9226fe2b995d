#!/bin/sh
# Makes the peer guest of the VM tests: Debian's kernel with its XFRM ESP, strongSwan, and what its init calls, in an initramfs.
# usage: build.sh DEB OUT      DEB is a Debian package linux-image-<version>; OUT gets vmlinux, initrd and inputs
# Runs inside the sysroot, whose strongSwan and tools it takes; needs no privilege. Boots in seconds, since it holds nothing else.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd -P)
deb=$1 out=$2

# What the init and the tests call.
programs="/usr/bin/dash /usr/bin/busybox /usr/bin/ip /usr/bin/ping /usr/bin/kmod /usr/bin/socat /usr/bin/iperf3 /usr/bin/tcpdump
/usr/sbin/charon-systemd /usr/sbin/swanctl"
# strongSwan's plugins that etc/strongswan.conf loads, without kernel-libipsec: ESP is the kernel's business here.
plugins="random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 pkcs8 x509 pubkey constraints kernel-netlink socket-default vici updown"
# Everything else that is needed is built into the kernel. IPsec of both families and all modes, NICs of QEMU, control channel.
modules="qemu_fw_cfg virtio_net virtio_rng esp4 esp6 ah4 ah6 xfrm_user xfrm4_tunnel xfrm6_tunnel xfrm_interface tunnel4 tunnel6
echainiv seqiv authenc authencesn gcm ccm ctr cmac ghash_generic ghash-clmulni-intel aesni-intel sha1-ssse3 sha256-ssse3 sha512-ssse3
sha512_generic chacha20poly1305 chacha_generic poly1305_generic crypto_null des_generic"

die() {
	printf 'peer: error: %s\n' "$*" >&2
	exit 1
}

# What all of it is made from: nothing is made again while this stays the same.
inputs=$(cat "$here"/* /etc/debian_version | sha256sum | cut -c1-16)-$(sha256sum "$deb" | cut -c1-16)-$(swanctl --version 2>/dev/null | cksum | cut -d' ' -f1)
[ "$(cat "$out/inputs" 2>/dev/null)" != "$inputs" ] || exit 0

mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
stage=$work/stage
tree=$work/tree
mkdir "$stage" "$tree"
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tree" --wildcards './boot/vmlinuz-*' './usr/lib/modules/*/modules.*' \
	'./usr/lib/modules/*/kernel/arch' './usr/lib/modules/*/kernel/crypto' './usr/lib/modules/*/kernel/lib' './usr/lib/modules/*/kernel/net' \
	'./usr/lib/modules/*/kernel/drivers/net' './usr/lib/modules/*/kernel/drivers/virtio' './usr/lib/modules/*/kernel/drivers/char' \
	'./usr/lib/modules/*/kernel/drivers/firmware' || die "$deb is no kernel package"
set -- "$tree"/boot/vmlinuz-*
kernel=$1
[ -f "$kernel" ] || die "$deb holds no kernel"
version=${kernel##*/vmlinuz-}

mkdir -p "$stage/dev" "$stage/proc" "$stage/sys" "$stage/run" "$stage/tmp" "$stage/etc/swanctl" "$stage/usr/bin" "$stage/usr/lib64" \
	"$stage/var"
for link in bin:usr/bin sbin:usr/bin lib:usr/lib lib64:usr/lib64 usr/sbin:bin var/run:../run; do
	ln -s "${link#*:}" "$stage/${link%%:*}"
done

# put FILE: the file at its own place, through merged-usr names.
put() {
	[ -e "$1" ] || die "$1 is missing in the sysroot"
	case $1 in
	/usr/*) place=$1 ;;
	*) place=/usr$1 ;;
	esac
	case $place in
	/usr/sbin/*) place=/usr/bin/${place##*/} ;;
	esac
	[ -e "$stage$place" ] || install -D -m "$(stat -L -c %a "$1")" "$1" "$stage$place"
}

# libraries FILE...: what the dynamic linker loads for them.
libraries() {
	for file; do
		# A static program has none: ldd says so and fails.
		ldd "$file" 2>/dev/null | sed -n -e 's/.* => \(\/[^ ]*\) .*/\1/p' -e 's/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' || :
	done | sort -u
}

objects=$programs
for plugin in $plugins; do
	objects="$objects /usr/lib/ipsec/plugins/libstrongswan-$plugin.so"
done
# shellcheck disable=SC2086  # a list of paths without spaces
for object in $objects $(libraries $objects); do
	put "$object"
done
for applet in $("$stage/usr/bin/busybox" --list); do
	[ -e "$stage/usr/bin/$applet" ] || ln -s busybox "$stage/usr/bin/$applet"
done
# busybox' own shell would take its applets for ip and ping.
ln -sf dash "$stage/usr/bin/sh"
ln -sf kmod "$stage/usr/bin/modprobe"
# pthread_cancel(3) loads it by name.
put /usr/lib/x86_64-linux-gnu/libgcc_s.so.1
put /usr/lib/ipsec/_updown
ln -s /run "$stage/etc/swanctl/conf.d"
cp "$here/strongswan.conf" "$stage/etc/strongswan.conf"
cp "$here/strongswan.conf" "$stage/etc/swanctl/strongswan.conf"
printf 'root:x:0:0::/:/bin/sh\ntcpdump:x:0:0::/:/bin/sh\n' >"$stage/etc/passwd"
printf 'root:x:0:\n' >"$stage/etc/group"
cp /etc/protocols "$stage/etc/protocols" 2>/dev/null || printf 'icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nesp 50 IPSEC-ESP\n' >"$stage/etc/protocols"
install -m 755 "$here/init" "$stage/init"

# Modules with all they need, unpacked: the guest's processor is slow.
source=$tree/usr/lib/modules/$version
ln -s usr/lib "$tree/lib"
depmod -b "$tree" "$version"
target=$stage/usr/lib/modules/$version
mkdir -p "$target"
for module in $modules; do
	modprobe --dirname "$tree" --set-version "$version" --show-depends "$module" >"$work/depends" ||
		die "kernel $version has no module $module"
	sed -n 's/^insmod \([^ ]*\).*/\1/p' "$work/depends"
done | sort -u >"$work/files"
[ -s "$work/files" ] || die "no module of $version was found"
while read -r file; do
	name=${file##*/}
	case $name in
	*.xz) busybox xzcat "$file" >"$target/${name%.xz}" ;;
	*.zst) zstd -qdc "$file" >"$target/${name%.zst}" ;;
	*) cp "$file" "$target/$name" ;;
	esac
done <"$work/files"
cp "$source/modules.builtin" "$source/modules.builtin.modinfo" "$source/modules.order" "$target/"
depmod -b "$stage" "$version"

(cd "$stage" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null --create --format=newc --owner=0:0 --reproducible) \
	>"$out/initrd.new"
mv "$out/initrd.new" "$out/initrd"

# The kernel without its compression: QEMU enters an ELF kernel by PVH, and unpacking is slow on an emulated processor.
magic=$(printf '\050\265\057\375')
LC_ALL=C grep -obUaF "$magic" "$kernel" | while IFS=: read -r offset _; do
	# What follows the frame is no zstd, hence an error after all was written.
	tail -c "+$((offset + 1))" "$kernel" | zstd -qdc >"$out/vmlinux.new" 2>/dev/null || :
	[ "$(head -c 4 "$out/vmlinux.new" | tail -c 3)" != ELF ] || break
done
[ "$(head -c 4 "$out/vmlinux.new" | tail -c 3)" = ELF ] || die "$kernel holds no zstd-compressed kernel"
mv "$out/vmlinux.new" "$out/vmlinux"
printf '%s\n' "$inputs" >"$out/inputs"
