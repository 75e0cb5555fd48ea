import { createServer, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import { HttpBody, HttpClient, type HttpClientResponse } from "effect/http"
import { afterEach, describe, expect, it } from "vitest"
import { collectorClient } from "../../../../src/cli/services/telemetry/collector-client.ts"

const servers: Array<Server> = []

const serve = async (answer: RequestListener): Promise<string> => {
  const server = createServer((request, response) => void request.resume().on("end", () => answer(request, response)))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

const exported = async (url: string) => {
  const told: Array<number | undefined | "taken"> = []
  const outcome = {
    failed: (status: number | undefined) => void told.push(status),
    taken: () => void told.push("taken")
  }
  const post = Effect.flatMap(HttpClient.HttpClient, (client) =>
    client.post(url, { headers: { "x-api-key": "a-secret" }, body: HttpBody.text("spans") })
  )
  const response: HttpClientResponse.HttpClientResponse = await Effect.runPromise(
    Effect.provide(post, collectorClient(outcome, 10_000))
  )
  return { told, response }
}

describe("an export to a collector", () => {
  for (const status of [301, 302, 303, 307, 308])
    it(`is not sent on to another host when the collector redirects it: ${status}`, async () => {
      const elsewhere: Array<unknown> = []
      const other = await serve((request, response) => {
        elsewhere.push(request.headers)
        response.end()
      })
      const collector = await serve((_, response) => void response.writeHead(status, { location: other }).end())
      const { told } = await exported(collector)
      expect({ told, elsewhere }).toEqual({ told: [status], elsewhere: [] })
    })

  it("ends although the answer does not, and closes the connection", async () => {
    const closed: Array<Promise<unknown>> = []
    const collector = await serve((_, response) => {
      closed.push(new Promise((resolve) => response.on("close", resolve)))
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.writeHead(200).on("drain", more)
      more()
    })
    const { told, response } = await exported(collector)
    await Promise.all(closed)
    expect(told).toEqual(["taken"])
    expect((await Effect.runPromise(response.arrayBuffer)).byteLength).toBe(0)
  })

  describe("that the collector refuses for now", () => {
    const refused = async (status: number, retryAfter: string) => {
      const collector = await serve(
        (_, response) => void response.writeHead(status, { "retry-after": retryAfter }).end()
      )
      const { told, response } = await exported(collector)
      expect(told).toEqual([status])
      return { status: response.status, isTransient: HttpClient.isTransientResponse(response), ...response.headers }
    }

    for (const status of [429, 503])
      it(`is tried again when the collector asks for it within seconds: ${status}`, async () => {
        expect(await refused(status, "7")).toMatchObject({ status: 429, isTransient: true, "retry-after": "7" })
      })

    for (const retryAfter of ["11", "86400", "Fri, 31 Dec 9999 23:59:59 GMT"])
      it(`is not kept in memory for longer: ${retryAfter}`, async () => {
        expect(await refused(429, retryAfter)).toMatchObject({ isTransient: false })
        expect(await refused(503, retryAfter)).toMatchObject({ isTransient: false })
      })

    it("is tried again if the wait is not valid", async () => {
      expect(await refused(503, "soon")).toMatchObject({ status: 503, isTransient: true })
    })
  })
})
