/**
 * A SoftHSM2 token in a folder of its own: no root, no group, nothing shared with the system's tokens.
 *
 * Made with the tools the user's guide uses, softhsm2-util and p11tool.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { mustRun } from "../run.mjs"

/** The path of libsofthsm2.so, wherever this Debian keeps it. */
export const softhsmModule = () => {
  const folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
    .filter(existsSync)
    .flatMap((folder) => [folder, ...readdirSync(folder).map((name) => join(folder, name))])
  const found = folders
    .flatMap((folder) =>
      ["softhsm/libsofthsm2.so", "pkcs11/libsofthsm2.so", "libsofthsm2.so"].map((name) => join(folder, name))
    )
    .find(existsSync)
  if (found === undefined) throw new Error("libsofthsm2.so was not found; is softhsm2 installed?")
  return found
}

/**
 * Initialises a token. `trace` is called with each command before it runs, as an array.
 * The environment in `env` must be given to every process that is to see this token.
 */
export const createSoftToken = async ({ dir, label, pin = "123456", soPin = "12345678", trace = () => undefined }) => {
  mkdirSync(join(dir, "tokens"), { recursive: true })
  const conf = join(dir, "softhsm2.conf")
  writeFileSync(
    conf,
    [`directories.tokendir = ${join(dir, "tokens")}`, "objectstore.backend = file", "log.level = ERROR", ""].join("\n")
  )
  const modulePath = softhsmModule()
  const env = { SOFTHSM2_CONF: conf }
  const tool = (command, args, extraEnv = {}) => {
    trace([command, ...args])
    return mustRun(command, args, { env: { ...process.env, ...env, ...extraEnv } })
  }
  const p11tool = (...args) => tool("p11tool", ["--provider", modulePath, ...args], { GNUTLS_PIN: pin })

  await tool("softhsm2-util", ["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", soPin])
  const { stdout } = await p11tool("--list-token-urls")
  const uri = stdout.split("\n").find((line) => line.includes(`token=${encodeURIComponent(label)}`))
  if (uri === undefined) throw new Error(`p11tool does not list the token '${label}':\n${stdout}`)

  return {
    dir,
    label,
    pin,
    modulePath,
    env,
    uri,
    /** Makes a P-256 key inside the token; `publicKey` is a PEM file. */
    generateKey: async (keyLabel, id) => {
      const publicKey = join(dir, `${keyLabel}.pub.pem`)
      const key = ["--generate-privkey=ecdsa", "--curve=secp256r1", `--label=${keyLabel}`, `--id=${id}`]
      await p11tool("--login", ...key, `--outfile=${publicKey}`, uri)
      return {
        publicKey,
        uri: `${uri};id=${id.replace(/../g, "%$&")};object=${encodeURIComponent(keyLabel)};type=private`
      }
    }
  }
}
