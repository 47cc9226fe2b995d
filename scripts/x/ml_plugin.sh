# ml_plugin.sh ROOT MIRROR: builds strongSwan's ML-KEM plugin, which Debian's packages leave out, from Debian's source of the installed
# version into the sysroot ROOT. Run by sysroot.sh while it makes that. What is in the way is no error: the tests that want the plugin
# read it in ml.missing and are skipped.

set -u
root=$1 mirror=$2
plugins=/usr/lib/ipsec/plugins
work=/var/tmp/ml-plugin

# apt SOURCE ARGUMENTS: apt-get in the sysroot, with this one source and lists of its own.
apt() {
	printf '%s\n' "$1" >"$root$work/sources.list"
	shift
	chroot "$root" sh -c "cd $work && exec apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::SourceList=$work/sources.list \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists=$work/lists $*" </dev/null >>"$root$work/log" 2>&1
}

# fetch: the source as it came from upstream; Debian's patches do not touch the plugin. A version of the security archive has its
# source there alone.
fetch() {
	package=$(chroot "$root" dpkg-query -W -f '${Version}' libstrongswan) || return
	version=${package%-*}
	for source in "deb-src $mirror-security trixie-security main" "deb-src $mirror trixie main"; do
		apt "$source" update && apt "$source" source --download-only "strongswan=$package"
		[ ! -e "$root$work/strongswan_$version.orig.tar.bz2" ] || return 0
	done
	return 1
}

# build: the macros are those of Debian's config.h that the plugin's headers look at; a symbol that the installed library has not is an
# error here and not in charon.
build() {
	chroot "$root" sh -c "cd $work && python3 -m tarfile -e strongswan_$version.orig.tar.bz2 source &&
		cd source/strongswan-$version/src/libstrongswan &&
		cc -shared -fPIC -O2 -w -include /dev/null -DCONFIG_H_INCLUDED -D_GNU_SOURCE -DHAVE_SIGWAITINFO -DHAVE_CLOSEFROM \
			-DHAVE_EXPLICIT_BZERO -DHAVE_GCC_ATOMIC_OPERATIONS -I. -Wl,--no-undefined -o $plugins/libstrongswan-ml.so \
			plugins/ml/*.c -L/usr/lib/ipsec -l:libstrongswan.so.0" </dev/null >>"$root$work/log" 2>&1
}

mkdir -p "$root$work/lists/partial"
if fetch && build; then
	echo "x: built strongSwan's plugin ml from Debian's source $package" >&2
else
	reason=$(grep -v '^W:' "$root$work/log" | tail -n 1)
	echo "strongSwan's plugin ml was not built: ${reason:-the log is empty}" | tee "$root$plugins/ml.missing" >&2
fi
rm -rf --one-file-system "$root$work"
