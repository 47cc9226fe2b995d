# An SPDX 2.3 document of the appliance, from what sbom.sh has collected:
#   $packages   name, version, architecture, source, source version of each installed Debian package
#   $licences   Debian package, licence of `Files: *` in its copyright file
#   $locked     name, version, SHA-256, path below the mirror (appliance.lock)
#   $programs   name, SHA-256 of each program of ours
#   $crates     name, version, SHA-256 of each crate in Cargo.lock
#   $rust       version of the Rust toolchain
# Standard input is `cargo metadata`.

def rows: split("\n") | map(select(. != "") | split("\t"));
def id: gsub("\\+"; "-plus-") | gsub("[^A-Za-z0-9.-]"; "-");

# Debian's short names of licences that SPDX calls otherwise; what stands in neither list is not asserted.
def spdx_names: {
	"Expat": "MIT", "expat": "MIT", "MIT/X11": "MIT", "BSD-3-clause": "BSD-3-Clause", "BSD-2-clause": "BSD-2-Clause",
	"GPL-1+": "GPL-1.0-or-later", "GPL-2": "GPL-2.0-only", "GPL-2.0": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later",
	"GPL-2.0+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only", "GPL-3.0": "GPL-3.0-only", "GPL-3+": "GPL-3.0-or-later",
	"GPL-3.0+": "GPL-3.0-or-later", "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only",
	"LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3": "LGPL-3.0-only", "LGPL-3.0": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later",
	"CC0": "CC0-1.0", "APACHE-2-LLVM-EXCEPTIONS": "Apache-2.0 WITH LLVM-exception", "Artistic": "Artistic-1.0-Perl"
};
def spdx_same: ["MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "ISC", "MPL-2.0", "PostgreSQL", "Zlib", "X11",
	"curl", "CC0-1.0", "0BSD", "OLDAP-2.8", "MPL-1.1", "FSFULLR", "Vim", "Libpng"];
def spdx_name: . as $name | spdx_names[$name] // (if spdx_same | index([$name]) then $name else null end);

# Of Debian's expressions only those with one kind of operator, so that no precedence has to be guessed.
def spdx_expression:
	(if test(" or ") and (test(" and ") | not) then " or " else " and " end) as $operator
	| split($operator) | map(spdx_name)
	| if length == 0 or any(. == null) then "NOASSERTION" else join($operator | ascii_upcase) end;

def reference($type; $purl): [{referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: $purl}];
def package: {filesAnalyzed: false, licenseConcluded: "NOASSERTION", copyrightText: "NOASSERTION"} + .;
def sha256($hex): [{algorithm: "SHA256", checksumValue: $hex}];

# What is linked into a program: the closure of its normal dependencies, without procedural macros, which end in the compiler.
def linked($nodes; $macros):
	def close($seen; $todo):
		if $todo == [] then $seen
		else ($todo[0]) as $next
			| if $seen[$next] or $macros[$next] then close($seen; $todo[1:])
			else close($seen + {($next): true};
				$todo[1:] + [$nodes[$next].deps[] | select(any(.dep_kinds[]; .kind == null)) | .pkg]) end
		end;
	close({}; [.]) | keys;

. as $cargo
| ($licences | rows | map({(.[0]): .[1]}) | add // {}) as $licence
| ($locked | rows | map({(.[0]): {version: .[1], sha: .[2], path: .[3]}}) | add // {}) as $lock
| ($crates | rows | map({(.[0] + " " + .[1]): .[2]}) | add // {}) as $sums
| ($programs | rows) as $programs
| ($cargo.resolve.nodes | map({(.id): .}) | add) as $nodes
| ($cargo.packages | map({(.id): .}) | add) as $manifests
| ($cargo.packages | map(select(.targets | all(.kind | index("proc-macro"))) | {(.id): true}) | add // {}) as $macros
| [$programs[] | . as [$name, $sha]
	| ($cargo.packages[] | select(.source == null and any(.targets[]; .name == $name and (.kind | index("bin"))))) as $ours
	| {name: $name, sha: $sha, licence: $ours.license, version: $ours.version,
		linked: [$ours.id | linked($nodes; $macros)[] | $manifests[.] | select(.source != null)]}] as $built
| [$built[].linked[]] | unique_by(.id) | sort_by(.name, .version)
| map({
	SPDXID: "SPDXRef-crate-\(.name | id)-\(.version | id)", name, versionInfo: .version,
	supplier: "NOASSERTION",
	downloadLocation: "https://static.crates.io/crates/\(.name)/\(.name)-\(.version).crate",
	checksums: sha256($sums["\(.name) \(.version)"] // error("Cargo.lock has no checksum of \(.name) \(.version)")),
	licenseDeclared: (.license // "NOASSERTION" | gsub(" ?/ ?"; " OR ")),
	externalRefs: reference("purl"; "pkg:cargo/\(.name)@\(.version | @uri)")
} | package) as $crate_packages
| ($packages | rows | sort | map(. as [$name, $version, $arch, $source, $source_version]
	| $lock[$name] as $from
	| if $from and $from.version != $version
		then error("appliance.lock has \($name) \($from.version), the tree has \($version)") else . end
	| {
		SPDXID: "SPDXRef-deb-\($name | id)", name: $name, versionInfo: $version,
		licenseDeclared: ($licence[$name] // "" | spdx_expression)
	} + (if $licence[$name] then {
		licenseComments: "Debian's copyright file says of `Files: *`: \($licence[$name]). Single files may have others."
	} else {} end)
	+ if $from then {
		supplier: "Organization: Debian", sourceInfo: "source package \($source) \($source_version)",
		downloadLocation: "https://deb.debian.org/debian/\($from.path)", checksums: sha256($from.sha),
		externalRefs: reference("purl"; "pkg:deb/debian/\($name | @uri)@\($version | @uri)?arch=\($arch)&distro=\($suite)")
	} else {
		# Made by the build of the image itself.
		supplier: "Organization: Ravelin", downloadLocation: "NONE"
	} end | package)) as $debian_packages
| ($built | map({
	SPDXID: "SPDXRef-program-\(.name | id)", name, versionInfo: .version, supplier: "Organization: Ravelin",
	primaryPackagePurpose: "APPLICATION", downloadLocation: "NONE", checksums: sha256(.sha), licenseDeclared: .licence
} | package)) as $program_packages
| ({
	SPDXID: "SPDXRef-rust-std", name: "rust-std", versionInfo: $rust, supplier: "Organization: The Rust Project",
	downloadLocation: "https://github.com/rust-lang/rust", licenseDeclared: "MIT OR Apache-2.0"
} | package) as $std
| ({
	SPDXID: "SPDXRef-appliance", name: "ravelin", versionInfo: $version, supplier: "Organization: Ravelin",
	primaryPackagePurpose: "OPERATING_SYSTEM", downloadLocation: "NONE", licenseDeclared: "NOASSERTION",
	sourceInfo: "commit \($commit)"
} | package) as $appliance
| {
	spdxVersion: "SPDX-2.3", dataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT", name: "ravelin-\($version)",
	documentNamespace: "https://spdx.org/spdxdocs/ravelin-\($version)-@DIGEST@",
	creationInfo: {created: ($epoch | tonumber | todate), creators: ["Tool: ravelin-image-\($version)"]},
	documentDescribes: [$appliance.SPDXID],
	packages: ([$appliance] + $program_packages + [$std] + $crate_packages + $debian_packages),
	relationships: (
		[{spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: $appliance.SPDXID}]
		+ [($program_packages + $debian_packages)[]
			| {spdxElementId: $appliance.SPDXID, relationshipType: "CONTAINS", relatedSpdxElement: .SPDXID}]
		+ [$built[] | "SPDXRef-program-\(.name | id)" as $program
			| {spdxElementId: $program, relationshipType: "STATIC_LINK", relatedSpdxElement: $std.SPDXID},
			(.linked | sort_by(.name, .version)[]
				| {spdxElementId: $program, relationshipType: "STATIC_LINK",
					relatedSpdxElement: "SPDXRef-crate-\(.name | id)-\(.version | id)"})])
}
