# Resolves appliance.list against Debian and writes appliance.lock: `name version sha256 path` of every package to install.
# The signatures of the archive are checked here; from then on the hashes stand for them. Sourced by image.sh.

# apt on the side: no state of the system it runs in is read or changed.
side_apt() {
	tool=$1
	shift
	"$tool" -qq -o Dir::State="$IMAGE_TMP/apt" -o Dir::State::status="$IMAGE_TMP/apt/status" -o Dir::Cache="$IMAGE_TMP/apt" \
		-o Dir::Etc::sourcelist="$IMAGE_TMP/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::main=/dev/null \
		-o APT::Install-Recommends=false -o APT::Architecture=amd64 -o Acquire::Languages=none -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root "$@"
}

update_lock() {
	say "resolving image/packages/appliance.list against $IMAGE_MIRROR"
	mkdir -p "$IMAGE_TMP/apt/lists/partial" "$IMAGE_TMP/apt/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $IMAGE_MIRROR $IMAGE_SUITE main" \
		>"$IMAGE_TMP/apt/sources.list"
	dummy_control | sed '/^Package:/a Status: install ok installed' >"$IMAGE_TMP/apt/status"
	side_apt apt-get update || die "the package lists of $IMAGE_MIRROR cannot be read"
	# shellcheck disable=SC2046  # names without blanks
	side_apt apt-get install --print-uris '?and(?essential,?not(?name(^apt$)))' $(list_of "$IMAGE_SRC/packages/appliance.list") \
		>"$IMAGE_TMP/uris" || die "appliance.list cannot be resolved, see above"
	# 'URL' name_version_arch.deb size hash
	awk '/^.http/ { split($2, part, "_"); gsub("%3a", ":", part[2]); print part[1] "=" part[2] }' "$IMAGE_TMP/uris" \
		>"$IMAGE_TMP/selected"
	# shellcheck disable=SC2046
	side_apt apt-cache show $(cat "$IMAGE_TMP/selected") | awk '
		/^Package: / { name = $2 }
		/^Version: / { version = $2 }
		/^Filename: / { path = $2 }
		/^SHA256: / { sha = $2 }
		/^$/ && name != "" { print name, version, sha, path; name = "" }
		END { if (name != "") print name, version, sha, path }' | LC_ALL=C sort -u >"$IMAGE_TMP/lock"
	[ "$(wc -l <"$IMAGE_TMP/lock")" = "$(wc -l <"$IMAGE_TMP/selected")" ] ||
		die "apt-cache shows other packages than apt-get selects"
	{
		echo "# The packages of the appliance, made by ./x image --update-lock from appliance.list: name version sha256 path"
		echo "# made $(date -u +%Y-%m-%dT%H:%M:%SZ) from $IMAGE_SUITE"
		cat "$IMAGE_TMP/lock"
	} >"$IMAGE_TMP/lock.new"
	changed=$(diff "$IMAGE_LOCK" "$IMAGE_TMP/lock.new" 2>/dev/null | grep -c '^[<>] [^#]' || :)
	if [ -e "$IMAGE_LOCK" ] && [ "$changed" = 0 ]; then
		say "appliance.lock is up to date"
		return
	fi
	diff "$IMAGE_LOCK" "$IMAGE_TMP/lock.new" 2>/dev/null | awk '/^[<>] [^#]/ { print ($1 == "<" ? "-" : "+"), $2, $3 }' >&2 || :
	# In place: the file keeps its owner.
	cat "$IMAGE_TMP/lock.new" >"$IMAGE_LOCK"
	say "appliance.lock now names $(wc -l <"$IMAGE_TMP/lock") packages"
}

# The kernel wants a package that makes an initramfs; ours is made by the build, so a package without files says so.
dummy_control() {
	cat <<-CONTROL
		Package: ravelin-initramfs
		Version: 1
		Architecture: all
		Maintainer: Ravelin
		Provides: linux-initramfs-tool
		Description: stands for the initramfs that image/build/initramfs.sh makes

	CONTROL
}

# check_lock: each package of the list must be in the lock.
check_lock() {
	[ -e "$IMAGE_LOCK" ] || die "image/packages/appliance.lock is missing: ./x image --update-lock makes it"
	missing=
	for name in $(list_of "$IMAGE_SRC/packages/appliance.list"); do
		grep -q "^$name " "$IMAGE_LOCK" || missing="$missing $name"
	done
	[ -z "$missing" ] || die "appliance.lock has no entry for$missing: ./x image --update-lock"
	awk '!/^#/ && (NF != 4 || length($3) != 64) { print NR; exit 1 }' "$IMAGE_LOCK" >"$IMAGE_TMP/bad" ||
		die "appliance.lock line $(cat "$IMAGE_TMP/bad") is not 'name version sha256 path'"
}
