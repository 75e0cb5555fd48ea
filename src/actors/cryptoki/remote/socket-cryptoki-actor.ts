/**
 * CryptokiActor in socket mode: the same messages, answered by tedge-p11-server.
 *
 * One connection per request, many at once; nothing is kept between them. The service has its own PIN and scope,
 * so only what the caller names is sent. It stays blind to which key was chosen: a chosen key is named as it was asked.
 */
import { Effect } from "effect"
import { type CryptokiProtocol, requestTags } from "../../../messages/cryptoki.ts"
import type { Behaviour } from "../../../runtime/actor.ts"
import type { LatchPlace } from "../pin/latch-files.ts"
import { defaultSocketLimits, type SocketLimits, socketClient } from "./socket-client.ts"
import { publicKey } from "./socket-key.ts"
import { changePin, clearLatch, createKey, deleteKey, initToken, listKeys, listTokens } from "./socket-management.ts"
import { chooseScheme, sign } from "./socket-signing.ts"

interface SocketCryptokiSettings {
  readonly socketPath: string
  readonly limits?: SocketLimits
  /** Where a service on this machine remembers refused PINs. */
  readonly latches: LatchPlace
  /** A connection at once, for socket activation: the service loads its module while the caller is not waiting for it yet. */
  readonly wakesService?: boolean
}

export const socketCryptokiBehaviour = ({
  socketPath,
  limits = defaultSocketLimits,
  latches,
  wakesService = false
}: SocketCryptokiSettings): Behaviour<CryptokiProtocol> => {
  const owners = new Set([0, process.getuid?.(), latches.owner?.uid].filter((uid) => uid !== undefined))
  const service = { socketPath, limits, client: socketClient(socketPath, limits, owners) }
  return {
    init: () =>
      Effect.as(wakesService ? Effect.forkScoped(service.client.wake) : Effect.void, {
        Ping: () => Effect.void,
        ChooseScheme: (request) => chooseScheme(service, request),
        Sign: (request) => sign(service, request),
        PublicKey: (request) => publicKey(service, request),
        ListTokens: () => listTokens(service),
        ListKeys: ({ token }) => listKeys(service, token),
        CreateKey: (request) => createKey(service, request),
        InitToken: (request) => initToken(service, request),
        ChangePin: (request) => changePin(service, request),
        DeleteKey: ({ key }) => deleteKey(service, key),
        ClearPinLatch: ({ token }) => clearLatch(service, latches, token)
      }),
    concurrent: { tags: requestTags, inFlight: 64 }
  }
}
