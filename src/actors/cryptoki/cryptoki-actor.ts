/**
 * CryptokiActor for a local PKCS#11 module: a router over lanes, one for each token in use.
 *
 * It decides which token is meant and hands the request on; whatever one token does, the others and Ping are served.
 */
import { Effect } from "effect"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type { Behaviour } from "../../runtime/actor.ts"
import { type CryptokiDeps, makeRouter, noLimit, toLane } from "./router.ts"
import type { CryptokiSettings } from "./settings.ts"

export const cryptokiBehaviour = (settings: CryptokiSettings, deps: CryptokiDeps): Behaviour<CryptokiProtocol> => ({
  concurrent: { tags: ["Ping", "ChooseScheme", "Sign"], inFlight: 4096 },
  init: (context) =>
    Effect.gen(function* () {
      const router = yield* makeRouter(settings, deps, (effect) => context.task("cryptoki", effect))
      return {
        Ping: () => Effect.void,
        ChooseScheme: ({ key, offered }) =>
          toLane(router, key, (lane, asker) => lane.ask("Choose", { asker, offered }, noLimit)),
        Sign: ({ key, scheme, message }) =>
          toLane(router, key, (lane, asker) => lane.ask("Sign", { asker, scheme, message }, noLimit))
      }
    })
})
