/** The commands about tokens, keys and certificates, in the order a person uses them: each finds what those before it left. */
import { createPublicKey, X509Certificate } from "node:crypto"
import { existsSync, readFileSync, rmSync } from "node:fs"
import { expect } from "vitest"
import { checkedRequest } from "../cli/commands/cert/openssl.ts"
import { type Behaviour, type Exception, type Outcome, tedge } from "./behaviour.ts"
import { noRsa4096 } from "./signing-behaviours.ts"
import { label, pin, select, soPin, type TokenBench } from "./token-bench.ts"

const trust = (reason: string, says: RegExp): { readonly "p11-kit trust": Exception } => ({
  "p11-kit trust": { reason, says }
})
const noKeys = (says: RegExp) => trust("it holds certificates, no keys", says)
const readOnly = (says: RegExp) => trust("it cannot be written", says)

const initialise: Behaviour = {
  name: "tedge hsm init",
  does: (bench) => {
    select(bench)
    return tedge(bench, "hsm", "init", "--label", label, "--so-pin", soPin, "--pin", pin)
  },
  proves: (_bench, { answer }) => expect(answer).toMatch(/^pkcs11:model=.*;serial=\w+;token=bench\n$/),
  except: readOnly(/Refusing to reinitialize: token 'System Trust'/)
}

const listTokens: Behaviour = {
  name: "tedge hsm list-tokens",
  does: (bench) => tedge(bench, "hsm", "list-tokens", "--json"),
  proves: (bench, { answer }) => {
    const uris = JSON.parse(answer).map(({ uri }: { readonly uri: string }) => uri)
    expect(uris).toContainEqual(expect.stringContaining(bench.tokenUri.replace("pkcs11:", "")))
  }
}

const keys = [
  { kind: "p256", id: "01", words: ["--type", "ecdsa", "--curve", "p256"] },
  { kind: "p384", id: "02", words: ["--type", "ecdsa", "--curve", "p384"] },
  { kind: "rsa2048", id: "03", words: ["--type", "rsa", "--bits", "2048"] },
  { kind: "rsa3072", id: "05", words: ["--type", "rsa", "--bits", "3072"] },
  { kind: "rsa4096", id: "06", words: ["--type", "rsa", "--bits", "4096"] }
] as const
type Kind = (typeof keys)[number]["kind"]

/** What `create-key` made. */
const made = new WeakMap<TokenBench, Array<Kind>>()
const madeOn = (bench: TokenBench): ReadonlyArray<Kind> => made.get(bench) ?? []

const keyUri = (bench: TokenBench, kind: Kind) => `${bench.tokenUri};object=key-${kind}`

const createKey = ({ kind, id, words }: (typeof keys)[number]): Behaviour => ({
  name: `tedge hsm create-key ${words.join(" ")}`,
  does: async (bench) => {
    const done = await tedge(bench, "hsm", "create-key", bench.tokenUri, "--label", `key-${kind}`, "--id", id, ...words)
    if (done.refusal === undefined) made.set(bench, [...madeOn(bench), kind])
    return done
  },
  proves: ({ otherProgram }, { answer }) => {
    const pem = /-----BEGIN[\s\S]*-----END PUBLIC KEY-----/.exec(answer)?.[0] ?? ""
    const shown = createPublicKey(pem).export({ type: "spki", format: "pem" })
    expect(shown).toBe(otherProgram.publicKeyPem(id))
  },
  except: {
    ...readOnly(/CKR_TOKEN_WRITE_PROTECTED/),
    ...(kind === "rsa4096" && {
      "TPM 2.0": { reason: noRsa4096, says: /Keysize 4096 not supported.*\nhint: the token cannot do this/ }
    })
  }
})

const listKeys: Behaviour = {
  name: "tedge hsm list-keys",
  does: (bench) => tedge(bench, "hsm", "list-keys", bench.tokenUri, "--json"),
  proves: (bench, { answer }) => {
    const found: ReadonlyArray<{ readonly class: string; readonly label: string; readonly other_uses: unknown }> =
      JSON.parse(answer)
    const privates = found.filter((key) => key.class === "private")
    expect(privates.map((key) => key.label).sort()).toEqual(madeOn(bench).map((kind) => `key-${kind}`))
    // tpm2-pkcs11 lets every key decrypt and takes no template that says otherwise.
    const others = bench.place.modulePath.includes("tpm2_pkcs11") ? madeOn(bench).map(() => "decrypt") : []
    expect(privates.flatMap((key) => key.other_uses)).toEqual(others)
  }
}

/** With each key that was made, or with one that is not there; the first refusal is the outcome. */
const withKeys = async (bench: TokenBench, work: (kind: Kind) => Promise<Outcome>): Promise<Outcome> => {
  let last: Outcome = { refusal: undefined, answer: "" }
  const kinds = madeOn(bench)
  for (const kind of kinds.length === 0 ? (["p256"] as const) : kinds) {
    select(bench, keyUri(bench, kind))
    last = await work(kind)
    if (last.refusal !== undefined) return last
  }
  return last
}

const certificateOf = (path: string) => new X509Certificate(readFileSync(path))
const expectSignedByItself = (path: string) => {
  const certificate = certificateOf(path)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
}
const keyNotThere = noKeys(/Failed to find a key on token 'System Trust'/)

const createCertificate: Behaviour = {
  name: "tedge cert create",
  does: (bench) =>
    withKeys(bench, async () => {
      rmSync(bench.device.certPath, { force: true })
      const done = await tedge(bench, "cert", "create", "--device-id", "dev")
      if (done.refusal === undefined) expectSignedByItself(bench.device.certPath)
      return done
    }),
  proves: (bench) => {
    const last = keys.find(({ kind }) => kind === madeOn(bench).at(-1))
    const certified = certificateOf(bench.device.certPath).publicKey.export({ type: "spki", format: "pem" })
    expect(certified).toBe(bench.otherProgram.publicKeyPem(last?.id ?? ""))
  },
  except: keyNotThere
}

const createCsr: Behaviour = {
  name: "tedge cert create-csr",
  does: (bench) =>
    withKeys(bench, async () => {
      const done = await tedge(bench, "cert", "create-csr", "--device-id", "dev")
      if (done.refusal === undefined) await checkedRequest(bench.device.csrPath)
      return done
    }),
  proves: ({ device }) => expect(existsSync(device.csrPath)).toBe(true),
  except: keyNotThere
}

const renewCertificate: Behaviour = {
  name: "tedge cert renew",
  does: (bench) =>
    withKeys(bench, async () => {
      const done = await tedge(bench, "cert", "renew")
      if (done.refusal === undefined) expectSignedByItself(`${bench.device.certPath}.new`)
      return done
    }),
  proves: ({ device }) => expect(existsSync(`${device.certPath}.new`)).toBe(true),
  except: trust("without a key there is no certificate", /the certificate file .* does not exist/)
}

const newPin = "471148"

const changePin: Behaviour = {
  name: "tedge hsm change-pin",
  does: (bench) => {
    select(bench)
    return tedge(bench, "hsm", "change-pin", bench.tokenUri, "--current-pin", pin, "--new-pin", newPin)
  },
  proves: async (bench) => {
    const listed = await tedge(bench, "hsm", "list-keys", bench.tokenUri, "--pin", newPin, "--json")
    expect(listed.answer).toContain("key-p256")
  },
  except: readOnly(/CKR_TOKEN_WRITE_PROTECTED/)
}

const resetPin: Behaviour = {
  name: "tedge hsm change-pin --reset",
  does: (bench) => tedge(bench, "hsm", "change-pin", bench.tokenUri, "--reset", "--so-pin", soPin, "--new-pin", pin),
  proves: async (bench) => {
    select(bench)
    const listed = await tedge(bench, "hsm", "list-keys", bench.tokenUri, "--json")
    expect(listed.answer).toContain("key-p256")
  },
  except: readOnly(/CKR_TOKEN_WRITE_PROTECTED/)
}

const deleteKey: Behaviour = {
  name: "tedge hsm delete-key",
  does: async (bench) => {
    const done = await bench.device.tedge(["hsm", "delete-key", keyUri(bench, "p384"), "--force"])
    const isGone = done.code === 0 && done.stdout !== ""
    return { refusal: isGone ? undefined : done.stderr, answer: done.stdout }
  },
  proves: ({ otherProgram }) => expect(() => otherProgram.publicKeyPem("02")).toThrow(),
  except: noKeys(/No matching key was found; nothing to delete/)
}

export const beforeSigning: ReadonlyArray<Behaviour> = [
  initialise,
  listTokens,
  ...keys.map(createKey),
  listKeys,
  createCertificate,
  createCsr,
  renewCertificate
]

export const afterSigning: ReadonlyArray<Behaviour> = [changePin, resetPin, deleteKey]
