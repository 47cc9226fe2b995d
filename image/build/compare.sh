# Builds the image twice and compares what comes out, octet by octet. Called inside the sysroot, as root.
#   compare.sh [--profile dev|release] [--only raw|qcow2] [--fresh]
# --fresh installs the base tree anew for the second build, instead of taking it from the cache (minutes instead of seconds).
# The daemons are those that are there. A difference is shown down to the files of the root file system that differ. Last line:
# `compare: identical` or `compare: DIFFERENT`, with status 1.
set -eu

build=$(cd "$(dirname "$0")" && pwd -P)
X_SRC=$(cd "$build/../.." && pwd -P)
. "$X_SRC/scripts/x/common.sh"
. "$build/disk-layout.sh"

profile=release
only=
fresh=no
while [ $# -gt 0 ]; do
	case $1 in
	--profile) profile=$2 && shift ;;
	--only) only=$2 && shift ;;
	--fresh) fresh=yes ;;
	*) die "unknown option $1 of compare.sh: --profile dev|release, --only raw|qcow2, --fresh" ;;
	esac
	shift
done
work=$(mktemp -d "${CARGO_TARGET_DIR:-$X_SRC/target}/compare.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
cache=${X_IMAGE_CACHE:-${CARGO_TARGET_DIR:-$X_SRC/target}/image-cache}

# one NUMBER CACHE: a build.
one() {
	X_IMAGE_CACHE=$2 sh "$build/image.sh" --profile "$profile" --out "$work/$1" ${only:+--only "$only"}
}

# part NUMBER NAME START_MIB SIZE_MIB: that part of the disk of a build.
part() {
	dd if="$work/$1/raw" of="$work/$1/$2" bs=1M skip="$3" count="$4" conv=sparse status=none
}

# files NUMBER: the files of the root file system of a build: mode, owner, size, dates, name, and the digest of each.
files() {
	mkdir "$work/$1/root"
	debugfs -R "rdump / $work/$1/root" "$work/$1/root-a" >/dev/null 2>&1
	(cd "$work/$1/root" && find . ! -type d -printf '%m %U:%G %s %T@ %p %l\n' | LC_ALL=C sort -k5 &&
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) >"$work/$1/files"
	rm -rf "$work/$1/root"
}

second=$cache
if [ $fresh = yes ]; then
	second=$work/cache
	mkdir "$second"
	# The packages are the same by their digests.
	[ ! -d "$cache/debs" ] || cp -R "$cache/debs" "$second/debs"
fi
one 1 "$cache"
one 2 "$second"
verdict=0
for file in "$work/1"/*.*; do
	name=$(basename "$file")
	if cmp -s "$file" "$work/2/$name"; then
		say "same: $name"
	else
		say "DIFFERENT: $name"
		verdict=1
	fi
done
if [ $verdict = 1 ] && [ "$only" != qcow2 ]; then
	for number in 1 2; do
		mv "$work/$number"/*.raw "$work/$number/raw"
		part $number head 0 "$ESP_AT"
		part $number esp "$ESP_AT" "$ESP_MIB"
		part $number root-a "$SLOT_A_AT" "$SLOT_MIB"
		part $number data "$DATA_AT" "$DATA_MIB"
	done
	for name in head esp root-a data; do
		cmp "$work/1/$name" "$work/2/$name" | sed "s|$work/||g" >&2 || :
	done
	if ! cmp -s "$work/1/root-a" "$work/2/root-a"; then
		files 1
		files 2
		diff "$work/1/files" "$work/2/files" | head -n 50 >&2 || :
	fi
fi
if [ $verdict = 0 ]; then
	echo "compare: identical"
else
	echo "compare: DIFFERENT"
fi
exit $verdict
