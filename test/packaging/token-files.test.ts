/** What the packages say at installation of tokens that the services may not use. */
import { spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { beforeEach, expect, it } from "vitest"
import { tempDir } from "../support/temp-dir.ts"

let root: string

const file = (path: string, content = "", mode = 0o644): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
  chmodSync(join(root, path), mode)
}

/** With a services' user who may use everything, or nothing. */
const told = (may: "use" | "notUse"): string => {
  const user = may === "use" ? "as_tedge() { case $1 in test) ;; esac; }" : "as_tedge() { echo denied; false; }"
  const part = resolve("packaging/debian/parts/token-files.sh")
  const done = spawnSync("sh", ["-ec", `. ${part}; ${user}; tell_closed_tokens`], {
    env: { PATH: process.env.PATH, DPKG_ROOT: root },
    encoding: "utf8"
  })
  expect(done.status).toBe(0)
  return done.stderr.replaceAll("The services, with 'tedge' as their user, may not use ", "")
}

const install = (name: string) =>
  `install -D -m 644 /usr/share/tedge-actors/drop-ins/${name}.conf /etc/systemd/system/tedge-p11-server.service.d/${name}.conf`
const restart = "systemctl daemon-reload && systemctl try-restart tedge-p11-server.service"

beforeEach(() => {
  root = tempDir()
  file("usr/lib/systemd/system/tedge-p11-server.service")
  for (const name of ["tpm2", "softhsm2"]) file(`usr/share/tedge-actors/drop-ins/${name}.conf`)
})

it("nothing without tokens", () => {
  expect(told("notUse")).toBe("")
})

it("a store is handed over with the drop-in that opens the sandbox, until both are done", () => {
  file("var/lib/softhsm/tokens/1/token.object")
  expect(told("notUse")).toBe(
    `/var/lib/softhsm/tokens: chown -R tedge:softhsm /var/lib/softhsm/tokens && ${install("softhsm2")} && ${restart}\n`
  )
  expect(told("use")).toBe(`/var/lib/softhsm/tokens: ${install("softhsm2")} && ${restart}\n`)
  file("etc/systemd/system/tedge-p11-server.service.d/softhsm2.conf")
  expect(told("use")).toBe("")
})

it("a TPM that only root may open gets a rule for its group, not the services' user root's group", () => {
  file("dev/tpmrm0", "", 0o600)
  const said = told("notUse")
  expect(said).not.toContain("usermod")
  expect(said).toMatch(/^\/dev\/tpmrm0: echo 'SUBSYSTEM=="tpmrm", GROUP="tss", MODE="0660"' >\/etc\/udev\/rules\.d\//)
  expect(said).toContain(`udevadm trigger -c add -s tpmrm && ${install("tpm2")} && ${restart}`)
  expect(told("use")).toBe("")
})

it("looks at the stores that the environment file names", () => {
  file("srv/tpm/tpm2_pkcs11.sqlite3")
  file("srv/soft/1/token.object")
  file("srv/softhsm.conf", "directories.tokendir = /srv/soft\n")
  file("etc/tedge/plugins/tedge-p11-server.conf", "TPM2_PKCS11_STORE=/srv/tpm\nSOFTHSM2_CONF='/srv/softhsm.conf'\n")
  const said = told("notUse")
  expect(said).toContain(`/srv/tpm: chown -R tedge:tedge /srv/tpm && ${install("tpm2")} && printf`)
  expect(said).toContain(
    "ReadWritePaths=-/srv/soft\\n' >/etc/systemd/system/tedge-p11-server.service.d/softhsm2-store.conf"
  )
})
