/**
 * JSON lines over a UNIX stream socket: a server for few clients, and a client for a single request.
 *
 * The server's socket is 0660, of the process's user and group. A stale socket is replaced, a live one is not. Unsolicited
 * input, and output that a client does not read, take a bounded amount of memory.
 */
import { rmSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { dirname } from "node:path"
import { Effect, type Scope } from "effect"
import { makeDirectory } from "../files/make-directory.ts"
import { codeOf } from "../process/error-code.ts"
import { dialUnix, unixPathFault } from "./socket-io.ts"

/** The response to a line, without line end; undefined: closes the connection. */
type AnswerLine = (line: string, client: LineClient) => Effect.Effect<string | undefined>

/** A client that is sent more than one line. */
export interface LineClient {
  /** Completes when there is room for another line. A client that reads nothing for 10 seconds is disconnected. */
  readonly write: (line: string) => Effect.Effect<void>
  /** Its further input is discarded; a disconnect is detected immediately and interrupts the response. */
  readonly stopReading: Effect.Effect<void>
}

/**
 * Fails with Node's error if the socket cannot be created. Removed when the scope closes. A client beyond the limit gets
 * the line `tooMany`.
 */
export const serveJsonLines = (
  path: string,
  answer: AnswerLine,
  tooMany: string
): Effect.Effect<void, Error, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const clients = new Set<Socket>()
    const onClient = (socket: Socket) => {
      // A client that disconnects during its response is not an error.
      socket.on("error", () => {})
      // Closed with a delay: closing immediately may reset the connection before the line is read.
      if (clients.size >= maxClients)
        return void socket.setTimeout(refusalMs, () => socket.destroy()).end(`${tooMany}\n`)
      clients.add(socket)
      const answering = new Set<() => void>()
      // A client without a request would occupy a connection; single bytes do not count as a request.
      const unasked = setTimeout(() => socket.destroy(), askedWithinMs)
      socket.on("close", () => {
        clearTimeout(unasked)
        clients.delete(socket)
        for (const giveUp of answering) giveUp()
      })
      socket.setTimeout(silentMs, () => socket.destroy())
      const lines = readLines(socket, longestQuestion, (line, next) => {
        clearTimeout(unasked)
        const fiber = fork(answer(line, client))
        const giveUp = () => fiber.interruptUnsafe()
        answering.add(giveUp)
        fiber.addObserver((exit) => {
          answering.delete(giveUp)
          if (exit._tag === "Success" && exit.value !== undefined && socket.writable)
            socket.write(`${exit.value}\n`, next)
          else socket.destroy()
        })
      })
      const client = { write: (line: string) => write(socket, line), stopReading: Effect.sync(lines.stop) }
    }
    yield* Effect.acquireRelease(listen(path, onClient), (server) =>
      Effect.sync(() => {
        for (const client of clients) client.destroy()
        server.close()
      })
    )
  })

const listen = (path: string, onClient: (socket: Socket) => void): Effect.Effect<Server, Error> =>
  Effect.gen(function* () {
    const fault = unixPathFault(path)
    if (fault !== undefined) return yield* Effect.fail(fault)
    yield* attempt(() => makeDirectory(dirname(path)))
    if (yield* isAnswering(path)) return yield* Effect.fail(new Error(`another process listens at ${path}`))
    yield* attempt(() => rmSync(path, { force: true }))
    return yield* Effect.callback<Server, Error>((resume) => {
      const server = createServer(onClient)
      // Also of accept(2) later, for lack of memory: the next client is accepted again.
      server.on("error", (error) => resume(Effect.fail(error)))
      const mask = process.umask(0o117)
      // The socket is created within this call.
      server.listen(path, () => resume(Effect.succeed(server)))
      process.umask(mask)
    })
  })

const write = (socket: Socket, line: string): Effect.Effect<void> =>
  Effect.suspend(() => (socket.write(`${line}\n`) ? Effect.void : drained(socket))).pipe(
    Effect.timeoutOrElse({ duration: takenWithin, orElse: () => Effect.sync(() => void socket.destroy()) })
  )

/** At most two lines are queued. If the socket closes, the response is interrupted. */
const drained = (socket: Socket): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const onDrain = () => resume(Effect.void)
    socket.once("drain", onDrain)
    return Effect.sync(() => void socket.off("drain", onDrain))
  })

const attempt = <A>(work: () => A): Effect.Effect<A, Error> =>
  Effect.try({ try: work, catch: (error) => (error instanceof Error ? error : new Error(String(error))) })

const isAnswering = (path: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = dialUnix(path)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

/** Sends one line and returns the first line received. Fails with Node's code, or `closed`, `tooLong`. */
export const askJsonLine = (path: string, line: string): Effect.Effect<string, string> =>
  Effect.callback<string, string>((resume) => {
    const socket = dialUnix(path)
    socket.once("connect", () => socket.write(`${line}\n`))
    socket.once("error", (error) => resume(Effect.fail(codeOf(error))))
    socket.once("close", () => resume(Effect.fail("closed")))
    readLines(socket, longestAnswer, (answer) => {
      resume(Effect.succeed(answer))
      socket.destroy()
    })
    return Effect.sync(() => void socket.destroy())
  })

/** One line at a time: nothing more is read until `next` is called. `stop`: further input is discarded. */
const readLines = (
  socket: Socket,
  longest: number,
  onLine: (line: string, next: () => void) => void
): { readonly stop: () => void } => {
  let rest = ""
  let isBusy = false
  let isStopped = false
  const look = () => {
    const end = rest.indexOf("\n")
    if (isBusy) return
    if (end < 0) {
      if (rest.length > longest) socket.destroy(Object.assign(new Error("the line is too long"), { code: "tooLong" }))
      else socket.resume()
      return
    }
    const line = rest.slice(0, end)
    rest = rest.slice(end + 1)
    isBusy = true
    socket.pause()
    onLine(line, () => {
      isBusy = false
      look()
    })
  }
  socket.setEncoding("utf8").on("data", (text: string) => {
    if (isStopped) return
    rest += text
    look()
  })
  return {
    stop: () => {
      isStopped = true
      rest = ""
      socket.resume()
    }
  }
}

const maxClients = 16
const longestQuestion = 4_096
const longestAnswer = 1_048_576
const silentMs = 120_000
const askedWithinMs = 10_000
const refusalMs = 1_000
const takenWithin = "10 seconds"
