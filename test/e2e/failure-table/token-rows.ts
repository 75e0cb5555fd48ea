/** Tokens, keys and PINs. */
import { chmodSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { pkcs11Tool } from "../../support/token/pkcs11-tool.ts"
import {
  type ScriptedCall,
  type ScriptedModule,
  type ScriptedToken,
  scriptedModule
} from "../../support/token/scripted-module.ts"
import { softhsmDirectory } from "../../support/token/softhsm.ts"
import type { Row } from "./row.ts"
import type { Outcome, Settings, World } from "./world.ts"

const connect = ["connect", "c8y"]

/** `tedge connect c8y` with other settings. */
const connecting =
  (settings: Settings) =>
  ({ place }: World): Promise<Outcome> =>
    place(settings).tedge(connect)

const connectTwice =
  (settings: Settings) =>
  async ({ place }: World): Promise<Outcome> => {
    const { tedge } = place(settings)
    await tedge(connect)
    return tedge(connect)
  }

interface Script {
  readonly calls?: Readonly<Record<`C_${string}`, ScriptedCall>>
  readonly token?: ScriptedToken
}

/** A token that behaves as scripted, and the words to run with it. */
const scripted =
  (script: Script, words: ReadonlyArray<string> = connect, settings: Settings = {}) =>
  ({ hsm, place, atEnd }: World): Promise<Outcome> => {
    const module: ScriptedModule = scriptedModule(hsm.modulePath)
    atEnd(module.cleanup)
    if (script.calls) module.set(script.calls)
    if (script.token) module.setToken("*", script.token)
    return place({ "device.cryptoki.module_path": module.modulePath, ...settings }).tedge(words)
  }

/** Two tokens, and the URI names the one without the key. The other has another PIN, which is not tried. */
const wrongToken = async ({ place }: World): Promise<Outcome> => {
  const hsm = softhsmDirectory()
  const { pin } = hsm.addToken({ label: "empty" })
  hsm.addToken({ label: "other", pin: "98765432" }).importKey()
  const settings = { "device.key_uri": "pkcs11:token=empty;object=my-key", "device.cryptoki.pin": pin }
  return place(settings).tedge(connect, { env: hsm.env }).finally(hsm.cleanup)
}

const createKey = (token: string, ...words: ReadonlyArray<string>) => ["cert", "create-key-hsm", token, ...words]

export const tokenRows: ReadonlyArray<Row> = [
  {
    tag: "TokenNotFound",
    failure: "no token",
    how: "SoftHSM2 without a token; connect",
    cause: ({ place }) => {
      const hsm = softhsmDirectory()
      return place().tedge(connect, { env: hsm.env }).finally(hsm.cleanup)
    },
    says: "Didn't find a slot to use. The device may be disconnected.",
    next: "no token found: plug it in, or initialise one"
  },
  {
    tag: "TokenNotFound",
    failure: "another token",
    how: "key_uri names a token that is not there",
    cause: connecting({ "device.key_uri": "pkcs11:token=lost;object=lost-key" }),
    says: "No token matches 'pkcs11:token=lost;object=lost-key'",
    next: /^tokens found: pkcs11:.*token=my-token/
  },
  {
    tag: "TokenNotFound",
    failure: "key on another token, the named one is away",
    how: "key_uri names a token that is not there; another has the key",
    cause: connecting({ "device.key_uri": "pkcs11:token=lost;object=my-key" }),
    says: /'pkcs11:token=lost;object=my-key'; the public half of such a key is on token 'my-token'$/,
    next: /^if that is the key, name its token: tedge config set device.key_uri 'pkcs11:.*token=my-token;object=my-key'/
  },
  {
    tag: "KeyNotFound",
    failure: "key not found",
    how: "key_uri names a key that is not there",
    cause: connecting({ "device.key_uri": "pkcs11:token=my-token;object=lost" }),
    says: "Failed to find a signing key: Failed to find a key on token 'my-token' that matches",
    next: "tedge hsm list-keys"
  },
  {
    tag: "KeyNotFound",
    failure: "key on another token, none is named",
    how: "key_uri names no token, and the first one has not got the key",
    cause: async ({ place }) => {
      const hsm = softhsmDirectory()
      for (const label of ["one", "two"]) hsm.addToken({ label }).importKey({ label: `key-${label}` })
      const ask = (key: string) => place({ "device.key_uri": `pkcs11:object=${key}` }).tedge(connect, { env: hsm.env })
      // Which token is the first one is SoftHSM2's secret; it has its own key.
      const found = await ask("key-one")
      const outcome = found.stderr.includes("Failed to find a key") ? found : await ask("key-two")
      hsm.cleanup()
      return outcome
    },
    says: /Failed to find a key on token '(one|two)' that matches .*; the public half of such a key is on token '(one|two)'$/,
    next: /^if that is the key, name its token: tedge config set device.key_uri 'pkcs11:.*token=(one|two)/
  },
  {
    tag: "KeyNotFound",
    failure: "key on another token than the named one",
    how: "two tokens; key_uri names the one without the key",
    cause: wrongToken,
    says: "Failed to find a key on token 'empty' that matches 'pkcs11:token=empty;object=my-key'; the public half of such a key is on token 'other'",
    next: /^if that is the key, name its token: tedge config set device.key_uri 'pkcs11:.*token=other;object=my-key'/
  },
  {
    tag: "PinMissing",
    failure: "no PIN",
    how: "a token that is no SoftHSM2, no PIN in the settings",
    cause: scripted({ token: { manufacturer: "Maker" } }, connect, { "device.cryptoki.pin": undefined }),
    says: "token 'my-token' requires a PIN, and none is configured",
    next: "tedge config set device.cryptoki.pin <PIN>"
  },
  {
    tag: "PinRejected",
    failure: "PIN incorrect",
    how: "device.cryptoki.pin 000000",
    cause: connecting({ "device.cryptoki.pin": "000000" }),
    says: "token 'my-token': The specified PIN is incorrect",
    next: "tedge config set device.cryptoki.pin <PIN>"
  },
  {
    tag: "PinRejected",
    failure: "PIN of key_pin incorrect",
    how: "device.key_pin incorrect",
    cause: connecting({ "device.key_pin": "incorrect" }),
    says: "token 'my-token': The specified PIN is incorrect",
    next: "set the right one"
  },
  {
    tag: "PinRejected",
    failure: "PIN of key_uri incorrect",
    how: "device.key_uri with pin-value=incorrect",
    cause: connecting({ "device.key_uri": "pkcs11:token=my-token;object=my-key?pin-value=incorrect" }),
    says: "token 'my-token': The specified PIN is incorrect",
    next: "set the right one"
  },
  {
    tag: "PinRejected",
    failure: "PIN latched",
    how: "connect again with the PIN that was refused",
    cause: connectTwice({ "device.cryptoki.pin": "000000" }),
    says: "it was refused before and was not tried again, to keep the token from locking",
    next: "tedge hsm clear-pin-latch"
  },
  {
    tag: "LatchNotCleared",
    failure: "a latch of the service",
    how: "mode socket, its records elsewhere; hsm clear-pin-latch",
    cause: ({ place, socketPath }) =>
      place({ "device.cryptoki.mode": "socket", "device.cryptoki.socket_path": socketPath }).tedge([
        ...["hsm", "clear-pin-latch", "pkcs11:token=my-token"]
      ]),
    says: /^token 'my-token': refused PINs are not remembered in '.*' of this machine$/,
    next: "run it as root where tedge-p11-server runs"
  },
  {
    tag: "PinRejected",
    failure: "PIN locked",
    how: "the token has CKF_USER_PIN_LOCKED",
    cause: scripted({ token: { setFlags: 0x40000 } }),
    says: "the user PIN of token 'my-token' is locked",
    next: "tedge hsm change-pin --reset"
  },
  {
    tag: "PinRejected",
    failure: "one try left",
    how: "the token has CKF_USER_PIN_FINAL_TRY",
    cause: scripted({ token: { setFlags: 0x20000 } }),
    says: "token 'my-token' has one PIN try left, so no PIN was tried",
    next: "log in once by hand"
  },
  {
    tag: "PinRejected",
    failure: "PIN expired",
    how: "C_Login answers CKR_PIN_EXPIRED",
    cause: scripted({ calls: { C_Login: { code: "CKR_PIN_EXPIRED" } } }),
    says: "the user PIN of token 'my-token' has expired",
    next: "tedge hsm change-pin"
  },
  {
    tag: "TokenError",
    failure: "token busy",
    how: "C_OpenSession answers CKR_SESSION_COUNT",
    cause: scripted({ calls: { C_OpenSession: { code: "CKR_SESSION_COUNT" } } }),
    says: "CKR_SESSION_COUNT",
    next: "the token is busy: other programs hold all of its sessions"
  },
  {
    tag: "TokenUnavailable",
    failure: "token pulled out",
    how: "C_Sign answers CKR_DEVICE_REMOVED",
    cause: scripted({ calls: { C_Sign: { code: "CKR_DEVICE_REMOVED" } } }),
    says: "token 'my-token' is unavailable: C_Sign returned CKR_DEVICE_REMOVED",
    next: "plug it in again"
  },
  {
    tag: "TokenTimeout",
    failure: "token hangs",
    how: "C_FindObjectsInit never returns; hsm list-keys",
    cause: scripted({ calls: { C_FindObjectsInit: { hang: true } } }, ["hsm", "list-keys"]),
    says: /token 'my-token': \S+ did not return within 10 s; its module was restarted/,
    next: "the module waits for another program",
    slow: true
  },
  {
    tag: "TokenHostDied",
    failure: "module crashes",
    how: "C_Sign ends in SIGSEGV",
    cause: scripted({ calls: { C_Sign: { crash: "segv" } } }),
    says: /the PKCS#11 module crashed in (C_S|s)ign \(SIGSEGV\)/,
    next: "if this repeats, update the module"
  },
  {
    tag: "OutcomeUnknown",
    failure: "crash while a key is deleted",
    how: "C_DestroyObject ends in SIGSEGV",
    cause: ({ place, atEnd }) => {
      const hsm = softhsmDirectory()
      atEnd(hsm.cleanup)
      hsm.addToken().importKey({ label: "old" })
      const module = scriptedModule(hsm.modulePath)
      atEnd(module.cleanup)
      module.set({ C_DestroyObject: { crash: "segv" } })
      const words = ["hsm", "delete-key", "--label", "old", "--force"]
      const settings = { "device.cryptoki.module_path": module.modulePath, "device.key_uri": undefined }
      return place(settings).tedge(words, { env: hsm.env })
    },
    says: "delete-key was interrupted, and its outcome is unknown",
    next: "check before retrying: tedge hsm list-keys"
  },
  {
    tag: "KeyGenerationUnsupported",
    failure: "token that makes no keys",
    how: "C_GenerateKeyPair answers CKR_FUNCTION_NOT_SUPPORTED, and no mechanism for it is listed",
    cause: scripted(
      { calls: { C_GenerateKeyPair: { code: "CKR_FUNCTION_NOT_SUPPORTED" } }, token: { makesNoKeys: true } },
      createKey("pkcs11:token=my-token")
    ),
    says: "does not generate keys over PKCS#11: C_GenerateKeyPair returned CKR_FUNCTION_NOT_SUPPORTED",
    next: "make it with the token vendor's tool"
  },
  {
    tag: "PublicKeyUnavailable",
    failure: "public key not told",
    how: "a private key alone on the token; create-csr without a certificate",
    cause: ({ place, atEnd, file }) => {
      const hsm = softhsmDirectory()
      atEnd(hsm.cleanup)
      hsm.addToken().importKey({ publicObject: false })
      const module = scriptedModule(hsm.modulePath)
      atEnd(module.cleanup)
      module.setAttribute({ object: "private", type: 0x129 }, { code: "CKR_ATTRIBUTE_TYPE_INVALID" })
      const settings = {
        "device.cryptoki.module_path": module.modulePath,
        "device.id": "dev01",
        "device.cert_path": `${file("here", "")}.pem`
      }
      return place(settings).tedge(["cert", "create-csr"], { env: hsm.env })
    },
    says: "does not tell the public key",
    next: "device.cert_path"
  },
  {
    tag: "NewKeyOutsideScope",
    failure: "a new key that would not be used",
    how: "device.cryptoki.uri names another key; create-key-hsm",
    cause: ({ place }) =>
      place({ "device.cryptoki.uri": "pkcs11:token=my-token;object=my-key" }).tedge(
        createKey("pkcs11:token=my-token", "--label", "new")
      ),
    says: "a new key would never be used, so none was created",
    next: "tedge config set device.cryptoki.uri"
  },
  {
    tag: "SettingShadowed",
    failure: "a setting that the environment replaces",
    how: "TEDGE_DEVICE_KEY_URI in the environment; create-key-hsm",
    cause: ({ place }) =>
      place().tedge(createKey("pkcs11:token=my-token", "--label", "new"), {
        env: { TEDGE_DEVICE_KEY_URI: "pkcs11:object=my-key" }
      }),
    says: "the environment variable TEDGE_DEVICE_KEY_URI overrides the setting device.key_uri",
    next: "unset TEDGE_DEVICE_KEY_URI"
  },
  {
    tag: "PinOutcomeUnknown",
    failure: "crash while a PIN is changed",
    how: "C_SetPIN ends in SIGSEGV; hsm change-pin",
    cause: scripted({ calls: { C_SetPIN: { crash: "segv" } } }, [
      ...["hsm", "change-pin", "--current-pin", "123456", "--new-pin", "654321", "pkcs11:token=my-token"]
    ]),
    says: "change-pin was interrupted, and its outcome is unknown",
    next: "test which one is accepted (a wrong one costs a try): tedge hsm list-keys"
  },
  {
    tag: "KeyOutcomeUnknown",
    failure: "crash while a key is made",
    how: "C_GenerateKeyPair ends in SIGSEGV",
    cause: scripted({ calls: { C_GenerateKeyPair: { crash: "segv" } } }, createKey("pkcs11:token=my-token")),
    says: /create-key was interrupted.*; the key 'pkcs11:.*' may be on the token$/,
    next: "tedge hsm list-keys"
  },
  {
    tag: "SigningFailed",
    failure: "token fails to sign",
    how: "C_Sign answers CKR_GENERAL_ERROR",
    cause: scripted({ calls: { C_Sign: { code: "CKR_GENERAL_ERROR" } } }),
    says: /^the token did not sign for the connection to localhost: token 'my-token' .*: C_Sign returned CKR_GENERAL_ERROR/,
    next: "plug it in again"
  },
  {
    tag: "SignatureNotVerified",
    failure: "token signs wrongly",
    how: "a bit of the signature is turned; cert create-csr",
    cause: (world) =>
      scripted({ calls: { C_Sign: { signature: "corrupt" } } }, [
        ...["cert", "create-csr", "--output-path", join(world.dir, "unfit.csr")]
      ])(world),
    says: "does not match the public key on the token; nothing was written",
    next: "tedge hsm doctor"
  },
  {
    tag: "SchemeNotSupported",
    failure: "a key that cannot sign",
    how: "a key on curve secp256k1, which TLS 1.3 does not know",
    cause: ({ place }) => {
      const hsm = softhsmDirectory()
      const { pin } = hsm.addToken()
      const key = ["--keypairgen", "--key-type", "EC:secp256k1", "--label", "my-key", "--id", "01"]
      pkcs11Tool({ ...hsm, where: ["--token-label", "my-token"] }, "--login", "--pin", pin, ...key)
      return place().tedge(connect, { env: hsm.env }).finally(hsm.cleanup)
    },
    says: "cannot sign with",
    next: "tedge cert create-key-hsm --type ecdsa --curve p256"
  },
  {
    tag: "UriNotUsable",
    failure: "key_uri names no private key",
    how: "key_uri with type=cert",
    cause: connecting({ "device.key_uri": "pkcs11:token=my-token;object=my-key;type=cert" }),
    says: "cannot be used here"
  },
  {
    tag: "OutsideScope",
    failure: "outside of device.cryptoki.uri",
    how: "device.cryptoki.uri names another token; create-key-hsm",
    cause: ({ place }) =>
      place({ "device.cryptoki.uri": "pkcs11:token=other" }).tedge(createKey("pkcs11:token=my-token")),
    says: "is outside the scope of device.cryptoki.uri: 'pkcs11:token=other'",
    next: "tedge config get device.cryptoki.uri"
  },
  {
    tag: "KeyExists",
    failure: "key id in use",
    how: "create-key-hsm --id 01 a second time",
    cause: ({ place }) => place().tedge(createKey("pkcs11:token=my-token", "--id", "01")),
    says: "Object with this id already exists on the token: token 'my-token', id '01'",
    next: "choose another --id"
  },
  {
    tag: "NameNotUsable",
    failure: "label with a control character",
    how: "create-key-hsm --label with a line end in it",
    cause: ({ place }) => place().tedge(createKey("pkcs11:token=my-token", "--label", "a\nb")),
    says: "a label has no control characters"
  }
]

/** A copy of the token's module that is not what it was. */
const spoiledModule =
  (spoil: (image: Buffer) => void) =>
  ({ place, file, hsm }: World): Promise<Outcome> => {
    const image = readFileSync(hsm.modulePath)
    spoil(image)
    return place({ "device.cryptoki.module_path": file("module.so", image) }).tedge(connect)
  }

/** e_machine of the ELF header. */
const machineAt = 18

export const moduleRows: ReadonlyArray<Row> = [
  {
    tag: "ModuleNotLoaded",
    failure: "module missing",
    how: "module_path names no file",
    cause: connecting({ "device.cryptoki.module_path": "/nowhere/module.so" }),
    says: "Failed to load PKCS#11 dynamic object '/nowhere/module.so': there is no such file",
    next: "tedge config get device.cryptoki.module_path"
  },
  {
    tag: "ModuleNotLoaded",
    failure: "not a module",
    how: "module_path names a text file",
    cause: ({ place, file }) => place({ "device.cryptoki.module_path": file("module.so", "text") }).tedge(connect),
    says: "it is not a PKCS#11 module",
    next: "tedge config get device.cryptoki.module_path"
  },
  {
    tag: "ModuleNotLoaded",
    failure: "wrong architecture",
    how: "e_machine of the module changed to IA-64",
    cause: spoiledModule((image) => image.writeUInt16LE(50, machineAt)),
    says: "it was built for another architecture",
    next: "install the module's package for this machine"
  },
  {
    tag: "ModuleNotLoaded",
    failure: "module without permission",
    how: "a module of mode 000, not read by root's rights",
    cause: ({ place, file, hsm }) => {
      const path = file("module.so", readFileSync(hsm.modulePath))
      chmodSync(path, 0)
      return place({ "device.cryptoki.module_path": path }).tedge(connect, { ordinary: true })
    },
    says: "this user may not read it",
    next: /^check: ls -l /
  },
  {
    tag: "CryptokiOff",
    failure: "no module path",
    how: "mode module without device.cryptoki.module_path",
    cause: connecting({ "device.cryptoki.module_path": undefined }),
    says: "no access to a token is configured: 'device.cryptoki.module_path' is missing",
    next: "tedge config set device.cryptoki.module_path <value>"
  },
  {
    tag: "AddonNotLoaded",
    failure: "add-on not built",
    how: "a folder without tls.node in place of dist/",
    cause: ({ place, dir }) => {
      const empty = join(dir, "no-addons")
      mkdirSync(empty)
      return place().tedge(connect, { env: { TEDGE_ADDON_DIR: empty } })
    },
    says: "the native add-on for",
    next: "npm run build"
  }
]
