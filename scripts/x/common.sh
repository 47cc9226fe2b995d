# Messages of ./x. Sourced by the other files; does nothing on its own.

# say TEXT: one line of progress, on standard error so that a command's own output stays clean.
say() {
	printf 'x: %s\n' "$*" >&2
}

# die TEXT: says what is missing or wrong and ends ./x with status 2 (1 is kept for "a test failed").
die() {
	printf 'x: error: %s\n' "$*" >&2
	exit 2
}

# has COMMAND: true if it is on the PATH.
has() {
	command -v "$1" >/dev/null 2>&1
}

# seconds: the clock, for durations.
seconds() {
	date +%s
}
