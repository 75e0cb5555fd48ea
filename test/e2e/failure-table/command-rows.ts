/** `tedge hsm` and `tedge cert`: what they refuse by themselves, and what a tenant answers. */
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { freePort } from "../../../scripts/lib/free-port.mjs"
import { startEstServer, type TenantState } from "../../support/tls/est-server.ts"
import { makeKey } from "../../support/tls/pki.ts"
import { scriptedModule } from "../../support/token/scripted-module.ts"
import { softhsmDirectory } from "../../support/token/softhsm.ts"
import type { Row } from "./row.ts"
import type { Outcome, Settings, World } from "./world.ts"

const tedge =
  (words: ReadonlyArray<string>, input?: string, settings: Settings = {}) =>
  ({ place }: World): Promise<Outcome> =>
    place(settings).tedge(words, input === undefined ? {} : { input })

const here = "pkcs11:token=my-token"

/** Two tokens, the same but for their serial numbers. */
const twoTokens =
  (words: ReadonlyArray<string>) =>
  ({ place }: World): Promise<Outcome> => {
    const hsm = softhsmDirectory()
    hsm.addToken()
    hsm.addToken()
    return place().tedge(words, { env: hsm.env }).finally(hsm.cleanup)
  }

export const hsmRows: ReadonlyArray<Row> = [
  {
    tag: "TokenAmbiguous",
    failure: "several tokens",
    how: "create-key-hsm with the label of two tokens",
    cause: twoTokens(["cert", "create-key-hsm", here]),
    says: "several tokens match",
    next: /^name one of them: 'pkcs11:.*', 'pkcs11:/
  },
  {
    tag: "TokenNotNamed",
    failure: "token not named",
    how: "create-key-hsm without TOKEN, two tokens",
    cause: twoTokens(["cert", "create-key-hsm"]),
    says: "No token URL was provided for this operation; the available tokens are:",
    next: /^give one of them as TOKEN:\n {2}'pkcs11:/
  },
  {
    tag: "KeyAmbiguous",
    failure: "several keys",
    how: "delete-key with the label of two keys",
    cause: ({ place }) => {
      const hsm = softhsmDirectory()
      const token = hsm.addToken()
      token.importKey({ id: "01" })
      token.importKey({ id: "02" })
      const words = ["hsm", "delete-key", "--label", "my-key", "--force"]
      return place({ "device.key_uri": undefined }).tedge(words, { env: hsm.env }).finally(hsm.cleanup)
    },
    says: "several keys match",
    next: /^name one of them: 'pkcs11:/
  },
  {
    tag: "SameFile",
    failure: "certificate and key in one file",
    how: "device.cert_path and device.key_path are the same; cert create",
    cause: ({ place, file }) => {
      const both = `${file("beside", "")}.pem`
      const settings = { "device.cryptoki.mode": "off", "device.cert_path": both, "device.key_path": both }
      return place(settings).tedge(["cert", "create", "--device-id", "dev01"])
    },
    says: "device.key_path and device.cert_path are the same file",
    next: "choose another file, e.g.: tedge config set device.key_path"
  },
  {
    tag: "KeyInUse",
    failure: "key in use",
    how: "delete-key of the key in device.key_uri",
    cause: tedge(["hsm", "delete-key", "--label", "my-key", "--force"]),
    says: /^Refusing to delete: 'pkcs11:.*' is the key of device\.key_uri/,
    next: "tedge config unset device.key_uri"
  },
  {
    tag: "KeySelectorMissing",
    failure: "key not named",
    how: "delete-key without --id and --label",
    cause: tedge(["hsm", "delete-key", here]),
    says: "which key? 'tedge hsm delete-key' needs --id, --label, or a URI with id or object",
    next: "tedge hsm list-keys",
    code: 2
  },
  {
    tag: "SelectorGivenTwice",
    failure: "label given twice",
    how: "delete-key --label and object= in the URI",
    cause: tedge(["hsm", "delete-key", "--label", "a", `${here};object=b`]),
    says: "the label is in the URI and in --label: use only one",
    code: 2
  },
  {
    tag: "KeyIdInvalid",
    failure: "no id",
    how: "create-key-hsm --id xyz",
    cause: tedge(["cert", "create-key-hsm", "--id", "xyz", here]),
    says: "'xyz' is not a valid id: it contains a character that is not a hex digit",
    next: "e.g. --id 010203",
    code: 2
  },
  {
    tag: "OptionsExclude",
    failure: "options that exclude each other",
    how: "create-key-hsm --type rsa --curve p256",
    cause: tedge(["cert", "create-key-hsm", "--type", "rsa", "--curve", "p256", here]),
    says: "'--curve' cannot be used with '--type rsa'",
    code: 2
  },
  {
    tag: "OptionNeeds",
    failure: "an option without the one it is for",
    how: "change-pin --so-pin without --reset",
    cause: tedge(["hsm", "change-pin", "--so-pin", "12345678", here]),
    says: "'--so-pin' is for use with '--reset' only",
    code: 2
  },
  {
    tag: "TokenInitialised",
    failure: "token already initialised",
    how: "hsm init with the URI of a token that has keys",
    cause: tedge(["hsm", "init", "--so-pin", "12345678", "--pin", "123456", here]),
    says: /^Refusing to reinitialize: token 'my-token' \('pkcs11:.*'\) is already initialised$/,
    next: "its keys would be lost"
  },
  {
    tag: "TokenWithoutPin",
    failure: "token without a user PIN",
    how: "C_InitPIN answers CKR_DEVICE_ERROR; hsm init",
    cause: ({ place, atEnd }) => {
      const hsm = softhsmDirectory()
      const module = scriptedModule(hsm.modulePath)
      atEnd(module.cleanup)
      module.set({ C_InitPIN: { code: "CKR_DEVICE_ERROR" } })
      return place({ "device.cryptoki.module_path": module.modulePath })
        .tedge(["hsm", "init", "--label", "new", "--so-pin", "12345678", "--pin", "123456"], { env: hsm.env })
        .finally(hsm.cleanup)
    },
    says: "the token was initialised, but has no user PIN yet",
    next: "tedge hsm change-pin --reset"
  },
  {
    tag: "InputClosed",
    failure: "nobody to ask",
    how: "change-pin with standard input at its end",
    cause: tedge(["hsm", "change-pin", here], ""),
    says: "no answer: standard input is closed",
    next: /^use --(current|new)-pin$/
  },
  {
    tag: "PinsDiffer",
    failure: "PIN typed wrongly",
    how: "change-pin, the new PIN typed differently the second time",
    cause: tedge(["hsm", "change-pin", "--current-pin", "123456", here], "654321\n654322\n"),
    says: "the user PIN entries differ; nothing was changed"
  },
  {
    tag: "PinEmpty",
    failure: "empty PIN",
    how: "change-pin, two empty lines typed",
    cause: tedge(["hsm", "change-pin", "--current-pin", "123456", here], "\n\n"),
    says: "the user PIN must not be empty; nothing was changed"
  }
]

/** A tenant that does this; the words of `tedge`. */
const withTenant =
  (change: (state: TenantState) => void, words: ReadonlyArray<string>) =>
  async (world: World): Promise<Outcome> => {
    const tenant = await startEstServer(world.pki)
    world.atEnd(tenant.close)
    change(tenant.state)
    const { place, pki } = world
    return place({ "c8y.http": tenant.address, "c8y.root_cert_path": pki.caFile }).tedge(words)
  }

const download = ["cert", "download", "c8y", "--device-id", "dev01", "-p", "otp", "--retry-every", "10ms"]
const register = (state: TenantState) => void state.registered.set("dev01", "otp")

export const certificateRows: ReadonlyArray<Row> = [
  {
    tag: "FileExists",
    failure: "certificate there already",
    how: "cert create over a certificate",
    cause: tedge(["cert", "create", "--device-id", "dev01"]),
    says: "A certificate already exists and would be overwritten",
    next: "tedge cert renew"
  },
  {
    tag: "CommonNameInvalid",
    failure: "device id of 65 characters",
    how: "cert create --device-id with 65 characters",
    cause: tedge(["cert", "create", "--device-id", "x".repeat(65)], undefined, {
      "device.cert_path": "/nowhere/cert.pem"
    }),
    says: "is more than 64 characters long and cannot be used as a name"
  },
  {
    tag: "KeyRequired",
    failure: "no key for a certificate",
    how: "cert create with a key_uri that names no key",
    cause: tedge(["cert", "create", "--device-id", "dev01"], undefined, {
      "device.cert_path": "/nowhere/cert.pem",
      "device.key_uri": "pkcs11:token=my-token;object=lost"
    }),
    says: "Failed to find a signing key",
    next: /^select an existing one \(tedge config set device\.key_uri '<uri>'\): pkcs11:.*object=my-key/
  },
  {
    tag: "KeyCannotCertify",
    failure: "key that makes no certificates",
    how: "cert create-csr with a key file of type Ed25519",
    cause: (world) =>
      tedge(["cert", "create-csr", "--device-id", "dev01", "--output-path", join(world.dir, "e.csr")], undefined, {
        "device.cryptoki.mode": "off",
        "device.key_path": makeKey(world.pki.dir, "ed25519")
      })(world),
    says: "certificates and requests cannot be signed with a key of type ed25519",
    next: "use ECDSA P-256, P-384, P-521 or RSA"
  },
  {
    tag: "NotSelfSigned",
    failure: "self-signed renewal of another's certificate",
    how: "cert renew --ca self-signed, a certificate of a CA",
    cause: tedge(["cert", "renew", "--ca", "self-signed"]),
    says: "is not self-signed",
    next: "tedge cert renew --ca c8y"
  },
  {
    tag: "NotSupportedByCloud",
    failure: "a cloud that renews nothing",
    how: "cert renew az --ca c8y",
    cause: tedge(["cert", "renew", "az", "--ca", "c8y"], undefined, { "az.url": "az.example" }),
    says: "Certificate renewal is not supported for Azure",
    next: "renew it with your own CA"
  },
  {
    tag: "AccessTokenMissing",
    failure: "no access token",
    how: "cert renew --ca c8y without a connection",
    cause: async (world) =>
      tedge(["cert", "renew", "--ca", "c8y"], undefined, { "mqtt.client.port": String(await freePort()) })(world),
    says: "no access token for the renewal from the cloud",
    next: "tedge connect c8y --test"
  },
  {
    tag: "RequestUnusable",
    failure: "no request",
    how: "cert download --csr-path with another file",
    cause: (world) =>
      withTenant(register, [...download, "--csr-path", world.file("not-a.csr", "text"), "--max-timeout", "1m"])(world),
    says: "is not a certificate signing request in PEM form",
    next: "tedge cert create-csr"
  },
  {
    tag: "HostInvalid",
    failure: "no host",
    how: "cert download --url https://t.example",
    cause: tedge([...download, "--url", "https://t.example/x"]),
    says: "is not a valid host for --url",
    next: "tenant.example:443",
    code: 2
  },
  {
    tag: "DurationInvalid",
    failure: "not a valid duration",
    how: "cert download --max-timeout soon",
    cause: tedge([...download, "--max-timeout", "soon"]),
    says: "'soon' is not a valid duration for --max-timeout",
    next: "e.g. 30s",
    code: 2
  },
  {
    tag: "HttpRefused",
    failure: "tenant refuses",
    how: "a tenant that answers with 400",
    cause: withTenant(
      (state) => {
        register(state)
        state.fault = "400"
      },
      [...download, "--max-timeout", "1m"]
    ),
    says: /failed with status 400/
  },
  {
    tag: "HttpUnreachable",
    failure: "tenant not trusted",
    how: "cert upload to a tenant of another authority",
    cause: async (world) => {
      const tenant = await startEstServer(world.pki)
      world.atEnd(tenant.close)
      return world
        .place({ "c8y.http": tenant.address, "c8y.root_cert_path": "/etc/ssl/certs" })
        .tedge(["cert", "upload", "c8y", "--user", "me", "--password", "x"])
    },
    says: "cannot be reached",
    next: "root_cert_path"
  },
  {
    tag: "EnrolmentResponseInvalid",
    failure: "no certificate in the answer",
    how: "a tenant that answers with garbage",
    cause: withTenant(
      (state) => {
        register(state)
        state.fault = "garbage"
      },
      [...download, "--max-timeout", "1m"]
    ),
    says: "is not a PKCS#7 message with certificates"
  },
  {
    tag: "EnrolmentTimedOut",
    failure: "not registered in time",
    how: "a tenant that does not know the device",
    cause: withTenant(() => undefined, [...download, "--max-timeout", "100ms"]),
    says: "Maximum timeout elapsed",
    next: "register the device in the cloud"
  }
]

export const statusRows: ReadonlyArray<Row> = [
  {
    tag: "NothingConnected",
    failure: "nothing to show",
    how: "status without any connection",
    cause: tedge(["status"], undefined, { "c8y.url": undefined }),
    says: "no connection is configured",
    next: "tedge config set c8y.url"
  },
  {
    tag: "ListenRefused",
    failure: "page for other machines",
    how: "status --web --listen 0.0.0.0:0",
    cause: tedge(["status", "--web", "--listen", "0.0.0.0:0"]),
    says: "'0.0.0.0:0' is not a loopback address",
    next: "ssh -L",
    code: 2
  },
  {
    tag: "PageNotServed",
    failure: "port of the page is taken",
    how: "status --web --listen with the port of a server",
    cause: async ({ place, atEnd }) => {
      const server = createServer()
      atEnd(() => void server.close())
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      const { port } = server.address() as AddressInfo
      return place().tedge(["status", "--web", "--listen", `127.0.0.1:${port}`])
    },
    says: /^the page cannot be served on 127\.0\.0\.1:\d+: EADDRINUSE/,
    next: "use another port"
  }
]
