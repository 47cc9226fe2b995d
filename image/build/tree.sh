# The appliance's root tree: the base tree, image/root, the daemons, and what follows from them. An overlay over the base tree, so
# that nothing is copied and the base stays as it is. Sourced by image.sh.

make_tree() {
	mkdir -p "$IMAGE_TMP/upper" "$IMAGE_TMP/work" "$IMAGE_TREE"
	mount -t overlay -o "lowerdir=$IMAGE_BASE,upperdir=$IMAGE_TMP/upper,workdir=$IMAGE_TMP/work" overlay "$IMAGE_TREE"
	copy_root
	install_daemons
	name_release
	finish_tree
	stamp "$IMAGE_TREE"
}

# copy_root: image/root as it is in git: a file is executable or not, and belongs to root.
copy_root() {
	(cd "$IMAGE_SRC/root" && find . -type d ! -name . -print) | while read -r folder; do
		[ -d "$IMAGE_TREE/$folder" ] || install -d -m 755 "$IMAGE_TREE/$folder"
	done
	(cd "$IMAGE_SRC/root" && find . ! -type d -print) | while read -r file; do
		case $file in
		*/.gitkeep) continue ;;
		esac
		rm -f "$IMAGE_TREE/$file"
		if [ -L "$IMAGE_SRC/root/$file" ]; then
			ln -s "$(readlink "$IMAGE_SRC/root/$file")" "$IMAGE_TREE/$file"
		elif [ -x "$IMAGE_SRC/root/$file" ]; then
			install -m 755 "$IMAGE_SRC/root/$file" "$IMAGE_TREE/$file"
		else
			install -m 644 "$IMAGE_SRC/root/$file" "$IMAGE_TREE/$file"
		fi
	done
	# sudo reads nothing that others may read.
	find "$IMAGE_TREE/etc/sudoers.d" -type f -exec chmod 440 {} +
}

check_programs() {
	for program in $IMAGE_PROGRAMS; do
		[ -x "$IMAGE_BIN_DIR/$program" ] ||
			die "$IMAGE_BIN_DIR/$program is missing: ./x image builds it, or cargo build${IMAGE_CARGO_FLAG:+ $IMAGE_CARGO_FLAG}"
	done
}

# install_daemons: every program of appliance/bin; the CLI is for users, the others for the system.
install_daemons() {
	for program in $IMAGE_PROGRAMS; do
		case $program in
		ravelin) to=$IMAGE_TREE/usr/bin/$program ;;
		*) to=$IMAGE_TREE/usr/sbin/$program ;;
		esac
		install -m 755 "$IMAGE_BIN_DIR/$program" "$to"
		strip --strip-debug "$to"
		lacking=$(chroot "$IMAGE_TREE" /usr/bin/ldd "${to#"$IMAGE_TREE"}" | awk '/not found/ { print $1 }' | paste -sd' ' -)
		[ -z "$lacking" ] || die "$program needs $lacking, which no package of appliance.list brings"
	done
}

name_release() {
	sed -i -e '/^PRETTY_NAME=/d' "$IMAGE_TREE/usr/lib/os-release"
	cat >>"$IMAGE_TREE/usr/lib/os-release" <<-RELEASE
		PRETTY_NAME="Ravelin $IMAGE_VERSION"
		IMAGE_ID=ravelin
		IMAGE_VERSION=$IMAGE_VERSION
		BUILD_ID=$IMAGE_COMMIT
	RELEASE
}

# finish_tree: users, what is enabled, and the folders that are mount points on a read-only root.
finish_tree() {
	mkdir -p "$IMAGE_TREE/data"
	: >"$IMAGE_TREE/etc/machine-id"
	echo ravelin >"$IMAGE_TREE/etc/hostname"
	# Nothing is mounted by name but what units mount.
	: >"$IMAGE_TREE/etc/fstab"
	# SOURCE_DATE_EPOCH also dates the users' passwords.
	mount -t proc proc "$IMAGE_TREE/proc"
	log=$IMAGE_TMP/finish.log
	for command in "systemd-sysusers" "systemctl --quiet preset-all" "ldconfig -X"; do
		# shellcheck disable=SC2086  # a command and its arguments
		chroot "$IMAGE_TREE" $command >"$log" 2>&1 || die "$command fails in the image: $(cat "$log")"
	done
	umount "$IMAGE_TREE/proc"
	for unit in $(list_of "$IMAGE_SRC/packages/masked.list"); do
		ln -sf /dev/null "$IMAGE_TREE/etc/systemd/system/$unit"
	done
	ln -sf /usr/lib/systemd/system/multi-user.target "$IMAGE_TREE/etc/systemd/system/default.target"
	# Or each boot would think that /usr has been updated since the last one.
	: >"$IMAGE_TREE/etc/.updated"
	: >"$IMAGE_TREE/var/.updated"
	rm -f "$IMAGE_TREE"/etc/*- "$IMAGE_TREE/var/cache/ldconfig/aux-cache"
	rm -rf "$IMAGE_TREE"/run/* "$IMAGE_TREE"/tmp/*
}

# stamp DIR: nothing is younger than the commit, so that the time of the build shows nowhere.
stamp() {
	find "$1" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0 -r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
}
