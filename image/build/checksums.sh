# ravelin-<version>.sha256: the digests of what is handed out, for `sha256sum --check`. Called by image.sh, last.
set -eu

. "$X_SRC/scripts/x/common.sh"

cd "$IMAGE_OUT"
set --
for kind in qcow2 raw ova spdx.json; do
	[ ! -f "$IMAGE_NAME.$kind" ] || set -- "$@" "$IMAGE_NAME.$kind"
done
[ $# -gt 0 ] || die "nothing in $IMAGE_OUT to take digests of"
sha256sum "$@" >"$IMAGE_NAME.sha256.new"
mv "$IMAGE_NAME.sha256.new" "$IMAGE_NAME.sha256"
say "$IMAGE_NAME.sha256: $# files"
