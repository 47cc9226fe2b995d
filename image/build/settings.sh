# Where everything is and what it is called. Sourced by image.sh.

readonly IMAGE_SUITE=trixie
# The product's own bound for what a user downloads.
readonly MAX_QCOW2_MB=500

read_options() {
	IMAGE_UPDATE_LOCK=no
	IMAGE_ONLY=
	IMAGE_OUT=
	IMAGE_IF_CHANGED=no
	IMAGE_PROFILE=${RAVELIN_PROFILE:-release}
	while [ $# -gt 0 ]; do
		case $1 in
		--update-lock) IMAGE_UPDATE_LOCK=yes ;;
		--if-changed) IMAGE_IF_CHANGED=yes ;;
		--profile | --only | --out)
			[ $# -gt 1 ] || die "$1 wants a value"
			case $1 in
			--out) IMAGE_OUT=$2 ;;
			--profile) IMAGE_PROFILE=$2 ;;
			--only) IMAGE_ONLY=$2 ;;
			esac
			shift
			;;
		*) die "unknown option $1 of ./x image: --update-lock, --profile dev|release, --only raw|qcow2, --out DIR" ;;
		esac
		shift
	done
	case $IMAGE_PROFILE in
	dev | release) ;;
	*) die "--profile $IMAGE_PROFILE: there are dev and release" ;;
	esac
	case $IMAGE_ONLY in
	'' | raw | qcow2) ;;
	*) die "--only $IMAGE_ONLY: there are raw and qcow2" ;;
	esac
}

settle() {
	target=${CARGO_TARGET_DIR:-$X_SRC/target}
	case $IMAGE_PROFILE in
	dev) IMAGE_BIN_DIR=$target/debug IMAGE_CARGO_FLAG= ;;
	release) IMAGE_BIN_DIR=$target/release IMAGE_CARGO_FLAG=--release ;;
	esac
	: "${IMAGE_OUT:=$target/image}"
	IMAGE_CACHE=${X_IMAGE_CACHE:-$target/image-cache}
	IMAGE_DEBS=$IMAGE_CACHE/debs
	IMAGE_LOCK=$IMAGE_SRC/packages/appliance.lock
	IMAGE_MIRROR=${RAVELIN_MIRROR:-http://deb.debian.org/debian}
	IMAGE_TMP=${TMPDIR:-/tmp}/ravelin-image-$$
	IMAGE_TREE=$IMAGE_TMP/tree
	IMAGE_VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$X_SRC/Cargo.toml")
	IMAGE_COMMIT=$(git_here rev-parse --short=12 HEAD || echo unknown)
	# What is not committed may be anything.
	[ -z "$(git_here status --porcelain)" ] || IMAGE_COMMIT=$IMAGE_COMMIT-modified
	IMAGE_NAME=ravelin-$IMAGE_VERSION
	IMAGE_RAW=$IMAGE_OUT/$IMAGE_NAME.raw
	IMAGE_QCOW2=$IMAGE_OUT/$IMAGE_NAME.qcow2
	IMAGE_PROGRAMS=$(sed -n '/^\[\[bin\]\]/,/^$/s/^name = "\(.*\)"/\1/p' "$X_SRC"/appliance/bin/*/Cargo.toml)
	# Outside of git, the date of the lock is the newest date that is the same everywhere.
	IMAGE_BASE_EPOCH=$(date -u -d "$(sed -n 's/^# made \([^ ]*\) .*/\1/p' "$IMAGE_LOCK" 2>/dev/null)" +%s)
	: "${SOURCE_DATE_EPOCH:=$(git_here log -1 --format=%ct || echo "$IMAGE_BASE_EPOCH")}"
	export IMAGE_OUT IMAGE_NAME IMAGE_RAW IMAGE_QCOW2 IMAGE_LOCK IMAGE_TREE IMAGE_VERSION IMAGE_COMMIT SOURCE_DATE_EPOCH X_SRC
}

# git_here ARGUMENTS...: git of the checkout, whoever owns it; false outside of git.
git_here() {
	git -c safe.directory="$X_SRC" -C "$X_SRC" "$@" 2>/dev/null
}

# list_of FILE: its names, one a line, without comments.
list_of() {
	sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$1"
}

# need_free DIR MB WHAT
need_free() {
	free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
	[ "$free" -ge "$2" ] || die "$3 needs $2 MB below $1, $free MB are free"
}

clean_up() {
	! mountpoint -q "$IMAGE_TREE" || umount --recursive "$IMAGE_TREE"
	rm -rf --one-file-system "$IMAGE_TMP" "$IMAGE_RAW.new" "$IMAGE_QCOW2.new"
}

# inputs: one line that is another one when the image would be another one.
inputs() {
	(
		echo "$IMAGE_BASE $IMAGE_VERSION $IMAGE_COMMIT $IMAGE_PROFILE"
		cd "$IMAGE_SRC" || exit 1
		find . \( -type f -o -type l \) -print0 | LC_ALL=C sort -z | xargs -0 stat -c '%n %A'
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		for program in $IMAGE_PROGRAMS; do
			sha256sum "$IMAGE_BIN_DIR/$program"
		done
	) | sha256sum
}

# is_current: the file that is asked for is there and was made from the same.
is_current() {
	case $IMAGE_ONLY in
	raw) made=$IMAGE_RAW ;;
	*) made=$IMAGE_QCOW2 ;;
	esac
	[ -e "$made" ] && [ "$(cat "$IMAGE_OUT/$IMAGE_NAME.inputs" 2>/dev/null)" = "$(inputs)" ]
}
