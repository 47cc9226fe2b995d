# Makes the Debian 13 sysroot once, keyed by the hash of its package list and of this recipe. Sourced by ./x.
# Built under a temporary name and renamed when complete, so that an interrupted build is never used; a lock lets two
# ./x at once build it once. It is never written to afterwards: enter.sh puts an overlay over it.

readonly PACKAGE_LIST="$X_SRC/image/packages/build.list"
readonly SUITE=trixie
# Conflicts with strongSwan as a package and not as files: unpacked without being installed.
readonly UNPACKED=libreswan

# package_list: the names of build.list, one a line, without comments.
package_list() {
	sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$PACKAGE_LIST"
}

make_sysroot() {
	hash=$(cat "$PACKAGE_LIST" "$X_SRC/scripts/x/sysroot.sh" "$X_SRC/scripts/x/ml_plugin.sh" | sha256sum | cut -c1-16)
	X_SYSROOT=$X_CACHE/sysroot-$hash
	[ -d "$X_SYSROOT" ] && return
	exec 8>"$X_CACHE/lock"
	if ! flock -n 8; then
		say "another ./x is making the sysroot, waiting for it"
		flock 8
	fi
	# Under the lock every temporary tree is a dead run's.
	for left in "$X_CACHE"/building-*; do
		[ -d "$left" ] && remove_tree "$left"
	done
	[ -d "$X_SYSROOT" ] || build_sysroot
	exec 8>&-
}

# remove_tree DIR: only ever below our cache, never across a mount.
remove_tree() {
	case $1 in
	"$X_CACHE"/*) rm -rf --one-file-system "$1" ;;
	*) die "refusing to remove $1" ;;
	esac
}

install_mmdebstrap() {
	has mmdebstrap && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] && return
	has apt-get || die "mmdebstrap and Debian's archive keyring are missing and this host has no apt to install them with"
	say "installing mmdebstrap and debian-archive-keyring with apt"
	DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null >&2 ||
		say "apt-get update failed, trying with the lists that are there"
	DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends --yes mmdebstrap debian-archive-keyring \
		</dev/null >&2 || die "apt-get install mmdebstrap debian-archive-keyring failed"
}

build_sysroot() {
	need_space "$X_CACHE" "$SYSROOT_SPACE_MB" "the Debian 13 sysroot"
	install_mmdebstrap
	say "making the Debian 13 sysroot in $X_SYSROOT ($(package_list | wc -l) packages, once; about 1.5 minutes)"
	begun=$(seconds)
	new=$X_CACHE/building-$$
	mirror=${RAVELIN_MIRROR:-http://deb.debian.org/debian}
	proxy=
	if has apt-config; then
		eval "$(apt-config shell proxy Acquire::http::Proxy)"
	fi
	# The host's umask must not show in the tree, nor its temporary folder, which may be small or noexec. The same chain as
	# in ./x: when this shell is killed, so is everything below it, before the lock is free.
	mask=$(umask)
	umask 022
	mkdir "$new-tmp"
	TMPDIR=$new-tmp setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL --mount-proc \
		mmdebstrap --mode=root --variant=apt --format=directory --components=main \
		${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--include="$(package_list | paste -sd, -)" \
		--customize-hook="cd '$new-tmp' && APT_CONFIG=\$MMDEBSTRAP_APT_CONFIG apt-get -qq download $UNPACKED && dpkg -x ${UNPACKED}_*.deb \"\$1\"" \
		--customize-hook="sh '$X_SRC/scripts/x/ml_plugin.sh' \"\$1\" '$mirror'" \
		$SUITE "$new" "$mirror" </dev/null >&2 8>&- || {
		remove_tree "$new"
		remove_tree "$new-tmp"
		die "mmdebstrap failed; the lines above say why (is the Debian mirror reachable?)"
	}
	remove_tree "$new-tmp"
	umask "$mask"
	mv "$new" "$X_SYSROOT"
	say "sysroot made in $(($(seconds) - begun)) s"
	for old in "$X_CACHE"/sysroot-*; do
		[ "$old" = "$X_SYSROOT" ] || say "older sysroot, no longer used by this checkout: rm -rf $old"
	done
}
