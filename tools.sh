# What ./run and ./test share: sourced, not run. ROOT is the source tree.

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }

# Names of the packages of these kinds that are not installed.
missing_packages() {
	local kind
	for kind in "$@"; do
		sed -n "s/^$kind //p" "$ROOT/packages"
	done | tr ' ' '\n' | sort -u | while read -r name; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s ' "$name"
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Installs what is missing. nginx must not start Debian's own site on port 80, now or at the next boot: packages may not
# start services meanwhile, and the service is switched off if it was not there before.
install_packages() {
	local missing had_nginx=yes
	command -v dpkg-query >/dev/null || die "this is not a Debian system; install what the file 'packages' names by hand"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		die "these packages are missing: $missing
Install them as root: apt-get install --no-install-recommends $missing"
	fi
	say "installing: $missing"
	case " $missing" in *" nginx-light "*) [ -e /usr/sbin/nginx ] || had_nginx=no ;; esac
	# shellcheck disable=SC2086
	(install_quietly $missing) || die "apt-get could not install: $missing"
	if [ "$had_nginx" = no ]; then
		if [ -d /run/systemd/system ]; then
			as_root systemctl disable --now nginx
		else
			as_root update-rc.d nginx disable
		fi >/dev/null 2>&1
	fi
}

# Runs in a subshell: the policy goes when that ends, also by Ctrl-C; left behind it would keep every later service down.
policy=/usr/sbin/policy-rc.d     # not local: the trap runs when the function is over
install_quietly() {
	if [ ! -e "$policy" ]; then
		trap 'as_root rm -f "$policy"' EXIT
		trap 'exit 130' INT TERM
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
		as_root chmod 755 "$policy"
	fi
	as_root apt-get update -qq >&2 || say "apt-get update failed; going on with the lists there are"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 </dev/null
}

# build NAME CC-AND-OPTIONS… : configures (once), builds and installs into build/NAME-inst. Quick when nothing changed.
build() {
	local name=$1 dir=$ROOT/build/$1 options
	shift
	options="$*"
	if [ ! -x "$ROOT/configure" ] || [ -n "$(find "$ROOT" -path "$ROOT/build" -prune -o \
		\( -name local.mk -o -name Makefile.am -o -name configure.ac \) -newer "$ROOT/configure" -print)" ]; then
		(cd "$ROOT" && autoreconf -fi >build-autoreconf.log 2>&1) || { cat "$ROOT/build-autoreconf.log" >&2; die "autoreconf failed"; }
		rm -f "$ROOT/build-autoreconf.log"
	fi
	mkdir -p "$dir"
	if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
		say "configuring build/$name"
		(cd "$dir" && "$ROOT/configure" -q --prefix="$ROOT/build/$name-inst" "$@" >configure.out 2>&1) ||
			{ cat "$dir/configure.out" >&2; die "configure failed"; }
		printf '%s\n' "$options" >"$dir/.options"
	fi
	make -s -C "$dir" -j"$(nproc)" >"$dir/make.out" 2>&1 && make -s -C "$dir" install >>"$dir/make.out" 2>&1 ||
		{ cat "$dir/make.out" >&2; die "the build failed"; }
}

# The compiler, behind ccache where there is one.
compiler() {
	if command -v ccache >/dev/null; then
		printf 'ccache %s' "$1"
	else
		printf '%s' "$1"
	fi
}
