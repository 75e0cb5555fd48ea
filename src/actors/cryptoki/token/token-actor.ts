/**
 * One token in use: a child actor of CryptokiActor, with a token host of its own.
 *
 * Requests run side by side; what they share (session, login, keys) is prepared by one of them at a time.
 */
import { Effect } from "effect"
import type {
  ChosenKey,
  CryptokiProtocol,
  KeyDescription,
  Signed,
  TokenDescription
} from "../../../messages/cryptoki.ts"
import type { Pkcs11Uri } from "../../../messages/pkcs11-uri.ts"
import type { SignatureScheme } from "../../../messages/signature-scheme.ts"
import type { TokenRefusal } from "../../../messages/token-refusals.ts"
import type { Behaviour } from "../../../runtime/actor.ts"
import { processMonotonicMs } from "../../../runtime/primitives/process-time.ts"
import type { AnswerOf, Ask, PayloadOf, Tell } from "../../../runtime/protocol.ts"
import { changePin } from "./change-pin.ts"
import { createKey } from "./create-key.ts"
import { deleteKey, listKeys, publicKey } from "./objects.ts"
import type { Asker } from "./session.ts"
import { chosenKey, signWith } from "./sign.ts"
import { openTokenContext, type TokenActorSpec, type TokenContext } from "./token-context.ts"
import { revalidateKey, withKey } from "./with-connection.ts"

export type TokenProtocol = {
  readonly Choose: Ask<
    { readonly asker: Asker; readonly offered: ReadonlyArray<SignatureScheme> },
    ChosenKey,
    TokenRefusal
  >
  readonly Sign: Ask<
    { readonly asker: Asker; readonly scheme: SignatureScheme | undefined; readonly message: Uint8Array },
    Signed,
    TokenRefusal
  >
  readonly PublicKey: Ask<{ readonly asker: Asker }, Uint8Array, TokenRefusal>
  readonly ListKeys: Ask<{ readonly asker: Asker }, ReadonlyArray<KeyDescription>, TokenRefusal>
  readonly CreateKey: Ask<
    { readonly asker: Asker; readonly order: Omit<PayloadOf<CryptokiProtocol, "CreateKey">, "token"> },
    AnswerOf<CryptokiProtocol, "CreateKey">,
    TokenRefusal
  >
  readonly ChangePin: Ask<
    { readonly asker: Asker; readonly order: Omit<PayloadOf<CryptokiProtocol, "ChangePin">, "token"> },
    TokenDescription,
    TokenRefusal
  >
  readonly DeleteKey: Ask<{ readonly asker: Asker }, ReadonlyArray<Pkcs11Uri>, TokenRefusal>
  /** Something was created by another process or host: what is not found may be there by now. */
  readonly Outdated: Tell<void>
}

export const tokenActorBehaviour = (spec: TokenActorSpec): Behaviour<TokenProtocol> => ({
  concurrent: {
    tags: ["Choose", "Sign", "PublicKey", "ListKeys", "CreateKey", "ChangePin", "DeleteKey"],
    // The rest waits in the mailbox: the one queue of a token's requests.
    inFlight: 64
  },
  init: (actor) =>
    Effect.gen(function* () {
      const context = yield* openTokenContext(spec, (effect) => actor.task("looking after the token", effect))
      return {
        Choose: ({ asker, offered }) => choose(context, asker, offered),
        Sign: ({ asker, scheme, message }) => {
          const takenAt = processMonotonicMs()
          return withKey(context, asker, (connection, found) =>
            signWith(context, connection, { found, scheme, message, asker, takenAt })
          )
        },
        PublicKey: ({ asker }) => publicKey(context, asker),
        ListKeys: ({ asker }) => listKeys(context, asker),
        CreateKey: ({ asker, order }) => createKey(context, asker, order),
        ChangePin: ({ asker, order }) => changePin(context, asker, order),
        DeleteKey: ({ asker }) => deleteKey(context, asker),
        Outdated: () =>
          Effect.sync(() => {
            context.refreshed.clear()
            context.mayRefreshAt = 0
          })
      }
    })
})

const choose = (context: TokenContext, asker: Asker, offered: ReadonlyArray<SignatureScheme>) =>
  withKey(context, asker, (connection, found) =>
    Effect.map(revalidateKey(context, connection, found), () => chosenKey(found, asker, offered))
  )
