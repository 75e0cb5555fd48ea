/** A PKCS#11 module whose signatures take as long as is said, in front of a real one: the scripted module of the tests. */
import { execFileSync } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")

/** `path`: of the module. `slow(ms)`: from now on. */
export const slowModule = (dir, real) => {
  mkdirSync(dir, { recursive: true })
  const path = join(dir, "slow-module.so")
  const sources = join(root, "test/fixtures/scripted-module")
  const inputs = readdirSync(sources).filter((file) => file.endsWith(".c"))
  const flags = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O1",
    "-shared",
    "-fPIC",
    "-pthread",
    `-I${root}/node_modules/pkcs11js/includes`
  ]
  execFileSync(process.env.CC ?? "cc", [...flags, "-o", path, ...inputs.map((file) => join(sources, file)), "-ldl"])
  writeFileSync(join(dir, "real"), `${real}\n`)
  return { path, slow: (ms) => writeFileSync(join(dir, "control"), `call C_Sign id=1 delay=${ms}\n`) }
}
