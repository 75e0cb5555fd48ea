/**
 * A tedge-p11-server as thin-edge's own behaves where ours differs: played, as its program is not part of this
 * repository.
 *
 * The attributes of its own URI win over those of every request, also when deleting, creating and changing PINs; an offer without a scheme of the
 * key is refused; lists are not filtered and have keys of every type; several keys with one label are all deleted; the
 * first private key signs, and public keys come from the first public object, which may be another one's.
 */
import { constants, createSign, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto"
import { createServer, type Server } from "node:net"
import { Redacted, Result } from "effect"
import { type Pkcs11Uri, parsePkcs11Uri, printPkcs11Uri } from "../../../src/messages/pkcs11-uri.ts"
import { decodeFrame, encodeFrame, type Frame } from "../../../src/messages/wire/frame1.ts"
import { wirePem } from "../../../src/messages/wire/wire-pem.ts"

export interface OriginalOptions {
  readonly socketPath: string
  /** `device.cryptoki.uri` of the service. */
  readonly scope?: string
  /** A second token, with the same PINs. */
  readonly secondToken?: string
  /** False: the token has no public objects. Default true. */
  readonly hasPublicKeys?: boolean
  /** A key is deleted, and it is the first one whatever was named. */
  readonly deletesFirst?: boolean
  /** It answers this to everything but a ping. */
  readonly refusal?: string
  /** 1.6: knows neither public keys nor anything newer; "closing": closes on it, and answers nothing. */
  readonly isOld?: boolean | "closing"
}

export interface OriginalKey {
  /** The label of its token. */
  readonly token: string
  readonly label: string
  readonly id: Buffer
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

export interface OriginalService {
  readonly server: Server
  readonly keys: Array<OriginalKey>
  readonly asked: Array<Frame>
  readonly addKey: (label: string, type?: "ec" | "rsa", token?: string) => OriginalKey
  /** PINs that were changed: the label of the token. */
  readonly changed: Array<string>
}

interface Token {
  readonly token: string
  readonly serial: string
}

const made = { model: "SoftHSM v2", manufacturer: "SoftHSM project" }

/** One token "tedge" with the PIN 123456 and the SO PIN 12345678; it listens when this answers. */
export const originalService = async (options: OriginalOptions): Promise<OriginalService> => {
  const keys: Array<OriginalKey> = []
  const asked: Array<Frame> = []
  const scope = uriOf(options.scope)
  const { refusal, isOld = false, hasPublicKeys = true, deletesFirst = false, secondToken } = options
  const tokens = [
    { token: "tedge", serial: "0a0b" },
    ...(secondToken === undefined ? [] : [{ token: secondToken, serial: "0c0d" }])
  ]
  const changed: Array<string> = []
  const answer = (frame: Frame): Frame => {
    if (frame._tag === "Ping") return { _tag: "Pong" }
    if (refusal !== undefined) return error(refusal)
    return isOld && !knownOfOld.has(frame._tag)
      ? notUnderstood
      : answerOf({ keys, tokens, changed, addKey, scope, hasPublicKeys, deletesFirst }, frame)
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const parts: Array<Buffer> = []
    socket.on("error", () => undefined).on("data", (part) => parts.push(part))
    socket.on("end", () => {
      const request = decodeFrame(Buffer.concat(parts))
      if (Result.isFailure(request)) return void socket.end(encodeFrame(notUnderstood))
      asked.push(request.success)
      const answered = answer(request.success)
      if (answered === notUnderstood && isOld === "closing") socket.end()
      else socket.end(encodeFrame(answered))
    })
  })
  await new Promise<void>((resolve) => void server.listen(options.socketPath, resolve))
  const addKey: OriginalService["addKey"] = (label, type = "ec", token = "tedge") => {
    const pair =
      type === "ec"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("rsa", { modulusLength: 2048 })
    const key = { token, label, id: randomBytes(20), ...pair }
    keys.push(key)
    return key
  }
  return { server, keys, asked, addKey, changed }
}

interface Service extends Pick<OriginalService, "keys" | "addKey" | "changed"> {
  readonly tokens: ReadonlyArray<Token>
  readonly scope: Pkcs11Uri
  readonly hasPublicKeys: boolean
  readonly deletesFirst: boolean
}

const error = (message: string): Frame => ({ _tag: "Error", message })
const notUnderstood = error("read: Failed to parse the received frame: Serde Deserialization Error")
const knownOfOld = new Set<Frame["_tag"]>(["ChooseSchemeRequest", "SignRequest", "SignRequestWithSigScheme"])
const failed = (message: string): Frame => error(`PKCS #11 service failed: ${message}`)
const uriOf = (text: string | undefined): Pkcs11Uri => Result.getOrThrow(parsePkcs11Uri(text ?? "pkcs11:"))
const shown = (token: Token, key?: OriginalKey): string =>
  printPkcs11Uri({ ...made, ...token, ...(key && { id: key.id, object: key.label }) }, { pin: "redacted" })

const answerOf = (service: Service, request: Frame): Frame => {
  switch (request._tag) {
    case "ListTokensRequest":
      return {
        _tag: "ListTokensResponse",
        tokens: service.tokens.map((token, at) => {
          const { token: label, serial } = token
          return { slot: BigInt(5 + at), label, ...made, serial, initialized: true, uri: shown(token) }
        })
      }
    case "GetTokensUrisRequest":
      return { _tag: "GetTokensUrisResponse", uris: service.tokens.map((token) => shown(token)) }
    case "InitTokenRequest":
      return { _tag: "InitTokenResponse", uri: shown(service.tokens[0] ?? noToken) }
    case "ChangePinRequest": {
      const [token, ...others] = meantTokens(service, uriOf(request.uri))
      const missing = `No initialized token was found${request.uri === undefined ? "" : " matching the requested URI"}. Ensure the HSM is connected and a token has been initialized with \`tedge hsm init\`.`
      if (token === undefined) return failed(missing)
      if (others.length > 0) return failed("Found multiple initialized tokens. Please select one by passing its URI:")
      const [given, right, asWhom] = request.reset
        ? [request.soPin, "12345678", "as Security Officer"]
        : [request.oldPin, "123456", "with the current user PIN. Check that it is correct, or use --reset …"]
      if (given === undefined || Redacted.value(given) !== right)
        return failed(`Failed to log in ${asWhom}: ${wrongPin}`)
      service.changed.push(token.token)
      return { _tag: "ChangePinResponse", uri: shown(token) }
    }
    default:
      return withToken(service, request)
  }
}

/** Attributes of its own URI stay; those of the request fill what is open. */
const meantTokens = ({ tokens, scope }: Service, asked: Pkcs11Uri): ReadonlyArray<Token> => {
  const meant = { ...asked, ...scope }
  return tokens.filter(({ token, serial }) => (meant.token ?? token) === token && (meant.serial ?? serial) === serial)
}

const noToken: Token = { token: "", serial: "" }

const wrongPin =
  "Function::Login: PKCS11 error: The specified PIN is incorrect, i.e., does not match the PIN stored on the token.  More generally-- when authentication to the token involves something other than a PIN-- the attempt to authenticate the user has failed."

const withToken = (service: Service, request: Frame): Frame => {
  const asked = "uri" in request ? uriOf(request.uri) : {}
  const pin = "pin" in request && request.pin !== undefined ? Redacted.value(request.pin) : "123456"
  const meant = { ...asked, ...service.scope }
  const prefix =
    request._tag.startsWith("Sign") || request._tag === "ChooseSchemeRequest" ? "Failed to find a signing key: " : ""
  const [token] = meantTokens(service, asked)
  if (token === undefined) return failed(`${prefix}Didn't find a slot to use. The device may be disconnected.`)
  if (pin !== "123456") return failed(`${prefix}${wrongPin}`)
  const found = service.keys.filter(
    ({ token: on, label, id }) =>
      on === token.token &&
      (meant.object ?? label) === label &&
      (meant.id === undefined || Buffer.compare(meant.id, id) === 0)
  )
  if (request._tag === "ListKeysRequest") return listed(service, token)
  if (request._tag === "CreateKeyRequest") {
    const key = service.addKey(request.params.label, request.params.key.type, token.token)
    const { id } = request.params
    if (id !== undefined) service.keys.splice(-1, 1, { ...key, id: Buffer.from(id) })
    return { _tag: "CreateKeyResponse", pem: publicPem(key), uri: shown(token, service.keys.at(-1)) }
  }
  if (request._tag === "DeleteKeyRequest") {
    if (meant.object === undefined && meant.id === undefined)
      return failed("Refusing to delete: the key must be identified")
    const gone = service.deletesFirst ? service.keys.slice(0, 1) : found
    for (const key of gone) service.keys.splice(service.keys.indexOf(key), 1)
    return { _tag: "DeleteKeyResponse", deleted: gone.flatMap((key) => [shown(token, key), shown(token, key)]) }
  }
  const [key] = found
  const isMissing = request._tag === "GetPublicKeyPemRequest" && !service.hasPublicKeys
  if (key === undefined || isMissing) return failed(`${prefix}Failed to find a key`)
  return withKey(request, key, found.at(-1) ?? key)
}

/** With an Ed25519 key, which no command of ours can use, and one that cannot be named. */
const listed = ({ keys }: Service, token: Token): Frame => ({
  _tag: "ListKeysResponse",
  keys: [
    { class: "private", keyType: "KeyType { val: 64 }", label: "other", id: "ff", uri: shown(token) },
    { class: "public", keyType: "", label: "", id: "", uri: "<unknown>" },
    ...(["private", "public"] as const).flatMap((kind) =>
      keys
        .filter((key) => key.token === token.token)
        .map((key) => ({
          class: kind,
          keyType: key.privateKey.asymmetricKeyType === "rsa" ? "RSA" : "EC",
          label: key.label,
          id: key.id.toString("hex"),
          uri: shown(token, key)
        }))
    )
  ]
})

const publicPem = ({ publicKey }: OriginalKey): string => {
  const info = new Uint8Array(publicKey.export({ type: "spki", format: "der" }))
  return (wirePem(info) ?? "").replaceAll("\n", "\r\n")
}

const withKey = (request: Frame, key: OriginalKey, shownFirst: OriginalKey): Frame => {
  const isRsa = key.privateKey.asymmetricKeyType === "rsa"
  switch (request._tag) {
    case "ChooseSchemeRequest": {
      const scheme = (isRsa ? [0x0804, 0x0401] : [0x0403]).find((code) => request.offered.includes(code))
      return scheme === undefined
        ? failed("failed to choose scheme")
        : { _tag: "ChooseSchemeResponse", scheme, algorithm: isRsa ? 1 : 3 }
    }
    case "SignRequest":
      return { _tag: "SignResponse", signature: signature(key, request.toSign, isRsa) }
    case "SignRequestWithSigScheme":
      return {
        _tag: "SignResponse",
        signature: signature(key, request.toSign, isRsa && request.scheme !== "rsa_pkcs1_sha256")
      }
    case "GetPublicKeyPemRequest":
      return { _tag: "GetPublicKeyPemResponse", pem: publicPem(shownFirst) }
    default:
      return error("invalid request")
  }
}

const signature = ({ privateKey }: OriginalKey, message: Uint8Array, isPss: boolean): Uint8Array => {
  const padding = isPss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } : {}
  return new Uint8Array(
    createSign("sha256")
      .update(message)
      .sign({ key: privateKey, ...padding })
  )
}
