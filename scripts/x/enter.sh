# Puts the sysroot together and enters it. Runs as the first process of a private mount and pid namespace; every mount
# made here ends with that namespace. Arguments: the command of ./x and its arguments.
# The root is an overlay: the cached sysroot below, a tmpfs above, so that runs neither change it nor see each other.
# It must be a mount point, or `ip netns exec` inside fails.
set -eu
. "$X_SRC/scripts/x/common.sh"

mount --make-rprivate /
mount -t tmpfs -o mode=0755 ravelin "$X_MOUNT"
mkdir "$X_MOUNT/upper" "$X_MOUNT/work" "$X_MOUNT/root"
root=$X_MOUNT/root
mount -t overlay -o "lowerdir=$X_SYSROOT,upperdir=$X_MOUNT/upper,workdir=$X_MOUNT/work" overlay "$root"

# bind PATH [ro]: the host's PATH at the same place inside.
bind() {
	[ -e "$1" ] || return 0
	mkdir -p "$root$1"
	mount --rbind "$1" "$root$1"
	[ "${2:-}" != ro ] || mount -o remount,bind,ro "$root$1"
}

# Natively, parts of the host's root that are file systems of their own are not in the overlay.
if [ "$X_SYSROOT" = / ]; then
	for part in /usr /etc /var /opt; do
		! mountpoint -q "$part" || bind "$part" ro
	done
fi
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
[ ! -d "$root/dev/shm" ] || mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
# A private /run makes the names of network namespaces and sockets private.
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root/run/netns" "$root/run/lock" "$root/tmp/home"
chown "$X_BUILD_UID:$X_BUILD_GID" "$root/tmp/home"

if [ "${RAVELIN_NO_HUGE:-}" != 1 ]; then
	mkdir "$root/run/hugepages"
	if ! mount -t hugetlbfs -o pagesize=2M hugepages "$root/run/hugepages"; then
		say "hugetlbfs cannot be mounted: DPDK runs with --no-huge"
		RAVELIN_NO_HUGE=1
	fi
fi

bind "$X_CARGO_HOME"
bind "$X_RUSTUP_HOME" ro
bind "$X_SRC"
bind "$X_TARGET"
# What image/build keeps between builds.
mkdir -p "$X_CACHE/image"
bind "$X_CACHE/image"
bind /etc/ssl/certs ro
bind /usr/local/share/ca-certificates ro
bundle=/etc/ssl/certs/ca-certificates.crt
for file in "${SSL_CERT_FILE:-}" $bundle /etc/pki/tls/certs/ca-bundle.crt; do
	if [ -n "$file" ] && [ -e "$file" ]; then
		[ -e "$root$file" ] || install -D -m 644 "$file" "$root$file"
		bundle=$file
		break
	fi
done
for file in /etc/resolv.conf /etc/hosts; do
	[ -e "$file" ] || continue
	contents=$(cat "$file")
	rm -f "$root$file"
	printf '%s\n' "$contents" >"$root$file"
done
if [ "$X_BUILD_UID" != 0 ] && ! grep -q "^[^:]*:[^:]*:$X_BUILD_UID:" "$root/etc/passwd"; then
	printf 'builder:x:%s:%s::/tmp/home:/bin/sh\n' "$X_BUILD_UID" "$X_BUILD_GID" >>"$root/etc/passwd"
fi

# Only these of the caller's variables go in: a host's CC, LD_PRELOAD or RUSTFLAGS must not decide what is built.
set -- sh "$X_SRC/scripts/x/inside.sh" "$@"
for name in TERM CI COLUMNS http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY RUST_LOG RUST_BACKTRACE \
	RUSTUP_TOOLCHAIN CARGO_BUILD_JOBS CARGO_INCREMENTAL CARGO_NET_OFFLINE CARGO_TERM_COLOR CARGO_TERM_PROGRESS_WHEN \
	RAVELIN_NO_HUGE RAVELIN_ACCEL RAVELIN_MIRROR RAVELIN_PROFILE SOURCE_DATE_EPOCH PROPTEST_CASES; do
	eval "value=\${$name:-}"
	[ -z "$value" ] || set -- "$name=$value" "$@"
done
cd "$X_SRC"
exec chroot "$root" /usr/bin/env -i \
	PATH="$X_CARGO_HOME/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
	CARGO_HOME="$X_CARGO_HOME" RUSTUP_HOME="$X_RUSTUP_HOME" RUSTUP_AUTO_INSTALL=0 CARGO_TARGET_DIR="$X_TARGET" \
	SSL_CERT_FILE="$bundle" RAVELIN_INSIDE=1 X_IMAGE_CACHE="$X_CACHE/image" \
	X_SRC="$X_SRC" X_BUILD_UID="$X_BUILD_UID" X_BUILD_GID="$X_BUILD_GID" "$@"
