# The list of what the appliance is made of, ravelin-<version>.spdx.json (SPDX 2.3): Debian's packages as dpkg knows them in the
# finished tree, our programs, and the crates that are linked into them. Called by image.sh with its variables in the environment.
set -eu

. "$X_SRC/scripts/x/common.sh"
. "$X_SRC/scripts/x/cargo.sh"

# debian_packages TREE: name, version, architecture, source, its version; of what is installed.
debian_packages() {
	dpkg-query --admindir="$1/var/lib/dpkg" --show --showformat \
		'${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' |
		awk -F '\t' '$1 ~ /^ii/ { sub(/^[^\t]*\t/, ""); print }'
}

# debian_licences TREE: package and the licence of its `Files: *`, where the copyright file can be read by machine.
debian_licences() {
	for file in "$1"/usr/share/doc/*/copyright; do
		# A link to another package's folder is absolute within the tree or relative to it.
		[ -f "$file" ] || continue
		awk -v name="$(basename "$(dirname "$file")")" 'BEGIN { RS = ""; FS = "\n" }
			/(^|\n)Files:[ \t]*\*[ \t]*(\n|$)/ {
				for (line = 1; line <= NF; line++)
					if (sub(/^License:[ \t]*/, "", $line) && $line != "") { print name "\t" $line; exit }
			}' "$file"
	done
}

# programs_of TREE: name and SHA-256 of each program of ours.
programs_of() {
	metadata '.packages[] | select(.manifest_path | test("/appliance/bin/")) | .targets[] | select(.kind[0] == "bin") | .name' |
		sort | while read -r program; do
		for folder in usr/bin usr/sbin; do
			[ ! -f "$1/$folder/$program" ] || printf '%s\t%s\n' "$program" "$(sha256sum "$1/$folder/$program" | cut -d' ' -f1)"
		done
	done
}

# crates_of LOCK: name, version, SHA-256 of each crate that comes from the registry.
crates_of() {
	awk -F '"' '/^name = /{ name = $2 } /^version = /{ version = $2 } /^checksum = /{ print name "\t" version "\t" $2 }' "$1"
}

make_sbom() {
	out=$IMAGE_OUT/$IMAGE_NAME.spdx.json
	parts=$out.parts
	trap 'rm -rf "$parts"' EXIT
	trap 'exit 130' INT TERM HUP
	rm -rf "$parts"
	mkdir "$parts"
	debian_packages "$IMAGE_TREE" >"$parts/packages"
	debian_licences "$IMAGE_TREE" >"$parts/licences"
	programs_of "$IMAGE_TREE" >"$parts/programs"
	crates_of "$X_SRC/Cargo.lock" >"$parts/crates"
	sed '/^#/d; s/ /\t/g' "$IMAGE_LOCK" >"$parts/locked"
	as_owner cargo metadata --offline --locked --format-version 1 --filter-platform x86_64-unknown-linux-gnu \
		--manifest-path "$X_SRC/Cargo.toml" >"$parts/cargo"
	jq --tab --from-file "$X_SRC/image/build/sbom.jq" \
		--rawfile packages "$parts/packages" --rawfile licences "$parts/licences" --rawfile programs "$parts/programs" \
		--rawfile crates "$parts/crates" --rawfile locked "$parts/locked" --arg rust "$(rustc --version | cut -d' ' -f2)" \
		--arg version "$IMAGE_VERSION" --arg commit "$IMAGE_COMMIT" --arg epoch "$SOURCE_DATE_EPOCH" --arg suite trixie \
		"$parts/cargo" >"$out.new" || die "the list of what the appliance is made of cannot be made"
	# A document's name space must be its own; two builds of one commit have the same document.
	digest=$(sha256sum "$out.new" | cut -c1-32)
	sed -i "s/@DIGEST@/$digest/" "$out.new"
	mv "$out.new" "$out"
	say "$(basename "$out"): $(jq '.packages | length' "$out") packages and crates"
}

make_sbom
