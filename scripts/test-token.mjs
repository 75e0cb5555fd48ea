/**
 * `npm run test:token -- --module M --token T`: the table of docs/tokens.md for any token, as a column to send in.
 *
 * It uses the commands people use, with settings of its own in a temporary folder. It makes keys with labels and ids of
 * its own and takes them away again, also after Ctrl-C; it changes no PIN, and tries the one it is given once: a token
 * that shows a wrong try before, or after, is left alone. The PIN is asked for, or read from standard input.
 */

import { randomBytes } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { run } from "./lib/run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")

const usage = `Usage: npm run test:token -- --module <path of the PKCS#11 module> --token <label or PKCS#11 URI>

Prints what the token can do, as a column of the table in docs/tokens.md. The user PIN is asked for.
Example: npm run test:token -- --module /usr/lib/softhsm/libsofthsm2.so --token my-token`

const keyTypes = [
  { name: "ecdsa --curve p256", words: ["--type", "ecdsa", "--curve", "p256"] },
  { name: "ecdsa --curve p384", words: ["--type", "ecdsa", "--curve", "p384"] },
  { name: "rsa --bits 2048", words: ["--type", "rsa", "--bits", "2048"] },
  { name: "rsa --bits 3072", words: ["--type", "rsa", "--bits", "3072"] },
  { name: "rsa --bits 4096", words: ["--type", "rsa", "--bits", "4096"] }
]

/** Why nothing more is tried. The message is for the person at the terminal. */
class Stopped extends Error {}

const main = async () => {
  const { module, token } = given()
  const dir = mkdtempSync(join(tmpdir(), "tedge-test-token-"))
  const bench = benchOn(dir, module)
  const made = []
  let isInterrupted = false
  const interrupt = () => {
    isInterrupted = true
    process.stderr.write("\ninterrupted; taking the keys away first\n")
  }
  process.on("SIGINT", interrupt)
  const going = () => {
    if (isInterrupted) throw new Stopped("interrupted")
  }
  try {
    const uri = await tokenUri(bench, token)
    bench.settings({ pin: await askPin() })
    await mustOpen(bench, uri)
    const rows = []
    for (const type of keyTypes) {
      going()
      rows.push(...(await keyRows(bench, uri, type, made)))
    }
    if (made.length === 0) rows.push(...(await presentKeyRows(bench, uri)))
    rows.push(...(await takeAway(bench, uri, made)))
    process.stdout.write(table(token, rows))
    return rows.some(({ isFault }) => isFault) ? 1 : 0
  } finally {
    await takeAway(bench, undefined, made)
    rmSync(dir, { recursive: true, force: true })
    process.off("SIGINT", interrupt)
  }
}

const given = () => {
  try {
    const { values } = parseArgs({
      options: { module: { type: "string" }, token: { type: "string" }, help: { type: "boolean" } }
    })
    if (values.help) {
      process.stdout.write(`${usage}\n`)
      process.exit(0)
    }
    if (!values.module || !values.token) throw new Error("--module and --token are needed")
    return values
  } catch (error) {
    process.stderr.write(`error: ${error.message}\n\n${usage}\n`)
    process.exit(2)
  }
}

/** A configuration folder of our own, and `tedge` on it. PINs are in its file only, which no other user can read. */
const benchOn = (dir, module) => {
  const configDir = join(dir, "config")
  mkdirSync(configDir)
  mkdirSync(join(dir, "run"))
  const env = { ...process.env, TEDGE_CONFIG_DIR: configDir }
  const settings = ({ pin, keyUri } = {}) => {
    if (pin !== undefined) bench.pin = pin
    const text = (value) => JSON.stringify(value)
    const lines = [
      `run.path = ${text(join(dir, "run"))}`,
      `device.id = "tedge-test-token"`,
      `device.cert_path = ${text(join(dir, "certificate.pem"))}`,
      `device.csr_path = ${text(join(dir, "request.csr"))}`,
      `device.cryptoki.mode = "module"`,
      `device.cryptoki.module_path = ${text(module)}`,
      ...(keyUri === undefined ? [] : [`device.key_uri = ${text(keyUri)}`]),
      ...(bench.pin === undefined ? [] : [`device.cryptoki.pin = ${text(bench.pin)}`])
    ]
    writeFileSync(join(configDir, "tedge.toml"), `${lines.join("\n")}\n`, { mode: 0o600 })
  }
  const tedge = (...words) => run(process.execPath, [join(root, "bin/tedge"), ...words], { env, detached: true })
  const bench = { dir, settings, tedge, pin: undefined }
  settings()
  return bench
}

/** The one initialised token that is meant, if its PIN may be tried. */
const tokenUri = async ({ tedge }, wanted) => {
  const listed = await tedge("hsm", "list-tokens", "--json")
  if (listed.code !== 0) throw new Stopped(listed.stderr.trim())
  const tokens = JSON.parse(listed.stdout).filter((one) => one.initialized)
  const meant = tokens.filter((one) => one.label === wanted || one.uri === wanted)
  if (meant.length !== 1)
    throw new Stopped(
      `error: ${meant.length === 0 ? "no" : "more than one"} initialised token is '${wanted}'\nhint: give one of: ${tokens.map(({ uri }) => `'${uri}'`).join(", ") || "there are none"}`
    )
  const { uri, userPin } = meant[0]
  if (!["ready", "notNeeded"].includes(userPin))
    throw new Stopped(
      `error: the state of the token's PIN is '${userPin}': it is left alone\nhint: log in once by hand first`
    )
  return uri
}

/** Standard input's first line; on a terminal it is not shown. */
const askPin = () =>
  new Promise((resolve, reject) => {
    const isTerminal = process.stdin.isTTY === true
    if (isTerminal) process.stderr.write("User PIN: ")
    const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: new Silent(), terminal: true }) })
    lines.once("line", (line) => {
      if (isTerminal) process.stderr.write("\n")
      resolve(line)
      lines.close()
    })
    // The end of standard input: no PIN was given.
    lines.once("close", () =>
      reject(new Stopped("error: no PIN was given\nhint: type it, or give it as the first line of standard input"))
    )
  })

class Silent {
  write() {
    return true
  }
  on() {
    return this
  }
  once() {
    return this
  }
  removeListener() {
    return this
  }
  end() {}
}

/** The only time the PIN is tried on a token that may refuse it. */
const mustOpen = async ({ tedge }, uri) => {
  const listed = await tedge("hsm", "list-keys", uri, "--json")
  if (listed.code !== 0) throw new Stopped(`${listed.stderr.trim()}\nnothing more was tried`)
}

const keyRows = async (bench, uri, { name, words }, made) => {
  const id = randomBytes(8).toString("hex")
  const label = `tedge-test-${id}`
  const command = `tedge hsm create-key --type ${name}`
  process.stderr.write(`${command} ...\n`)
  // Before it is made: it may be there even when the command fails.
  made.push({ id, isSure: false })
  bench.settings()
  const done = await bench.tedge("hsm", "create-key", uri, "--label", label, "--id", id, ...words)
  if (done.code !== 0) return [row(command, done)]
  made.at(-1).isSure = true
  const keyUri = `${uri};id=${id.replace(/../g, "%$&")};object=${label}`
  return [row(command, done), ...(await useRows(bench, keyUri, name))]
}

/** Certificates and TLS signatures with one key. */
const useRows = async (bench, keyUri, name) => {
  bench.settings({ keyUri })
  rmSync(join(bench.dir, "certificate.pem"), { force: true })
  const rows = []
  for (const words of [
    ["cert", "create", "--device-id", "tedge-test-token"],
    ["cert", "create-csr"],
    ["cert", "renew"]
  ])
    rows.push(row(`tedge ${words.slice(0, 2).join(" ")}, ${name}`, await bench.tedge(...words)))
  const doctor = await bench.tedge("hsm", "doctor", "--json")
  const checks = parsed(doctor.stdout)
  checks.forEach(({ name: check, ok }, index) => {
    if (!check.startsWith("signs ")) return
    const verified = checks[index + 1]
    const isGood = ok && verified?.ok === true
    rows.push({
      name: `TLS signature ${check.slice("signs ".length)}, ${name}`,
      why: isGood ? undefined : `${checks[index].detail ?? checks[index].error ?? "it does not verify"}`,
      isFault: !isGood
    })
  })
  return rows
}

/** A token that makes no keys, as a PIV card: what is there is used, and stays. */
const presentKeyRows = async (bench, uri) => {
  const listed = await bench.tedge("hsm", "list-keys", uri, "--json")
  const rows = []
  for (const key of parsed(listed.stdout).filter((one) => one.class === "private"))
    rows.push(...(await useRows(bench, key.uri, `key '${key.label}'`)))
  return rows
}

/** Empties `made`. Rows only for those that were certainly there. */
const takeAway = async (bench, uri, made) => {
  const rows = []
  for (const { id, isSure } of made.splice(0)) {
    bench.settings()
    const words = ["hsm", "delete-key", ...(uri === undefined ? [] : [uri]), "--id", id, "--force"]
    const done = await bench.tedge(...words)
    if (isSure && done.code !== 0)
      process.stderr.write(`warning: the key with id ${id} is still on the token: ${reason(done)}\n`)
    if (isSure) rows.push(row("tedge hsm delete-key", done))
  }
  return rows.slice(0, 1)
}

const row = (name, done) => ({ name, why: done.code === 0 ? undefined : reason(done), isFault: false })

const reason = ({ stderr }) =>
  stderr
    .split("\n")
    .find((line) => line.startsWith("error: "))
    ?.slice("error: ".length) ?? "it failed without a word"

const parsed = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    return []
  }
}

const table = (token, rows) => {
  const reasons = []
  const shown = (why) => {
    if (why === undefined) return "✓"
    if (!reasons.includes(why)) reasons.push(why)
    return `– (${reasons.indexOf(why) + 1})`
  }
  const lines = rows.map(({ name, why }) => `| ${name} | ${shown(why)} |`)
  const notes = reasons.map((why, index) => `(${index + 1}) ${why}`)
  return [`|  | ${token} |`, "| --- | --- |", ...lines, "", ...notes, ""].join("\n")
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Stopped)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
