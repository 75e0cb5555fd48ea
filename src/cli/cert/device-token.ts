/**
 * A device access token of Cumulocity (JWT), asked for over the bridge as every local client does: `s/uat`, `s/dat`.
 *
 * The token is a secret: it goes into one header and nowhere else.
 */
import { randomBytes } from "node:crypto"
import { Effect } from "effect"
import { ConnectionCheckFailed } from "../../messages/connect.ts"
import type { CloudSettings } from "../../messages/settings/resolved-settings.ts"
import type { CommandContext } from "../hsm/token-command.ts"

const answerWithin = "20 seconds"

export const deviceToken = ({ actors }: CommandContext, settings: CloudSettings) => {
  const { localBroker } = actors
  const prefix = settings.cloud.topicPrefix
  const { clientHost: host, clientPort: port } = settings.mqtt
  const target = {
    host,
    port,
    clientId: `tedge-cert-${randomBytes(6).toString("hex")}`,
    keepalive: 60,
    cleanSession: true,
    connectWithinMs: 5_000
  }
  const message = { topic: `${prefix}/s/uat`, payload: new Uint8Array(), qos: 1, retain: false } as const
  const asked = Effect.gen(function* () {
    yield* localBroker.ask("Open", { target }, { within: answerWithin })
    yield* localBroker.ask("Subscribe", { filters: [`${prefix}/s/dat`], qos: 1 }, { within: answerWithin })
    yield* localBroker.ask("Publish", { message }, { within: answerWithin })
    for (;;) {
      const answer = yield* localBroker.ask("Next", undefined, { within: answerWithin })
      const [code, token] = Buffer.from(answer.payload).toString("utf8").split(",")
      if (code === "71" && token !== undefined && token !== "") return token
    }
  })
  return asked.pipe(
    Effect.timeoutOrElse({
      duration: answerWithin,
      orElse: () => Effect.fail(noAnswer(settings))
    }),
    Effect.ensuring(Effect.ignore(localBroker.ask("Close", undefined, { within: answerWithin }))) // closed or gone: nothing stays open
  )
}

const noAnswer = (settings: CloudSettings) =>
  new ConnectionCheckFailed({
    cloud: settings.cloud.name,
    reason: "noAnswer",
    detail: "no access token came back",
    cause: undefined
  })
