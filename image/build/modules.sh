# Keeps the kernel modules that modules.list names and what they depend on. They are unpacked: loading one then costs no
# decompression, and the image formats compress them again. Sourced by image.sh.

# module_patterns all|initramfs: all patterns of modules.list, or those of the initramfs only.
module_patterns() {
	sed 's/#.*//' "$IMAGE_SRC/packages/modules.list" |
		awk -v which="$1" '$1 != "never" { first = ($1 == "initramfs") ? 2 : 1; if (which == "all" || first == 2) for (i = first; i <= NF; i++) print $i }'
}

# select_modules FOLDER PATTERNS: the files, relative to FOLDER, of the modules that match and of all they need, hard or soft.
# Patterns and names are compared with - as _, as modprobe does.
select_modules() {
	awk -v patterns="$2" '
		function name(path) { sub(/.*\//, "", path); sub(/\.ko.*/, "", path); gsub(/-/, "_", path); return path }
		function take(path) { if (!(path in taken)) { taken[path] = 1; queue[++last] = path } }
		FILENAME ~ /modules.dep$/ { sub(/:/, "", $1); file[name($1)] = $1; for (i = 2; i <= NF; i++) needs[$1] = needs[$1] " " $i; next }
		$1 == "softdep" { for (i = 3; i <= NF; i++) if ($i !~ /:$/) soft[$2] = soft[$2] " " $i }
		END {
			while ((getline pattern < patterns) > 0) {
				gsub(/-/, "_", pattern); gsub(/\./, "\\.", pattern); gsub(/\*/, ".*", pattern)
				for (module in file) if (module ~ "^" pattern "$") take(file[module])
			}
			for (at = 1; at <= last; at++) {
				n = split(needs[queue[at]], more, " "); for (i = 1; i <= n; i++) take(more[i])
				n = split(soft[name(queue[at])], more, " ")
				for (i = 1; i <= n; i++) { m = more[i]; gsub(/-/, "_", m); if (m in file) take(file[m]) }
			}
			for (path in taken) print path
		}' "$1/modules.dep" "$1/modules.softdep" | LC_ALL=C sort
}

# kernel_release TREE
kernel_release() {
	ls "$1/usr/lib/modules"
}

# keep_modules TREE
keep_modules() {
	release=$(kernel_release "$1")
	folder=$1/usr/lib/modules/$release
	# Whole folders first: depmod unpacks every module to see what it needs.
	awk '$1 == "never" { for (i = 2; i <= NF; i++) print $i }' "$IMAGE_SRC/packages/modules.list" | while read -r never; do
		rm -rf "$folder/kernel/$never"
	done
	depmod --basedir "$1" "$release"
	module_patterns all >"$IMAGE_TMP/patterns"
	select_modules "$folder" "$IMAGE_TMP/patterns" >"$IMAGE_TMP/modules"
	mkdir "$folder.kept"
	(cd "$folder" && tar -cf - modules.builtin modules.builtin.modinfo modules.order -T "$IMAGE_TMP/modules") |
		tar -xf - -C "$folder.kept"
	rm -rf "$folder"
	mv "$folder.kept" "$folder"
	find "$folder" -name '*.ko.xz' -exec xz --decompress {} +
	depmod --basedir "$1" "$release"
	say "kept $(wc -l <"$IMAGE_TMP/modules") kernel modules, $(du -sm "$folder" | cut -f1) MB"
}
