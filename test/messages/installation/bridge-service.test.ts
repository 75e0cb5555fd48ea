/** What is named after the service that forwards the messages of a cloud. */
import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { configBehaviour, configMailbox } from "../../../src/actors/config/config-actor.ts"
import { bridgeService } from "../../../src/messages/installation/bridge-service.ts"
import type { Installation } from "../../../src/messages/installation/installation.ts"
import { start } from "../../../src/runtime/actor.ts"
import { tempDir } from "../../support/temp-dir.ts"

const serviceOf = (installation: Installation["kind"], environment: Readonly<Record<string, string>> = {}) => {
  const place = { configDir: tempDir(), workingDir: "/", environment, installation }
  const writing = { locked: <A, E>(_file: string, work: Effect.Effect<A, E>) => work, changed: () => Effect.void }
  return Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const config = yield* start({
          name: "config",
          mailbox: configMailbox,
          behaviour: configBehaviour(place, writing)
        })
        const asked = {
          cloud: "c8y",
          ...(environment.TEDGE_CLOUD_PROFILE === undefined && { profile: null }),
          bare: true
        } as const
        const { settings } = yield* config.ask("ReadCloudSettings", asked, { within: "10 seconds" })
        return bridgeService(settings)
      })
    )
  )
}

const health = (name: string) => `te/device/main/service/${name}/status/health`

describe("the service that forwards the messages of a cloud", () => {
  it("has the names of thin-edge.io's mapper where everything is ours", async () => {
    const service = await serviceOf("everything-ours")
    expect(service.unit).toBe("tedge-mapper-c8y")
    expect(service.clientIds).toEqual({ bridge: "tedge-mapper-bridge-c8y", service: "tedge-mapper-c8y" })
    expect(service.bridge.topics.health).toBe(health("tedge-mapper-bridge-c8y"))
    expect(service.mapper).toMatchObject({ is: "ours", name: "tedge-mapper-c8y" })
  })

  it("has names of its own beside that mapper, and takes none of the mapper's", async () => {
    const service = await serviceOf("beside-thin-edge")
    expect(service.unit).toBe("tedge-bridge-c8y")
    expect(service.clientIds).toEqual({ bridge: "tedge-mapper-bridge-c8y", service: "tedge-bridge-c8y" })
    expect(service.mapper).toMatchObject({
      is: "thin-edge",
      unit: "tedge-mapper-c8y",
      mosquitto: { topics: { health: health("mosquitto-c8y-bridge") } }
    })
  })

  it("distinguishes profiles as thin-edge.io does: units by the profile, topics by the prefix", async () => {
    const service = await serviceOf("beside-thin-edge", { TEDGE_CLOUD_PROFILE: "prod" })
    expect(service.unit).toBe("tedge-bridge-c8y@prod")
    expect(service.clientIds.service).toBe("tedge-bridge-c8y@prod")
    expect(service.mapper).toMatchObject({ unit: "tedge-mapper-c8y@prod" })
  })
})
