/** A request to the signing service, from its beginning to its answer. */
import { once } from "node:events"
import { rmSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { Effect } from "effect"
import { afterAll, expect, it } from "vitest"
import { encodeFrame } from "../../../src/messages/wire/frame1.ts"
import { BusyChecks, CurrentBusyChecks } from "../../../src/platform/process/busy-checks.ts"
import { exchangeFrame } from "../../../src/platform/sockets/frame-exchange.ts"
import { testDirectory } from "../../support/tls/pki.ts"

const dir = testDirectory()
afterAll(() => rmSync(dir, { recursive: true, force: true }))

it("keeps its process busy until the answer has come", async () => {
  const busy = new BusyChecks()
  const path = join(dir, "service.sock")
  const server = createServer({ allowHalfOpen: true }).listen(path)
  const asked = Effect.runPromise(
    Effect.provideService(exchangeFrame(path, { _tag: "Ping" }, "30 seconds"), CurrentBusyChecks, busy)
  )
  const [client] = (await once(server, "connection")) as [Socket]
  expect(busy.isBusy()).toBe(true)
  client.end(encodeFrame({ _tag: "Pong" }))
  expect(await asked).toEqual({ _tag: "Pong" })
  expect(busy.isBusy()).toBe(false)
  server.close()
})
