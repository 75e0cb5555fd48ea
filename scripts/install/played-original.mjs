/** Packages named as thin-edge.io's own, with files and relations as theirs, and an archive for apt to find them in. */
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { mustRun } from "../lib/run.mjs"

/** Holds the mapper's lock, as the process that it names: who asks for it sees its environment. */
const mapper = `#!/bin/sh
exec 9>/run/lock/tedge-mapper-$1.lock
echo $$ >&9
exec sleep infinity
`

const include = `if [ -f /etc/mosquitto/mosquitto.conf ] && ! grep -q /etc/tedge/mosquitto-conf /etc/mosquitto/mosquitto.conf; then
    mkdir -p /etc/tedge/mosquitto-conf
    sed -i '0,/^include_dir/s//include_dir \\/etc\\/tedge\\/mosquitto-conf\\n&/' /etc/mosquitto/mosquitto.conf
fi
`

const originals = [
  { name: "tedge", files: { "usr/bin/tedge": "#!/bin/sh\necho original\n" }, scripts: { postinst: include } },
  {
    name: "tedge-mapper",
    depends: "tedge",
    files: {
      "usr/bin/tedge-mapper": mapper,
      "lib/systemd/system/tedge-mapper-c8y.service":
        "[Service]\nUser=tedge\nExecStart=/usr/bin/tedge-mapper c8y\n[Install]\nWantedBy=multi-user.target\n"
    }
  },
  {
    name: "tedge-p11-server",
    files: {
      "usr/bin/tedge-p11-server": "#!/bin/sh\necho original\n",
      "etc/tedge/plugins/tedge-p11-server.conf": 'TPM2_PKCS11_STORE="/etc/tedge/hsm"\n',
      "lib/systemd/system/tedge-p11-server.socket":
        "[Socket]\nListenStream=%t/tedge-p11-server/tedge-p11-server.sock\n[Install]\nWantedBy=sockets.target\n",
      "lib/systemd/system/tedge-p11-server.service": "[Service]\nExecStart=/usr/bin/tedge-p11-server\n"
    },
    scripts: {
      postinst: "deb-systemd-helper enable tedge-p11-server.socket >/dev/null || true\n",
      postrm: 'if [ "$1" = remove ]; then deb-systemd-helper mask tedge-p11-server.socket >/dev/null || true; fi\n'
    }
  },
  { name: "tedge-full", depends: "tedge, tedge-mapper, tedge-p11-server", files: {} }
]

/** Into `dir`, with the index apt reads. */
export const makeOriginals = async (dir, version) => {
  const stanzas = []
  for (const { name, depends, files, scripts = {} } of originals) {
    const tree = join(dir, `tree-${version}`, name)
    for (const [path, content] of Object.entries(files))
      put(join(tree, path), content, path.startsWith("usr/bin") ? 0o755 : 0o644)
    const fields = [
      ...[`Package: ${name}`, `Version: ${version}`, "Architecture: all", "Maintainer: Test <test@example.invalid>"],
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      "Description: plays the package of thin-edge.io"
    ]
    put(join(tree, "DEBIAN/control"), `${fields.join("\n")}\n`)
    const conffiles = Object.keys(files).filter((path) => path.startsWith("etc/"))
    put(join(tree, "DEBIAN/conffiles"), conffiles.map((path) => `/${path}\n`).join(""))
    for (const [script, text] of Object.entries(scripts))
      put(join(tree, "DEBIAN", script), `#!/bin/sh\nset -e\n${text}`, 0o755)
    const file = `${name}_${version}_all.deb`
    await mustRun("dpkg-deb", ["--root-owner-group", "-Zgzip", "-z1", "--build", tree, join(dir, file)])
    const [sum] = (await mustRun("sha256sum", [join(dir, file)])).stdout.split(" ")
    const size = (await mustRun("stat", ["-c", "%s", join(dir, file)])).stdout.trim()
    stanzas.push([...fields, `Filename: ./${file}`, `Size: ${size}`, `SHA256: ${sum}`].join("\n"))
  }
  writeFileSync(join(dir, "Packages"), `${stanzas.join("\n\n")}\n`)
}

const put = (path, content, mode = 0o644) => {
  mkdirSync(join(path, ".."), { recursive: true })
  writeFileSync(path, content, { mode })
}
