/** The PIV card of the tests in vpcd's reader, beside a device: pcscd in its network dials it. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { mkdirSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { build } from "esbuild"
import { mustRun } from "../lib/run.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "../..")
/** In the network of the container, which is its own. */
const port = 20_000

const entry = `
export { pivCard } from "./test/support/token/virtual-card-piv.ts"
export { serve } from "./test/support/token/virtual-card.ts"
`

/** Answers pcscd's configuration of the reader. The token is named after the certificate's owner: `card-holder`. */
export const insertCard = async (dir, pin) => {
  mkdirSync(dir, { recursive: true })
  const [bundle, key, certificate] = ["card.mjs", "card.key", "card.pem"].map((file) => join(dir, file))
  await build({
    absWorkingDir: root,
    stdin: { contents: entry, resolveDir: root, loader: "ts" },
    outfile: bundle,
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "error",
    // The directories of tests, which are not used here.
    alias: { vitest: join(root, "scripts/bundles/absent.cjs") }
  })
  const { pivCard, serve } = await import(pathToFileURL(bundle))
  await mustRun("openssl", [
    ...["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=card-holder"],
    ...["-keyout", key, "-out", certificate]
  ])
  const owner = {
    slot: 0x9a,
    privateKey: createPrivateKey(readFileSync(key)),
    certificateDer: new X509Certificate(readFileSync(certificate)).raw
  }
  // vpcd's second slot has a card that knows nothing.
  const cards = [pivCard({ pin, keys: [owner] }), () => Buffer.of(0x6d, 0)]
  for (const [index, card] of cards.entries())
    await new Promise((resolve, reject) => {
      createServer((socket) => serve(socket, card))
        .once("error", reject)
        .listen(port + index, "127.0.0.1", resolve)
    })
  const hex = `0x${port.toString(16)}`
  return [
    'FRIENDLYNAME "Virtual PCD"',
    `DEVICENAME 127.0.0.1:${hex}`,
    "LIBPATH /usr/lib/pcsc/drivers/serial/libifdvpcd.so",
    `CHANNELID ${hex}`,
    ""
  ].join("\n")
}
