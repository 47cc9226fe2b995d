# The commands of ./x, run as root inside the sysroot. Arguments: the command and its own arguments.
# Cargo runs as the owner of the checkout; what needs privileges (demo, system tests) runs as root from what was built.
set -eu
# The first process of a pid namespace ignores signals it has no handler for.
trap 'exit 130' INT
trap 'exit 143' TERM

. "$X_SRC/scripts/x/common.sh"
. "$X_SRC/scripts/x/cargo.sh"
. "$X_SRC/scripts/x/fuzz.sh"
. "$X_SRC/scripts/x/image.sh"
. "$X_SRC/scripts/x/suites.sh"
. "$X_SRC/scripts/x/report.sh"
. "$X_SRC/scripts/x/vm.sh"
cd "$X_SRC"

command=$1
shift
case $command in
build) build "$@" ;;
demo) demo "$@" ;;
image) image "$@" ;;
test) run_tests "$@" ;;
lint) run_tests lint tidy ;;
bench) bench "$@" ;;
fuzz) fuzz "$@" ;;
testca) testca "$@" ;;
vm) vm "$@" ;;
shell)
	[ $# -gt 0 ] || set -- bash -i
	"$@"
	;;
esac
