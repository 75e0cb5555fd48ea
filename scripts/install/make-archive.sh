#!/bin/sh
# make-archive.sh ROOT PACKAGES LISTED: a hook of mmdebstrap. Fetches PACKAGES, with what they need and recommend, into an archive
# in ROOT, and makes that its only source of packages. LISTED are in the index alone: apt knows of them and cannot have them.
set -eu
root=$1 packages=$2 listed=$3
place=/var/cache/archive

export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
mkdir -p "$root$place"
# shellcheck disable=SC2086
apt-get -q -y --download-only --no-remove install $packages
mv "$root"/var/cache/apt/archives/*.deb "$root$place"
cd "$root$place"
# The index has the names of Debian's pool, which are without the epoch of the version.
ls | sed -E 's/^([^_]+)_([^_]+)_.*/\1=\2/; s/%3a/:/' >index
for file in *%3a*; do [ ! -e "$file" ] || mv "$file" "$(echo "$file" | sed -E 's/_[0-9]+%3a/_/')"; done
# shellcheck disable=SC2086
apt-cache show $(cat index) $listed | sed -E 's|^Filename: .*/|Filename: ./|' >Packages
rm index
unset APT_CONFIG

rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root"/etc/apt/auth.conf*
echo "deb [trusted=yes] file:$place ./" >"$root/etc/apt/sources.list.d/archive.list"
chroot "$root" apt-get -q update
