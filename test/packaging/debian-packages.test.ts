/** The Debian packages as `npm run package` makes them: contents, control fields, reproducibility, lintian. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mustRun, run } from "../../scripts/lib/run.mjs"
import { makeTempDir, removeTempDir } from "../support/temp-dir.ts"

const root = join(import.meta.dirname, "../..")
const architecture = process.arch === "x64" ? "amd64" : process.arch
const names = ["tedge-actors", "tedge-actors-bridge", "tedge-actors-p11-server"] as const
const dir = makeTempDir()
const out = join(dir, "out")
const fileOf = (name: string, folder = out) => join(folder, `${name}_0.0.7_${architecture}.deb`)
const tree = (name: string) => join(dir, name)

const other = architecture === "amd64" ? "arm64" : "amd64"

const make = (folder: string, env: NodeJS.ProcessEnv = process.env) =>
  mustRun(process.execPath, ["scripts/package.mjs", "--version", "0.0.7", "--out", folder], { cwd: root, env })

/** This machine's programs without the compilers of the other architecture. */
const withoutCrossCompilers = (): NodeJS.ProcessEnv => {
  const bin = join(dir, "bin")
  mkdirSync(bin)
  const cross = { amd64: "x86_64-linux-gnu-", arm64: "aarch64-linux-gnu-" }[other]
  for (const folder of (process.env.PATH ?? "").split(":").filter(existsSync).reverse())
    for (const name of readdirSync(folder).filter((one) => !one.startsWith(cross))) {
      rmSync(join(bin, name), { force: true })
      symlinkSync(join(folder, name), join(bin, name))
    }
  return { ...process.env, PATH: bin }
}
let made: string

const field = async (name: string, key: string) => (await mustRun("dpkg-deb", ["-f", fileOf(name), key])).stdout.trim()

const filesBelow = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort()

beforeAll(async () => {
  made = (await make(out, withoutCrossCompilers())).stdout
  for (const name of names) await mustRun("dpkg-deb", ["-x", fileOf(name), tree(name)])
}, 900_000)
afterAll(() => removeTempDir(dir))

describe("the Debian packages", () => {
  it("are the same bytes when they are built again", async () => {
    const again = join(dir, "again")
    await make(again, { ...process.env, PATH: join(dir, "bin") })
    expect(readFileSync(join(again, "SHA256SUMS"), "utf8")).toBe(readFileSync(join(out, "SHA256SUMS"), "utf8"))
  }, 900_000)

  it.each(names)("%s is at most 6 MB, has an SBOM and a check sum", async (name) => {
    expect(statSync(fileOf(name)).size).toBeLessThan(6e6)
    const bill = JSON.parse(readFileSync(fileOf(name).replace(".deb", ".cdx.json"), "utf8"))
    expect(bill.bomFormat).toBe("CycloneDX")
    expect(bill.components.map((one: { name: string }) => one.name)).toEqual(
      expect.arrayContaining(["effect", "pkcs11js"])
    )
    const sums = await mustRun("sha256sum", ["--check", "--strict", "SHA256SUMS"], { cwd: out })
    expect(sums.stdout).toContain(`${name}_0.0.7_${architecture}.deb: OK`)
  })

  it.each(names)("%s has the maintainer, and its Node where Debian has one or not", async (name) => {
    expect(await field(name, "Maintainer")).toBe("The tedge-actors authors <maintainers@tedge-actors.invalid>")
    expect(await field(name, "Depends")).toMatch(
      /^nodejs \(>= 20\.19\) \| tedge-actors-node \(>= 20\.19\), .*libc6 \(>= /
    )
  })

  it("cannot be mixed where they would be in each other's way", async () => {
    expect(await field("tedge-actors-p11-server", "Provides")).toMatch(/^tedge-p11-server \(= [\d.]+\)$/)
    for (const key of ["Conflicts", "Replaces"])
      expect((await field("tedge-actors-p11-server", key)).split(", ")).toContain("tedge-p11-server")
    expect((await field("tedge-actors", "Conflicts")).split(", ")).toEqual(
      expect.arrayContaining(["tedge", "tedge-mapper", "tedge-p11-server", "tedge-actors-bridge"])
    )
    const shared = filesBelow(tree("tedge-actors-bridge")).filter((file) =>
      filesBelow(tree("tedge-actors-p11-server")).includes(file)
    )
    expect(shared, "the two may be installed together").toEqual([])
  })

  it("have nothing but what runs in their program folders", () => {
    const kinds =
      /^(?:bin\/(?:[a-z0-9-]+(?:\.js)?|package\.json)|dist\/[a-z0-9-]+\.(?:cjs|node)|node_modules\/pkcs11js\/(?:index\.js|package\.json|build\/Release\/pkcs11\.node))$/
    for (const name of names) {
      const files = filesBelow(join(tree(name), "usr/lib", name))
      expect(files.filter((file) => !kinds.test(file))).toEqual([])
      expect(files).toContain("node_modules/pkcs11js/build/Release/pkcs11.node")
    }
  })

  it("take no name of thin-edge.io's own programs beside them", () => {
    expect(readdirSync(join(tree("tedge-actors-bridge"), "usr/bin"))).toEqual(["tedge-hsm", "tedge-hsm-bridge"])
    expect(readdirSync(join(tree("tedge-actors-p11-server"), "usr/bin"))).toEqual(["tedge-p11-server"])
  })

  it("have manual pages, completions, units, users and directories", () => {
    expect(filesBelow(tree("tedge-actors"))).toEqual(
      expect.arrayContaining([
        "usr/share/man/man1/tedge-connect.1.gz",
        "usr/share/man/man8/tedge-p11-server.8.gz",
        "usr/share/bash-completion/completions/tedge",
        "usr/share/zsh/vendor-completions/_tedge",
        "usr/share/fish/vendor_completions.d/tedge.fish",
        "usr/lib/systemd/system/tedge-mapper-c8y@.service",
        "usr/lib/systemd/system/tedge-p11-server.socket",
        "usr/lib/sysusers.d/tedge-actors.conf",
        "usr/lib/tmpfiles.d/tedge-actors.conf",
        "usr/share/polkit-1/rules.d/tedge-actors.rules",
        "usr/share/tedge-actors/drop-ins/tpm2.conf"
      ])
    )
  })

  it("name the licence of everything in the bundles", () => {
    const text = readFileSync(join(tree("tedge-actors"), "usr/share/doc/tedge-actors/copyright"), "utf8")
    for (const library of ["effect", "mqtt", "rxjs", "pkcs11js", "smol-toml"])
      expect(text).toMatch(new RegExp(`^Comment: ${library} \\d`, "m"))
  })

  it("have add-ons that are hardened", async () => {
    for (const addon of ["dist/tls.node", "dist/unix.node", "node_modules/pkcs11js/build/Release/pkcs11.node"]) {
      const path = join(tree("tedge-actors"), "usr/lib/tedge-actors", addon)
      // Its exit code counts more with each version: protections of other processors, for one.
      const { stdout, stderr } = await run("hardening-check", [path])
      expect(stdout, stderr).toMatch(/Stack protected: yes/)
      expect(stdout).toMatch(/Read-only relocations: yes/)
      // This one looks for its OpenSSL in the Node that loads it.
      if (addon !== "dist/tls.node") expect(stdout).toMatch(/Immediate binding: yes/)
    }
  })

  it.each(names)(
    "%s: lintian has nothing to say but what is written down",
    async (name) => {
      // An older lintian does not know every field of a newer Debian.
      const done = await run("lintian", ["--allow-root", "--fail-on", "error,warning", fileOf(name)])
      expect(done.stdout.split("\n").filter((line) => /^[EW]:/.test(line))).toEqual([])
      expect(done.code).toBe(0)
    },
    300_000
  )

  it("start with the Node they find, and say their version", async () => {
    const program = join(tree("tedge-actors"), "usr/lib/tedge-actors/bin/tedge")
    expect((await mustRun(process.execPath, [program, "--version"])).stdout.trim()).toMatch(/\b0\.0\.7\b/)
    // What tedge starts by itself (the mapper, without systemd) is started with the same Node, not through /usr/bin.
    const mapper = join(tree("tedge-actors"), "usr/lib/tedge-actors/bin/tedge-mapper")
    await mustRun(process.execPath, [mapper, "--help"])
    const module = join(tree("tedge-actors"), "usr/lib/tedge-actors/node_modules/pkcs11js")
    await mustRun(process.execPath, ["-e", `new (require(${JSON.stringify(module)}).PKCS11)()`])
  })

  it("are made for this machine, and the architecture without compilers is named", () => {
    expect(made).toContain(`not made: packages for ${other}: `)
    expect(made).toMatch(/apt-get install gcc-(?:aarch64|x86-64)-linux-gnu/)
    expect(
      readdirSync(out)
        .filter((file) => file.endsWith(".deb"))
        .sort()
    ).toEqual(names.map((name) => `${name}_0.0.7_${architecture}.deb`).sort())
  })

  it("are refused, with the packages that are missing, for an architecture without compilers", async () => {
    const done = await run(process.execPath, ["scripts/package.mjs", "--arch", other, "--out", join(dir, "none")], {
      cwd: root,
      env: { ...process.env, PATH: "/nonexistent" }
    })
    expect(done.stderr).toMatch(/apt-get install gcc-(?:aarch64|x86-64)-linux-gnu/)
    expect(done.code).toBe(1)
  })
})
