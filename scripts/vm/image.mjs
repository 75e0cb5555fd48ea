/**
 * A Debian on a disk, with its kernel and what the checks need; no loop device and no mount outside of this is needed for it.
 *
 * What docs/install.md has an admin install by apt is installed, so that its commands find it without a network.
 */
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { addLayer, makeRoot, openRoot } from "../install/fresh-root.mjs"
import { here } from "../install/quick-start-checks.mjs"
import { mustRun } from "../lib/run.mjs"
import { hostAddress } from "./machine.mjs"

const suite = "trixie"
const system = ["systemd", "systemd-sysv", "udev", "dbus", "procps", "iproute2", "qemu-guest-agent"]
/** `systemd-creds --with-key=tpm2` loads the libraries of TPM2-TSS by itself. */
const tpm = ["libtpm2-pkcs11-1", "libtss2-esys-3.0.2-0t64", "libtss2-rc0t64", "libtss2-tcti-device0t64"]
const surroundings = ["nodejs", "mosquitto", "mosquitto-clients", "dnsmasq-base", "util-linux-extra"]

/** Answers `{ disk, kernel }`, files in `work`. `packages`: our .debs. */
export const makeImage = async ({ work, packages }) => {
  const base = join(work, "debian")
  const needed = ["linux-image-cloud-amd64", ...system, ...tpm, ...surroundings]
  await makeRoot({ suite, dir: base, packages: needed })
  const layers = await addLayer({ layers: [base], dir: join(work, "layer"), packages: needed })
  const debian = await openRoot({ layers, dir: join(work, "settings") })
  try {
    await setUp(debian, packages)
  } finally {
    await debian.close()
  }
  const boot = join(layers[0], "boot")
  const kernel = join(
    boot,
    readdirSync(boot).find((name) => name.startsWith("vmlinuz"))
  )
  const disk = join(work, "disk")
  const all = [join(work, "settings", "upper"), ...layers]
  await mustRun("unshare", ["--mount", "sh", "-euc", fillDisk, "sh", all.join(":"), join(work, "merged"), disk])
  return { disk, kernel }
}

const fillDisk = `
mount --make-rprivate /
mkdir -p "$2"
mount -t overlay overlay -o "lowerdir=$1" "$2"
mke2fs -q -F -t ext4 -O ^has_journal -d "$2" "$3" 3G`

const setUp = async (debian, packages) => {
  const write = (path, text) => {
    mkdirSync(dirname(debian.path(path)), { recursive: true })
    writeFileSync(debian.path(path), text)
  }
  write("/etc/hostname", "tedge-device\n")
  write("/etc/hosts", "127.0.0.1 localhost\n")
  mkdirSync(debian.path(here), { recursive: true })
  for (const file of packages) copyFileSync(file, join(debian.path(here), basename(file)))
  // Otherwise its first boot would be one that sets up a new device.
  write("/etc/machine-id", "5c0e2f1b7d3a4e6f8091a2b3c4d5e6f7\n")
  write("/etc/systemd/network/lan.network", lan)
  write("/etc/systemd/system/played-dns.service", playedDns)
  rmSync(debian.path("/etc/resolv.conf"), { force: true })
  write("/etc/resolv.conf", "nameserver 127.0.0.54\noptions timeout:1 attempts:1\n")
  // There is no archive to reach from there; what is named is installed, or in the directory.
  rmSync(debian.path("/etc/apt/sources.list.d"), { recursive: true, force: true })
  rmSync(debian.path("/etc/apt/sources.list"), { force: true })
  for (const path of ["/var/lib/apt/lists", "/var/cache/archive"])
    rmSync(debian.path(path), { recursive: true, force: true })
  const { code, stderr } = await debian.exec(["sh", "-euc", services])
  if (code !== 0) throw new Error(`the image cannot be set up: ${stderr}`)
}

/** What belongs to an installation is not made again at the first boot. */
const services = `
touch /etc/.updated /var/.updated
systemctl enable systemd-networkd.service
systemctl mask getty@.service serial-getty@.service systemd-networkd-wait-online.service dnsmasq.service \
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer`

const lan = `[Match]
Name=en*

[Network]
DHCP=ipv4

[DHCPv4]
UseDNS=no
`

export const cloudName = "cloud.test"

/** The name server of the device's network: started by the checks, so that names can be late. */
const playedDns = `[Unit]
Description=Played name server

[Service]
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --no-resolv --no-hosts --listen-address=127.0.0.54 --bind-interfaces \
  --user=root --address=/${cloudName}/${hostAddress}
`
