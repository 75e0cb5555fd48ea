/**
 * The drawing of a message's way in docs/architecture.md, beside what runs while one passes. The runtime, which is the same at
 * each hop, is in its text.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { Session } from "node:inspector/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { connectWith } from "../../src/actors/mqtt/broker-connection.ts"
import { startBroker } from "../support/broker/broker.ts"
import { joinBroker } from "../support/broker/mqtt-peer.ts"
import { c8yToml, impatient, planFrom, startTestMapper } from "../support/device/mapper.ts"
import { quietly } from "../support/quietly.ts"
import { makeDeviceCertificate, testPki } from "../support/tls/pki.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** The files of src/ of which a function ran meanwhile. */
const filesOf = async (session: Session, work: () => Promise<unknown>): Promise<ReadonlySet<string>> => {
  await session.post("Profiler.takePreciseCoverage")
  await work()
  const { result } = await session.post("Profiler.takePreciseCoverage")
  const ran = result.filter(({ functions }) => functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0))
  const paths = ran.map(({ url }) => (url.startsWith("file:") ? fileURLToPath(url) : url))
  return new Set(paths.filter((path) => path.startsWith(join(root, "src/"))).map((path) => path.slice(root.length)))
}

const drawn = (): ReadonlySet<string> => {
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8")
  const section = text.slice(text.indexOf("\n## A message\n"), text.indexOf("\n## When something fails\n"))
  return new Set(section.match(/src\/[\w/.-]+\.ts/g))
}

it("docs/architecture.md draws every file that a message passes", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tedge-way-"))
  const pki = testPki()
  const local = await startBroker()
  const tls = { certFile: pki.serverCertFile, keyFile: pki.serverKeyFile, caFile: pki.caFile }
  const cloud = await startBroker({ requireCertificate: true, tls })
  const identity = makeDeviceCertificate(pki.ca, { cn: "cumulocity" })
  const there = await joinBroker(cloud.port, ["s/us"], { ...identity, caFile: pki.caFile })
  const here = await joinBroker(local.port)
  const session = new Session()
  session.connect()
  try {
    const files = await Effect.runPromise(
      quietly(
        Effect.scoped(
          Effect.gen(function* () {
            const plan = yield* planFrom(dir, c8yToml({ pki, cloudPort: cloud.port, localPort: local.port }))
            const mapper = yield* startTestMapper({ plan: impatient(plan), connect: connectWith })
            const settled = async (text: string) => {
              await here.publish("c8y/s/us", text)
              await there.hear(({ payload }) => payload === text)
              for (;;) {
                const status = await Effect.runPromise(mapper.bridge.ask("Status", undefined, { within: "1 minute" }))
                if (status.counters.waiting === 0) return
              }
            }
            // Before it has subscribed nothing is kept for it.
            yield* Effect.repeat(mapper.bridge.ask("Status", undefined, { within: "1 minute" }), {
              until: ({ health }) => health === "up"
            })
            yield* Effect.promise(() => settled("first"))
            yield* Effect.promise(() => session.post("Profiler.enable"))
            yield* Effect.promise(() => session.post("Profiler.startPreciseCoverage", { callCount: true }))
            const all: Array<ReadonlySet<string>> = []
            for (const text of "abcdefghijkl")
              all.push(yield* Effect.promise(() => filesOf(session, () => settled(text))))
            // Without periodic work, which does not run during each of them.
            return [...(all[0] ?? [])].filter((file) => all.every((one) => one.has(file)))
          })
        )
      )
    )
    const ofActors = (paths: Iterable<string>) => [...paths].filter((path) => !path.startsWith("src/runtime/")).sort()
    // The key of this test is in a file, and Node's own TLS takes its place.
    const expected = ofActors(drawn()).filter((path) => path !== "src/platform/tls/tls-signer-stream.ts")
    expect(ofActors(files)).toEqual(expected)
    expect(files).toEqual(expect.arrayContaining([...drawn()].filter((path) => path.startsWith("src/runtime/"))))
  } finally {
    session.disconnect()
    await Promise.all([here.close(), there.close()])
    await Promise.all([local.stop(), cloud.stop()])
    pki.remove()
    rmSync(dir, { recursive: true, force: true })
  }
})
