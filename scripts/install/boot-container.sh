#!/bin/sh
# boot-container.sh ROOT CHANGES NAME: becomes systemd, PID 1 of the namespaces it runs in, on the Debian in ROOT.
#
# ROOT is only read: what changes goes to CHANGES (an overlay). All mounts are of this namespace and end with it.
# Run under: unshare --mount --pid --fork --ipc --uts --net --cgroup
set -eu
root=$1 changes=$2 name=$3

mount --make-rprivate /
mkdir -p "$changes/upper" "$changes/work" "$changes/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$changes/upper,workdir=$changes/work" "$changes/root"
cd "$changes/root"

mount -t proc proc proc
# The kernel is everybody's: nothing in here sets it up anew.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=0755 tmpfs dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    numbers=${device#*:}
    mknod -m 0666 "dev/${device%%:*}" c "${numbers%:*}" "${numbers#*:}"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

ip link set lo up
hostname "$name"
mkdir -p .outside
# `/` must be a mount of its own for services that get mounts of theirs.
pivot_root . .outside
cd /
umount -l /.outside
rmdir /.outside
# Shared, as systemd has it: credentials are mounted in a child and have to be seen outside of that.
mount --make-rshared /
exec env -i container=tedge-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --show-status=false systemd.unit=multi-user.target
