# The appliance image: cargo builds the daemons, image/build does the rest. Sourced by inside.sh.

# The image of the tests has the daemons of the dev profile, which the tests build anyway.
readonly IMAGE_OPTIONS="--update-lock, --profile dev|release, --only raw|qcow2, --out DIR"

# image ARGUMENTS...: `./x image`.
image() {
	profile=${RAVELIN_PROFILE:-release}
	build=yes
	previous=
	for argument; do
		[ "$previous" != --profile ] || profile=$argument
		[ "$argument" != --update-lock ] || build=no
		previous=$argument
	done
	[ $build = no ] || build_programs "$profile"
	sh "$X_SRC/image/build/image.sh" "$@"
}

# make_image PROFILE DIR: the qcow2 of that profile below DIR; nothing is done when what it is made from has not changed.
make_image() {
	build_programs "$1"
	sh "$X_SRC/image/build/image.sh" --profile "$1" --out "$2" --only qcow2 --if-changed
}

# build_programs PROFILE: the programs of appliance/bin. No path of this machine is in those of a release.
build_programs() {
	# shellcheck disable=SC2046  # options
	case $1 in
	# As the tests build them: other packages at once would be other features.
	dev) as_owner cargo build ;;
	release)
		as_owner env RUSTFLAGS="--remap-path-prefix=$X_SRC=/usr/src/ravelin --remap-path-prefix=$CARGO_HOME=/usr/src/cargo" \
			cargo build --release $(program_packages)
		;;
	*) die "--profile $1: there are dev and release" ;;
	esac
}

program_packages() {
	metadata '.packages[] | select(.manifest_path | test("/appliance/bin/[^/]*/Cargo.toml$")) | "--package \(.name)"'
}
