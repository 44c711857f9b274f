#!/bin/bash
# The README's two commands on a machine that has nothing yet: a Debian in a folder, made by debootstrap.
#
#   sudo tests/fresh_machine.sh [FOLDER]      default: a temporary one, removed at the end
#
# Takes some minutes and 4 GB; the folder uses this machine's network and kernel, and its package sources where they differ
# from Debian's own (PIP_CERT of the environment too).
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
say() { printf '%s\n' "$*" >&2; }
[ "$(id -u)" = 0 ] || { say "run it as root: it makes a chroot"; exit 2; }
command -v debootstrap >/dev/null || { say "debootstrap is missing: apt-get install debootstrap"; exit 2; }

keep=${1-} place=${1-$(mktemp -d /var/tmp/fresh-machine.XXXXXX)}
clean() {
	umount -l "$place/proc" "$place/sys" "$place/dev" 2>/dev/null || true
	[ -n "$keep" ] || mountpoint -q "$place/dev" || rm -rf --one-file-system "$place"
}
trap clean EXIT

mkdir -p "$place"
chmod 755 "$place"
debootstrap --variant=minbase bookworm "$place" >&2
for file in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/resolv.conf /etc/hosts /etc/ssl/certs; do
	[ -e "$file" ] || continue
	rm -rf "${place:?}$file"
	mkdir -p "$place$(dirname "$file")"
	cp -aL "$file" "$place$file"
done
[ -z "${PIP_CERT-}" ] || cp -L "$PIP_CERT" "$place/etc/pip.pem"     # ca-certificates, installed there, brings its own list
git clone -q "$ROOT" "$place/function-runner"
mount -t proc proc "$place/proc"
mount --rbind /dev "$place/dev" && mount --make-rslave "$place/dev"
mount --rbind /sys "$place/sys" && mount --make-rslave "$place/sys"

inside() { chroot "$place" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb ${PIP_CERT:+PIP_CERT=/etc/pip.pem} sh -c "cd /function-runner && $1"; }
status=0
for command in "./run --once" "./run --once" "./test"; do
	say "== $command"
	inside "$command" || status=1
done
left=$(inside "ls /usr/sbin/policy-rc.d /etc/rc?.d/S*nginx 2>/dev/null" || true)
[ -z "$left" ] || { say "left behind: $left"; status=1; }
[ "$status" = 0 ] && say "a fresh machine can do it" || say "FAILED"
exit $status
