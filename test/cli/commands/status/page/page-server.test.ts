/** The server behind the status page: whom it answers, and with what headers. */
import { type IncomingMessage, request } from "node:http"
import { connect, Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { type PageFeed, servePage } from "../../../../../src/cli/commands/status/page/page-server.ts"

const secret = "c2VjcmV0LW9mLXRoaXMtcGFnZQ"
const files = { html: "<!doctype html>", script: "let x", style: "a{}" }

const makeFeed = () => {
  const watchers = new Set<(line: string) => void>()
  const feed: PageFeed = {
    watch: (send) => {
      send('{"first":true}')
      watchers.add(send)
      return () => void watchers.delete(send)
    }
  }
  return { feed, watchers }
}

const served = <A>(use: (url: URL, made: ReturnType<typeof makeFeed>) => Promise<A>): Promise<A> => {
  const made = makeFeed()
  const serving: Effect.Effect<A, unknown, Scope.Scope> = Effect.flatMap(
    servePage({ host: "127.0.0.1", port: 0 }, { secret, files, feed: made.feed }),
    (url) => Effect.promise(() => use(new URL(url), made))
  )
  return Effect.runPromise(Effect.scoped(serving))
}

const get = (url: URL, path: string, options: { readonly method?: string; readonly host?: string } = {}) =>
  new Promise<{ readonly response: IncomingMessage; readonly body: string }>((resolve, reject) => {
    const { method = "GET", host } = options
    const headers = host === undefined ? {} : { host }
    request({ host: url.hostname, port: url.port, path, method, headers }, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text
      })
      response.on("end", () => resolve({ response, body }))
    })
      .on("error", reject)
      .end()
  })

const stream = (url: URL) =>
  new Promise<{ readonly response: IncomingMessage; readonly until: (text: string) => Promise<void> }>((resolve) => {
    request({ host: url.hostname, port: url.port, path: `${url.pathname}events` }, (response) => {
      let seen = ""
      const looking = new Set<() => void>()
      response.setEncoding("utf8").on("data", (text: string) => {
        seen += text
        for (const look of looking) look()
      })
      const until = (text: string) =>
        new Promise<void>((found) => {
          const look = () => void (seen.includes(text) && found())
          looking.add(look)
          look()
        })
      resolve({ response, until })
    }).end()
  })

const statusOf = async (...asked: Parameters<typeof get>) => (await get(...asked)).response.statusCode

describe("the address of the page", () => {
  it("holds the secret, and a port that was free", () =>
    served(async (url) => {
      expect(url.href).toBe(`http://127.0.0.1:${url.port}/${secret}/`)
      expect(Number(url.port)).toBeGreaterThan(0)
    }))

  it("serves the page's files below the secret", () =>
    served(async (url) => {
      for (const [path, body] of [
        ["", files.html],
        ["page.js", files.script],
        ["page.css", files.style]
      ])
        expect((await get(url, `/${secret}/${path}`)).body).toBe(body)
    }))

  it.each(["/", "/page.js", "/events", `/${secret}x`, `/${secret}x/`, `/x${secret}/events`, `/${secret}/../`, `//`])(
    "without the secret there is nothing: %s",
    (path) =>
      served(async (url) => {
        const { response, body } = await get(url, path)
        expect({ status: response.statusCode, body }).toEqual({ status: 404, body: "" })
      })
  )
})

describe("an address that cannot be listened on", () => {
  it("is named in the form it has in a URL", async () => {
    // For documentation (RFC 3849): no machine has it.
    const serving = servePage({ host: "2001:db8::1", port: 8080 }, { secret, files, feed: makeFeed().feed })
    const { address } = await Effect.runPromise(Effect.scoped(Effect.flip(serving)))
    expect(address).toBe("[2001:db8::1]:8080")
  })
})

describe("the server", () => {
  it("stays when clients cannot be accepted for lack of memory", async () => {
    const listening = vi.spyOn(Server.prototype, "listen")
    onTestFinished(() => listening.mockRestore())
    await served(async (url) => {
      for (const server of listening.mock.contexts)
        for (let n = 0; n < 3; n += 1) (server as Server).emit("error", new Error("accept ENOMEM"))
      expect(await statusOf(url, url.pathname)).toBe(200)
    })
  })
})

describe("clients without the secret", () => {
  it("hold a bounded number of connections, and keep nobody with the secret out", () =>
    served(async (url, { watchers }) => {
      const tab = await stream(url)
      await tab.until('data: {"first":true}')
      let closed = 0
      let flood: ReadonlyArray<Socket> = []
      await new Promise<void>((resolve) => {
        flood = Array.from({ length: 200 }, () =>
          connect({ host: url.hostname, port: Number(url.port) })
            .on("error", () => {})
            .on("close", () => ++closed === 200 - 64 && resolve())
        )
      })
      expect(await statusOf(url, url.pathname)).toBe(200)
      for (const send of watchers) send('{"second":true}')
      await tab.until('data: {"second":true}')
      tab.response.destroy()
      for (const socket of flood) socket.destroy()
    }))

  it("get one answer for each connection", () =>
    served(async (url) => {
      const connectionOf = async (...asked: Parameters<typeof get>) => (await get(...asked)).response.headers.connection
      expect(await connectionOf(url, "/wrong/")).toBe("close")
      expect(await connectionOf(url, url.pathname)).toBe("keep-alive")
    }))
})

describe("a request", () => {
  it("without the last slash of the address, as some terminals copy it, gets there", () =>
    served(async (url) => {
      const { statusCode, headers } = (await get(url, `/${secret}`)).response
      expect([statusCode, headers.location]).toEqual([308, `/${secret}/`])
      expect(await statusOf(url, `/${secret}`, { host: "evil.example" })).toBe(403)
    }))

  it("for the head of the stream ends", () =>
    served(async (url, { watchers }) => {
      const { response } = await get(url, `${url.pathname}events`, { method: "HEAD" })
      expect([response.statusCode, response.headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"])
      expect(watchers.size).toBe(0)
    }))

  it("to a name that is not this machine's is refused (DNS rebinding)", () =>
    served(async (url) => {
      for (const host of ["evil.example", `evil.example:${url.port}`, "127.0.0.1.evil.example", "192.168.0.7"])
        expect(await statusOf(url, url.pathname, { host }), host).toBe(403)
      for (const host of ["localhost:8080", "127.0.0.1:9", "[::1]:80", "LOCALHOST"])
        expect(await statusOf(url, url.pathname, { host }), host).toBe(200)
    }))

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])("that would change something is refused: %s", (method) =>
    served(async (url) => {
      const { statusCode, headers } = (await get(url, url.pathname, { method })).response
      expect([statusCode, headers.allow]).toEqual([405, "GET, HEAD"])
    })
  )

  it("has a policy that allows nothing from other origins", () =>
    served(async (url) => {
      for (const path of [url.pathname, "/"]) {
        const { headers } = (await get(url, path)).response
        expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/)
        expect(headers["content-security-policy"]).not.toContain("unsafe")
        expect(headers).toMatchObject({
          "referrer-policy": "no-referrer",
          "cache-control": "no-store",
          "x-content-type-options": "nosniff"
        })
        expect(headers).not.toHaveProperty("access-control-allow-origin")
      }
    }))
})

describe("the stream of events", () => {
  it("begins with what is known, goes on with what happens, for two tabs alike", () =>
    served(async (url, { watchers }) => {
      const [one, other] = [await stream(url), await stream(url)]
      await Promise.all([one, other].map(({ until }) => until('data: {"first":true}\n\n')))
      for (const send of watchers) send('{"second":true}')
      await Promise.all([one, other].map(({ until }) => until('data: {"second":true}\n\n')))
      expect(one.response.headers["content-type"]).toBe("text/event-stream")
      one.response.destroy()
      other.response.destroy()
    }))

  it("ends with the page", async () => {
    let closed: Promise<void> | undefined
    await served(async (url) => {
      const { response } = await stream(url)
      response.on("error", () => {}) // it is cut off
      closed = new Promise((resolve) => response.on("close", () => resolve()))
    })
    await closed
  })
})
