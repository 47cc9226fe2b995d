# The base tree: the locked packages installed, nothing of ours. Cached by the hash of all it is made from. Sourced by image.sh.

make_base() {
	hash=$(cat "$IMAGE_LOCK" "$IMAGE_SRC/packages/modules.list" "$IMAGE_SRC/build/base.sh" "$IMAGE_SRC/build/packages.sh" \
		"$IMAGE_SRC/build/modules.sh" | sha256sum | cut -c1-16)
	IMAGE_BASE=$IMAGE_CACHE/base-$hash
	exec 7>"$IMAGE_CACHE/lock"
	if ! flock -n 7; then
		say "another build is making the base tree, waiting for it"
		flock 7
	fi
	if [ ! -d "$IMAGE_BASE" ]; then
		for left in "$IMAGE_CACHE"/building-*; do
			[ ! -d "$left" ] || rm -rf --one-file-system "$left"
		done
		build_base
	fi
	exec 7>&-
}

build_base() {
	need_free "$IMAGE_CACHE" 1800 "the base tree"
	fetch_packages
	begun=$(seconds)
	say "installing $(grep -vc '^#' "$IMAGE_LOCK") packages in the base tree (once for this lock; about 1.5 minutes)"
	new=$IMAGE_CACHE/building-$$
	repository=$IMAGE_TMP/repository
	make_repository "$repository"
	names=$(awk '!/^#/ { print $1 }' "$IMAGE_LOCK" | paste -sd, -)
	mkdir "$IMAGE_TMP/mmdebstrap"
	# shellcheck disable=SC2016  # $1 is mmdebstrap's
	# The kernel's script would read all of its modules with depmod, which keep_modules does once it has fewer.
	TMPDIR=$IMAGE_TMP/mmdebstrap SOURCE_DATE_EPOCH=$IMAGE_BASE_EPOCH \
		mmdebstrap --mode=root --variant=essential --format=directory --skip=cleanup/apt/lists,check/empty \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='APT::Sandbox::User "root"' \
		--dpkgopt='force-unsafe-io' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/lintian/*' \
		--dpkgopt='path-exclude=/usr/share/bash-completion/*' --dpkgopt='path-exclude=/usr/share/zsh/*' \
		--essential-hook='mkdir -p "$1/usr/local/sbin" && ln -s /bin/true "$1/usr/local/sbin/depmod"' \
		--include="ravelin-initramfs,$names" \
		'' "$new" "deb [trusted=yes] copy:$repository ./" </dev/null >"$IMAGE_TMP/mmdebstrap.log" 2>&1 7>&- || {
		tail -n 40 "$IMAGE_TMP/mmdebstrap.log" >&2
		rm -rf --one-file-system "$new"
		die "mmdebstrap failed; the lines above say why"
	}
	rm "$new/usr/local/sbin/depmod"
	keep_modules "$new"
	clean_base "$new"
	mv "$new" "$IMAGE_BASE"
	say "base tree made in $(($(seconds) - begun)) s"
	for old in "$IMAGE_CACHE"/base-*; do
		[ "$old" = "$IMAGE_BASE" ] || say "older base tree, no longer used by this checkout: rm -rf $old"
	done
}

# clean_base TREE: takes away what only the installation needed, and what differs between two installations.
clean_base() {
	rm -rf "$1"/var/cache/* "$1"/var/lib/apt "$1"/var/log/* "$1"/var/lib/dpkg/*-old "$1"/var/lib/dpkg/lock* "$1"/var/lib/ucf/*.? \
		"$1"/etc/apt "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/etc/machine-id "$1"/var/lib/dbus/machine-id \
		"$1"/etc/*- "$1"/etc/ssh/ssh_host_* "$1"/run/* "$1"/tmp/* "$1"/var/lib/systemd/catalog "$1"/boot/initrd* "$1"/initrd* \
		"$1"/vmlinuz* "$1"/boot/System.map* "$1"/var/lib/systemd/random-seed "$1"/etc/ssl/private/*.key \
		"$1"/usr/share/debconf/templates "$1"/var/cache/debconf
	: >"$1/etc/machine-id"
}
