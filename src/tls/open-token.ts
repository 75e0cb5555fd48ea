/**
 * A PKCS#11 token for programs: its keys as promises, its state changes as events.
 *
 * The module runs in a separate process, so a slow or crashing module does not affect the program's event loop; the
 * process is replaced when necessary, and a token that is back is used again.
 */
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto"
import { EventEmitter } from "node:events"
import { isAbsolute, resolve } from "node:path"
import type { CryptokiEvent, KeySelector, PinGiven } from "../messages/cryptoki.ts"
import { warningFor } from "../messages/explain/program.ts"
import { type Pkcs11Uri, shownUri } from "../messages/pkcs11-uri.ts"
import { allSchemes, type SignatureScheme, signatureSchemes } from "../messages/signature-scheme.ts"
import { isWireScheme } from "../messages/wire/frame1.ts"
import { publicKeyInfo } from "../platform/tls/tls-certificates.ts"
import { isSignatureOf } from "../platform/tls/tls-client-signature.ts"
import { schemesFor, type TokenKey, wrongSignature } from "./key.ts"
import { invalidOption, TokenError } from "./token-error.ts"
import { parsedUri, secret, startTokenPort, type TokenPort } from "./token-port.ts"

export interface TokenOptions {
  /** Absolute path of a PKCS#11 library. Either this or `socket`. */
  readonly module?: string | undefined
  /** Path of the UNIX socket of a tedge-p11-server, which has the token. */
  readonly socket?: string | undefined
  /** User PIN. A `pin-value` in a key's URI takes precedence over it. A refused PIN is not retried. */
  readonly pin?: string | undefined
  /**
   * For the module, in addition to the program's own environment: `SOFTHSM2_CONF` and the like. Variables of Node and
   * those that look like a secret are withheld from the module.
   */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
  /**
   * Directory that records refused PINs, so that restarting programs do not lock a token.
   * Default: `tedge-actors/pin-latch` in `$XDG_STATE_HOME` or `~/.local/state`.
   */
  readonly latch?: string | undefined
}

export interface TokenEvents {
  /** A token that was in use does not respond. `reason`: what revealed it. */
  gone: { readonly token: string; readonly reason: string }
  /** It is back. */
  back: { readonly token: string }
  /** A signature has taken this long so far: the token may wait for a touch. */
  waits: { readonly token: string; readonly forMs: number }
  /** Something to log: several keys matched, refused PINs cannot be recorded. */
  warning: { readonly message: string }
}

export interface KeyOptions {
  readonly signal?: AbortSignal | undefined
  /** PEM. Selects its key if several match; and provides the public key if the token does not return it. */
  readonly certificate?: string | Uint8Array | undefined
}

/** Close it when it is no longer needed: it keeps the program running. */
export interface Token extends EventEmitter {
  /** Every private key that can sign, of the token that `uri` names. Required if there are several tokens. */
  keys(uri?: string, options?: Pick<KeyOptions, "signal">): Promise<ReadonlyArray<TokenKey>>
  /** The key that `uri` names; without one the first key of the first token. */
  key(uri?: string, options?: KeyOptions): Promise<TokenKey>
  /** Allows refused PINs again, after the PIN was corrected on the token. Returns whether there was one. */
  clearLatch(uri?: string): Promise<boolean>
  /** Resolves when signatures in flight have ended and the module's process has exited. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
  on<Name extends keyof TokenEvents>(event: Name, listener: (event: TokenEvents[Name]) => void): this
  on(event: string | symbol, listener: (...facts: Array<unknown>) => void): this
  once<Name extends keyof TokenEvents>(event: Name, listener: (event: TokenEvents[Name]) => void): this
  once(event: string | symbol, listener: (...facts: Array<unknown>) => void): this
}

/**
 * Creates a token object. The module is loaded, and the PIN used, with the first request, which reports their
 * errors. Throws a TokenError `ERR_INVALID_OPTION`.
 */
export const openToken = (options: TokenOptions): Token => new OpenToken(options)

class OpenToken extends EventEmitter implements Token {
  readonly #actors: TokenPort
  /** In socket mode it is sent with each request; a module's is kept by its actor. */
  readonly #pin: PinGiven
  readonly #isService: boolean

  constructor(options: TokenOptions) {
    super()
    const { module, socket, pin, latch } = checked(options)
    const environment = { ...process.env, ...options.environment }
    const tell = (event: CryptokiEvent) => process.nextTick(() => this.#tell(event))
    const actors = startTokenPort({ module, socket, pin, latch, environment }, tell)
    this.#isService = socket !== undefined
    this.#actors = this.#isService ? watchedService(actors, tell) : actors
    this.#pin = this.#isService && pin !== undefined ? { pin: secret(pin), pinFrom: "the pin option" } : {}
  }

  async keys(uri?: string, { signal }: Pick<KeyOptions, "signal"> = {}): Promise<ReadonlyArray<TokenKey>> {
    const named = uri === undefined ? await this.#onlyToken(signal) : parsedUri(uri)
    const listed = await this.#actors.ask(
      "ListKeys",
      { token: { uri: named, ...this.#pin } },
      { withinMs: longestMs, signal }
    )
    const own = listed.filter(({ kind }) => kind === "private")
    return Promise.all(own.map((one) => this.#key({ uri: one.uri, ...this.#pin }, { signal })))
  }

  async key(uri?: string, options: KeyOptions = {}): Promise<TokenKey> {
    return this.#key({ uri: uri === undefined ? {} : parsedUri(uri), ...this.#pin }, options)
  }

  clearLatch(uri?: string): Promise<boolean> {
    const token = { uri: uri === undefined ? {} : parsedUri(uri) }
    return this.#actors.ask("ClearPinLatch", { token }, { withinMs: longestMs })
  }

  close(): Promise<void> {
    return this.#actors.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A PIN is tried on one token only. */
  async #onlyToken(signal: AbortSignal | undefined): Promise<Pkcs11Uri> {
    const tokens = await this.#actors.ask("ListTokens", undefined, { withinMs: longestMs, signal })
    const [token, ...others] = tokens.filter(({ initialized }) => initialized)
    if (others.length === 0) return token?.uri ?? {}
    throw new TokenError("ERR_TOKEN_AMBIGUOUS", "several tokens are there", {
      hint: `pass the uri of one of them: ${tokens.map((one) => shownUri(one.uri)).join(", ")}`
    })
  }

  async #key(key: KeySelector, { signal, certificate }: KeyOptions): Promise<TokenKey> {
    const certified = certificate === undefined ? undefined : certifiedKey(certificate)
    const options = { withinMs: longestMs, signal }
    const chosen = await this.#actors.ask(
      "ChooseScheme",
      { offered: allSchemes, key, publicKey: certified && publicKeyInfo(certified) },
      options
    )
    const publicKey = await this.#actors.ask("PublicKey", { key: chosen.key }, options).then(
      (der) => createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" }),
      (error) => {
        if (certified && error instanceof TokenError && error.code === "ERR_PUBLIC_KEY_UNKNOWN") return certified
        throw error
      }
    )
    return this.#signer({ ...chosen.key, ...this.#pin }, publicKey)
  }

  #signer(key: KeySelector, publicKey: KeyObject): TokenKey {
    const actors = this.#actors
    const { pinValue: _, ...named } = key.uri ?? {}
    return {
      uri: shownUri(named),
      publicKey,
      schemes: schemesFor(publicKey).filter((scheme) => !this.#isService || isWireScheme(scheme)),
      sign: async (scheme, message, { signal } = {}) => {
        if (!isKnown(scheme) || !(message instanceof Uint8Array))
          throw invalidOption("sign takes one of the key's schemes and the message as bytes")
        const { signature } = await actors.ask("Sign", { key, scheme, message }, { withinMs: longestMs, signal })
        const asked = { scheme: signatureSchemes[scheme], message }
        if (!isSignatureOf(asked, publicKey, signature)) throw wrongSignature()
        return Buffer.from(signature)
      }
    }
  }

  #tell(event: CryptokiEvent): void {
    const warning = warningFor(event)
    if (event._tag === "TokenGone") this.emit("gone", { token: event.token, reason: event.reason })
    else if (event._tag === "TokenPlugged") this.emit("back", { token: event.token })
    else if (event._tag === "TokenWaits") this.emit("waits", { token: event.token, forMs: event.forMs })
    else if (warning !== undefined) this.emit("warning", { message: warning })
  }
}

const checked = ({ module, socket, pin, latch, ...rest }: TokenOptions): TokenOptions => {
  if ((module === undefined) === (socket === undefined))
    throw invalidOption("openToken needs one of the options module and socket")
  for (const [name, value] of Object.entries({ module, socket, pin, latch }))
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw invalidOption(`the option ${name} must be a text that is not empty`)
  if (module !== undefined && !isAbsolute(module))
    throw invalidOption(`the option module must be an absolute path, not '${module}'`)
  return { module, socket: socket && resolve(socket), pin, latch: latch && resolve(latch), ...rest }
}

const isKnown = (name: string): name is SignatureScheme => Object.hasOwn(signatureSchemes, name)

const certifiedKey = (pem: string | Uint8Array): KeyObject => {
  try {
    return new X509Certificate(pem).publicKey
  } catch (cause) {
    throw new TokenError("ERR_CERTIFICATE_INVALID", "the certificate option holds no certificate", { cause })
  }
}

/** Above every time limit of the module's calls, whose errors are more specific. */
const longestMs = 120_000

/** Events of a token behind tedge-p11-server, derived from its responses: the service sends none itself. */
const watchedService = (actors: TokenPort, tell: (event: CryptokiEvent) => void): TokenPort => {
  let isGone = false
  const back = () => {
    if (isGone) tell({ _tag: "TokenPlugged", token })
    isGone = false
  }
  const failed = (error: unknown) => {
    if (isGone || !(error instanceof TokenError && absences.includes(error.code))) return
    isGone = true
    tell({ _tag: "TokenGone", token, reason: error.code })
  }
  return {
    ...actors,
    ask: async (tag, payload, options) => {
      const slow =
        tag === "Sign"
          ? setTimeout(() => tell({ _tag: "TokenWaits", token, forMs: slowAfterMs }), slowAfterMs)
          : undefined
      try {
        const answer = await actors.ask(tag, payload, options)
        back()
        return answer
      } catch (error) {
        failed(error)
        throw error
      } finally {
        clearTimeout(slow)
      }
    }
  }
}

const absences: ReadonlyArray<string> = ["ERR_SERVICE_UNREACHABLE", "ERR_TOKEN_NOT_FOUND", "ERR_TOKEN_UNAVAILABLE"]

/** The protocol does not name it. */
const token = "tedge-p11-server"

/** As of a local token. */
const slowAfterMs = 2000
