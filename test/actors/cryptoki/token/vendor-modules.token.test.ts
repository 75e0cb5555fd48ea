/** Modules that are set up from outside: by variables of the environment, libraries beside them, files of the system. */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { softhsmDirectory, softhsmModulePath } from "../../../support/token/softhsm.ts"
import { by, isSignature, run, startModule } from "../module-kit.ts"

const token = by("pkcs11:token=my-token")

const softHsm = Effect.map(
  Effect.acquireRelease(Effect.sync(softhsmDirectory), ({ cleanup }) => Effect.sync(cleanup)),
  (directory) => ({ directory, key: directory.addToken().importKey() })
)

describe("a module set up by its environment", () => {
  it("PKCS11SPY: OpenSC's spy module signs through the configured module, and writes to the configured file", () =>
    run(
      Effect.gen(function* () {
        const { directory, key } = yield* softHsm
        const log = join(directory.dir, "spy.log")
        const env = { ...directory.env, PKCS11SPY: softhsmModulePath(), PKCS11SPY_OUTPUT: log }
        const modulePath = libraryFile("pkcs11-spy.so")
        const { sign } = yield* startModule({ dir: directory.dir, modulePath, env })
        expect(isSignature(yield* sign(token), key.publicKeyPem)).toBe(true)
        expect(readFileSync(log, "utf8")).toContain("C_SignInit")
      })
    ))

  it("LD_LIBRARY_PATH: a vendor's module with a library beside it, and a variable of its own", () =>
    run(
      Effect.gen(function* () {
        const { directory, key } = yield* softHsm
        const modulePath = vendorModule(directory.dir)
        const env = {
          ...directory.env,
          LD_LIBRARY_PATH: join(directory.dir, "lib"),
          VENDOR_REAL_MODULE: softhsmModulePath()
        }
        const { sign } = yield* startModule({ dir: directory.dir, modulePath, env })
        expect(isSignature(yield* sign(token), key.publicKeyPem)).toBe(true)
        const without = yield* startModule({ dir: directory.dir, modulePath, env: directory.env })
        expect(yield* Effect.flip(without.sign(token))).toMatchObject({
          _tag: "ModuleNotLoaded",
          detail: expect.stringContaining("libvendor.so")
        })
      })
    ))

  it("p11-kit-proxy: the modules that the system's p11-kit files name", () =>
    run(
      Effect.gen(function* () {
        const { directory, key } = yield* softHsm
        // It loads OpenSC, too: the readers of this machine, and of other tests, are none of its business.
        const env = { ...directory.env, PCSCLITE_CSOCK_NAME: join(directory.dir, "no-pcscd") }
        const { sign } = yield* startModule({ ...directory, env, modulePath: libraryFile("p11-kit-proxy.so") })
        expect(isSignature(yield* sign(token, "ecdsa_secp256r1_sha256", 55_000), key.publicKeyPem)).toBe(true)
      })
    ))
})

/** Compiled into `dir`, its library into `dir/lib`. */
const vendorModule = (dir: string): string => {
  const root = join(import.meta.dirname, "../../../..")
  const source = (name: string) => join(root, "test/fixtures/vendor-module", name)
  const [lib, modulePath] = [join(dir, "lib"), join(dir, "vendor.so")]
  const compile = (...args: ReadonlyArray<string>) =>
    execFileSync(process.env.CC ?? "cc", ["-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", ...args])
  mkdirSync(lib)
  compile("-o", join(lib, "libvendor.so"), source("helper.c"))
  const includes = `-I${join(root, "node_modules/pkcs11js/includes")}`
  compile(includes, "-o", modulePath, source("module.c"), `-L${lib}`, "-lvendor", "-ldl")
  return modulePath
}

/** In the folder of this machine's libraries. */
const libraryFile = (name: string): string => {
  const triplet = execFileSync(process.env.CC ?? "cc", ["-print-multiarch"], { encoding: "utf8" }).trim()
  const path = join("/usr/lib", triplet, name)
  if (!existsSync(path)) throw new Error(`${path} is missing: install opensc-pkcs11 and p11-kit`)
  return path
}
