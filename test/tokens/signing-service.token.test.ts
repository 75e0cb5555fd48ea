/**
 * tedge-p11-server on real tokens, asked as thin-edge.io's own programs ask: the scripts of a device at each start
 * (initialise, make a key), signatures, and the end of a key.
 */
import { createPublicKey, verify } from "node:crypto"
import { Redacted } from "effect"
import { expect, it, onTestFinished } from "vitest"
import type { Frame } from "../../src/messages/wire/frame1.ts"
import { publicKeyOfWirePem } from "../../src/messages/wire/wire-pem.ts"
import { freshHost } from "../actors/cryptoki/host/fresh-host.ts"
import { ask } from "../actors/p11-server/served.ts"
import { checkedRequest } from "../cli/commands/cert/openssl.ts"
import { startSigningService } from "../cli/commands/hsm/signing-service.ts"
import { tedgeInProcess } from "../support/device/tedge-in-process.ts"
import { tempDir } from "../support/temp-dir.ts"
import { softhsmDirectory } from "../support/token/softhsm.ts"
import { emptyTpm } from "../support/token/tpm.ts"
import type { TokenPlace } from "./token-bench.ts"

const tokens: ReadonlyArray<readonly [string, () => Promise<TokenPlace> | TokenPlace]> = [
  ["SoftHSM2", softhsmDirectory],
  ["a TPM 2.0", emptyTpm]
]

const message = Buffer.from("to be signed")
const pin = Redacted.make("471147")

it.each(tokens)("%s is initialised once, and its keys are made, used and deleted", async (_, start) => {
  await freshHost()
  const token = await start()
  onTestFinished(async () => token.cleanup())
  const dir = tempDir()
  const service = await startSigningService({
    place: dir,
    modulePath: token.modulePath,
    environment: token.env,
    args: ["--pin", Redacted.value(pin)]
  })
  onTestFinished(() => service.stop())
  const answer = async <Tag extends Frame["_tag"]>(frame: Frame, tag: Tag): Promise<Extract<Frame, { _tag: Tag }>> => {
    const answered = await ask(service.socketPath, frame)
    expect(answered, JSON.stringify(answered)).toMatchObject({ _tag: tag })
    return answered as Extract<Frame, { _tag: Tag }>
  }
  const init = {
    _tag: "InitTokenRequest",
    label: "tedge",
    uri: undefined,
    pin,
    soPin: Redacted.make("87654321")
  } as const
  const { uri } = await answer(init, "InitTokenResponse")
  expect(await answer(init, "InitTokenResponse")).toMatchObject({ uri })
  expect(await answer({ ...init, uri, pin: undefined, soPin: undefined }, "InitTokenResponse")).toMatchObject({ uri })
  for (const [label, key] of [
    ["ec", { type: "ec", curve: 256 }],
    ["rsa", { type: "rsa", bits: 2048 }]
  ] as const) {
    const params = { key, label, id: undefined }
    const made = await answer({ _tag: "CreateKeyRequest", uri, params, pin: undefined }, "CreateKeyResponse")
    const spki = publicKeyOfWirePem(made.pem)
    const publicKey = createPublicKey({ key: Buffer.from(spki ?? []), format: "der", type: "spki" })
    const scheme = label === "ec" ? "ecdsa_secp256r1_sha256" : "rsa_pkcs1_sha256"
    const sign = { _tag: "SignRequestWithSigScheme", toSign: message, uri: made.uri, scheme, pin: undefined } as const
    const { signature } = await answer(sign, "SignResponse")
    expect(verify("sha256", message, publicKey, signature)).toBe(true)
    const device = tedgeInProcess(tempDir())
    device.settings(
      `device.id = "dev"\ndevice.key_uri = "${made.uri}"\n[device.cryptoki]\nmode = "socket"\nsocket_path = "${service.socketPath}"\n`
    )
    const requested = await device.tedge(["cert", "create-csr"])
    expect(requested.code, requested.stderr).toBe(0)
    await checkedRequest(device.csrPath)
    const remove = { _tag: "DeleteKeyRequest", uri: made.uri, pin: undefined } as const
    expect((await answer(remove, "DeleteKeyResponse")).deleted.length).toBeGreaterThan(0)
    expect(await answer(remove, "DeleteKeyResponse")).toMatchObject({ deleted: [] })
  }
})
