/** A signing service over a fake token, on a socket in a directory of its own, with clients that misbehave. */
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { Effect, Result, type Scope } from "effect"
import { type P11ServerSpec, p11ServerBehaviour } from "../../../src/actors/p11-server/p11-server-actor.ts"
import { listenOnPath } from "../../../src/actors/p11-server/socket-path.ts"
import type { CryptokiProtocol } from "../../../src/messages/cryptoki.ts"
import type { P11ServerEvent, P11ServerPolicy, P11ServerProtocol } from "../../../src/messages/p11-server.ts"
import { decodeFrame, encodeFrame, type Frame } from "../../../src/messages/wire/frame1.ts"
import { type Behaviour, start } from "../../../src/runtime/actor.ts"
import type { ActorRef } from "../../../src/runtime/protocol.ts"
import { type FakeToken, fakeToken } from "../../../src/testing/fake-token.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { defaultServerLimits } from "./default-limits.ts"

export interface Served {
  readonly socketPath: string
  readonly server: ActorRef<P11ServerProtocol>
  readonly token: FakeToken
  readonly publicKeyPem: string
  readonly events: ReadonlyArray<P11ServerEvent>
  readonly policy: P11ServerPolicy
}

export interface ServedOptions {
  readonly policy?: Partial<P11ServerPolicy>
  readonly limits?: Partial<P11ServerPolicy["limits"]>
  readonly spec?: Partial<P11ServerSpec>
  readonly token?: FakeToken
}

const mailbox = { capacity: 1000, overflow: { policy: "refuse" } } as const

/** Starts it over a fake token "my-token" with the key my-key, id 01, and the PIN 123456. It stops with the scope. */
export const served = (options: ServedOptions = {}): Effect.Effect<Served, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const token = options.token ?? fakeToken({ label: "my-token", defaultPin: "123456" })
    const publicKeyPem = token.addKey("my-key", "01")
    const service = yield* serving(token.behaviour, options)
    return { ...service, token, publicKeyPem }
  })

/** Starts it over any CryptokiActor. */
export const serving = (
  behaviour: Behaviour<CryptokiProtocol>,
  options: Omit<ServedOptions, "token"> = {}
): Effect.Effect<Omit<Served, "token" | "publicKeyPem">, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const dir = yield* Effect.acquireRelease(Effect.sync(makeTempDir), (made) => Effect.sync(() => removeTempDir(made)))
    const socketPath = join(dir, "s.sock")
    const cryptoki = yield* start<CryptokiProtocol, never, never>({ name: "cryptoki", mailbox, behaviour })
    const events: Array<P11ServerEvent> = []
    const publish = (event: P11ServerEvent) => Effect.sync(() => void events.push(event))
    const limits = { ...defaultServerLimits, ...options.limits }
    const policy: P11ServerPolicy = { scope: undefined, defaultPin: undefined, rules: [], ...options.policy, limits }
    const listen = listenOnPath({ path: socketPath, publish })
    const spec = { listen, cryptoki, policy, ownUid: process.getuid?.() ?? 0, publish, ...options.spec }
    const server = yield* start({ name: "p11-server", mailbox, behaviour: p11ServerBehaviour(spec) })
    return { socketPath, server, events, policy }
  })

/** Runs a scenario against a service of its own. */
export const withServed = <A>(options: ServedOptions, body: (kit: Served) => Effect.Effect<A, unknown, Scope.Scope>) =>
  Effect.runPromise(Effect.scoped(Effect.flatMap(served(options), body)))

/** A client that does what the test says: it writes, and tells what it was sent until the connection ended. */
export interface RawClient {
  readonly socket: Socket
  readonly received: Promise<Buffer>
}

export const rawClient = (path: string, options: { readonly reads: boolean } = { reads: true }): RawClient => {
  const socket = connect({ path, allowHalfOpen: true })
  const chunks: Array<Buffer> = []
  socket.on("error", () => undefined)
  if (options.reads) socket.on("data", (chunk) => chunks.push(chunk))
  const received = new Promise<Buffer>((resolve) => {
    socket.on("end", () => socket.end())
    socket.on("close", () => resolve(Buffer.concat(chunks)))
  })
  return { socket, received }
}

/** One exchange with bytes that may be anything. */
export const exchange = async (path: string, bytes: Uint8Array): Promise<Frame> => {
  const client = rawClient(path)
  client.socket.end(bytes)
  return Result.getOrThrow(decodeFrame(await client.received))
}

export const ask = (path: string, frame: Frame): Promise<Frame> => exchange(path, encodeFrame(frame))
