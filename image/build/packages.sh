# Fetches what appliance.lock names into the cache, each file checked against its SHA-256. Sourced by image.sh.

# deb_of SHA256: where the cache keeps that package.
deb_of() {
	printf '%s/%s.deb' "$IMAGE_DEBS" "$1"
}

fetch_packages() {
	mkdir -p "$IMAGE_DEBS"
	set --
	while read -r name _ sha path; do
		case $name in
		'#'*) ;;
		*) [ -e "$(deb_of "$sha")" ] || set -- "$@" "$IMAGE_MIRROR/$path" "$(deb_of "$sha")" "SHA256:$sha" ;;
		esac
	done <"$IMAGE_LOCK"
	[ $# -gt 0 ] || return 0
	say "fetching $(($# / 3)) packages from $IMAGE_MIRROR"
	# apt's own downloader: several requests on one connection, the hash checked before the file gets its name.
	status=0
	/usr/lib/apt/apt-helper -o Acquire::Retries=3 -o APT::Sandbox::User=root download-file "$@" >"$IMAGE_TMP/fetch.log" 2>&1 ||
		status=$?
	rm -f "$IMAGE_DEBS"/*.FAILED
	gone=
	while read -r name version sha path; do
		case $name in
		'#'*) ;;
		*)
			[ -e "$(deb_of "$sha")" ] || gone="$gone
  $name $version  $IMAGE_MIRROR/$path"
			;;
		esac
	done <"$IMAGE_LOCK"
	if [ -n "$gone" ]; then
		grep -E '^(E|Err|W):?' "$IMAGE_TMP/fetch.log" | head -n 12 >&2 || :
		die "the mirror does not have these packages of appliance.lock, or has others under their names:$gone
x: a mirror keeps no old versions: ./x image --update-lock moves the lock to what it has now"
	fi
	[ $status = 0 ] || die "apt-helper failed: $(tail -n 1 "$IMAGE_TMP/fetch.log")"
}

# make_repository DIR: the fetched packages as a repository with an index, for mmdebstrap; nothing else can be chosen from it.
make_repository() {
	mkdir -p "$1"
	dummy=$IMAGE_TMP/dummy
	mkdir -p "$dummy/DEBIAN"
	dummy_control >"$dummy/DEBIAN/control"
	dpkg-deb --root-owner-group --build "$dummy" "$1/ravelin-initramfs.deb" >/dev/null
	while read -r name _ sha _; do
		case $name in
		'#'*) ;;
		*) ln -s "$(deb_of "$sha")" "$1/$name.deb" ;;
		esac
	done <"$IMAGE_LOCK"
	for deb in "$1"/*.deb; do
		dpkg-deb --field "$deb" | sed '/^$/d'
		printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$deb")" "$(stat -L -c %s "$deb")" \
			"$(sha256sum "$deb" | cut -d' ' -f1)"
	done >"$1/Packages"
}

# make_peer: the guest that plays the eNodeB in `./x vm demo` runs the same kernel, with modules that the appliance does not keep.
make_peer() {
	[ "$IMAGE_ONLY" != raw ] || return 0
	sha=$(awk '$1 ~ /^linux-image-[0-9]/ { print $3 }' "$IMAGE_LOCK")
	[ -e "$(deb_of "$sha")" ] || fetch_packages
	sh "$IMAGE_SRC/peer/build.sh" "$(deb_of "$sha")" "$IMAGE_OUT/peer"
}
