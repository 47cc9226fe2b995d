# What the host must have, and whose files we work on. Each check names what is missing and the command that mends it.
# Sourced by ./x.

# Free space (MB) that a first build needs: measured, rounded up.
readonly TARGET_SPACE_MB=6000
readonly SYSROOT_SPACE_MB=2500
# The oldest Rust that knows edition 2024.
readonly RUST_MINOR_MIN=85

check_root() {
	[ "$(id -u)" = 0 ] && return
	die "needs uid 0 for mounts, network namespaces and tunnels: run  sudo ./x $*"
}

# The checkout's owner keeps owning it: cargo runs as that user where it can, and what root wrote is given back.
find_owner() {
	X_OWNER_UID=$(stat -c %u "$X_SRC")
	X_OWNER_GID=$(stat -c %g "$X_SRC")
	X_USER_HOME=$HOME
	if [ -n "${SUDO_USER:-}" ] && [ "$SUDO_USER" != root ]; then
		X_USER_HOME=$(getent passwd "$SUDO_USER" | cut -d: -f6)
		[ -n "$X_USER_HOME" ] || die "SUDO_USER=$SUDO_USER has no home directory"
	fi
}

# Finds rustup and cargo: the environment's, else those of the user who called sudo, else the checkout owner's, else root's.
find_rust() {
	owner_home=$(getent passwd "$X_OWNER_UID" | cut -d: -f6)
	found=
	for home in "$X_USER_HOME" "$owner_home" /root; do
		[ -n "$home" ] || continue
		X_CARGO_HOME=${CARGO_HOME:-$home/.cargo}
		X_RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
		if [ -x "$X_CARGO_HOME/bin/cargo" ] && [ -d "$X_RUSTUP_HOME/toolchains" ]; then
			found=yes
			break
		fi
	done
	[ -n "$found" ] || die "no rustup toolchain for ${SUDO_USER:-root} (looked for .cargo/bin/cargo and .rustup/toolchains in" \
		"$X_USER_HOME): install Rust from https://rustup.rs, or set CARGO_HOME and RUSTUP_HOME"
	version=$(CARGO_HOME=$X_CARGO_HOME RUSTUP_HOME=$X_RUSTUP_HOME RUSTUP_AUTO_INSTALL=0 "$X_CARGO_HOME/bin/cargo" --version) ||
		die "cargo of $X_CARGO_HOME does not run: rustup default stable"
	minor=$(printf '%s\n' "$version" | sed -n 's/^cargo 1\.\([0-9]*\)\..*/\1/p')
	[ "${minor:-0}" -ge $RUST_MINOR_MIN ] || die "$version is too old, 1.$RUST_MINOR_MIN is needed: rustup update stable"

	# Building as the owner needs a cargo home that the owner can write and reach.
	X_BUILD_UID=0
	X_BUILD_GID=0
	if [ "$X_OWNER_UID" != 0 ] && [ "$(stat -c %u "$X_CARGO_HOME")" = "$X_OWNER_UID" ]; then
		X_BUILD_UID=$X_OWNER_UID
		X_BUILD_GID=$X_OWNER_GID
	fi
	X_TARGET=${CARGO_TARGET_DIR:-$X_SRC/target}
	case $X_TARGET in
	/*) ;;
	*) X_TARGET=$PWD/$X_TARGET ;;
	esac
	make_owned_dir "$X_TARGET"
	export X_CARGO_HOME X_RUSTUP_HOME X_BUILD_UID X_BUILD_GID X_TARGET
}

check_tools() {
	for tool in unshare setpriv flock mount chroot sha256sum; do
		has "$tool" || die "$tool is missing: apt-get install util-linux mount coreutils"
	done
	[ -c /dev/net/tun ] || die "/dev/net/tun is missing: modprobe tun"
	grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null ||
		die "this kernel has no overlay file system, which keeps the sysroot unchanged while it is used"
}

# make_owned_dir DIR: creates it; what is new belongs to the checkout's owner.
make_owned_dir() {
	[ -d "$1" ] && return
	make_owned_dir "$(dirname "$1")"
	mkdir -p "$1" && chown "$X_OWNER_UID:$X_OWNER_GID" "$1"
}

find_cache() {
	X_CACHE=${XDG_CACHE_HOME:-$X_USER_HOME/.cache}/ravelin
	make_owned_dir "$X_CACHE"
	mkdir -p "$X_CACHE/root"
	X_MOUNT=$X_CACHE/root
	export X_CACHE X_MOUNT
}

# free_mb DIR: free space of its file system.
free_mb() {
	df -Pm "$1" | awk 'NR == 2 { print $4 }'
}

need_space() {
	free=$(free_mb "$1")
	[ "$free" -ge "$2" ] || die "$3 needs $2 MB below $1, $free MB are free"
}

check_disk() {
	[ -d "$X_TARGET/debug" ] || need_space "$X_TARGET" $TARGET_SPACE_MB "the first build"
}

# A Debian 13 host with every package of the list may stand in for the sysroot.
check_native() {
	# shellcheck disable=SC1091
	host=$(. /etc/os-release && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")
	[ "$host" = "debian 13" ] || die "--native needs Debian 13, this is '$host'"
	missing=
	for package in $(package_list); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
	done
	[ -z "$missing" ] || die "missing packages: apt-get install --no-install-recommends$missing"
}

# Whatever root left in the checkout goes to its owner.
give_back_to_owner() {
	[ "$X_OWNER_UID" != 0 ] || return 0
	for dir in "$X_SRC" "$X_TARGET"; do
		find "$dir" -xdev -uid 0 -exec chown -h "$X_OWNER_UID:$X_OWNER_GID" {} + 2>/dev/null || :
	done
}
