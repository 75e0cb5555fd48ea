/**
 * Accepted UNIX sockets with minimal overhead: one epoll watcher for all, and only a descriptor each.
 *
 * Node's own sockets cost several times as much as a signature; a request is one short message that has usually
 * arrived completely by the time its client is accepted. Otherwise it is waited for.
 */
import { closeSync } from "node:fs"
import { ShortLivedMap } from "../../runtime/primitives/short-lived.ts"
import { type Accepted, acceptUnix, openReadiness, type Readiness, receive, send } from "../native/unix-addon.ts"
import { errorCode } from "../process/error-code.ts"

/** Watches any number of descriptors. Close it after all its users. */
export class Watcher {
  private readonly readiness: Readiness
  private readonly waiting = new ShortLivedMap<number, () => void>()
  /** Shared read buffer, before bytes are known to be worth keeping. */
  readonly landing = new Uint8Array(64 * 1024)

  constructor() {
    this.readiness = openReadiness((descriptors) => {
      // A descriptor closed meanwhile is not notified; if its number was reused, reading finds nothing.
      for (const descriptor of descriptors) this.waiting.get(descriptor)?.()
    })
  }

  wait(descriptor: number, purpose: "reading" | "writing", onReady: () => void): void {
    this.waiting.set(descriptor, onReady)
    this.readiness.watch(descriptor, purpose)
  }

  forget(descriptor: number): void {
    this.waiting.delete(descriptor)
  }

  close(): void {
    this.readiness.close()
  }
}

/** `closed`: closed before the message was complete. */
type ReadOutcome = Uint8Array | "tooLong" | "closed"
type WriteOutcome = "written" | "closed"

/** A connected socket. Each call calls back once, possibly synchronously, and not after `close`. */
export class UnixStream {
  private readonly watcher: Watcher
  private readonly descriptor: number
  private isClosed = false

  constructor(watcher: Watcher, descriptor: number) {
    this.watcher = watcher
    this.descriptor = descriptor
  }

  /** Reads until the peer shuts down writing, at most `limit` bytes. */
  readToEnd(limit: number, done: (outcome: ReadOutcome) => void): void {
    const parts: Array<Uint8Array> = []
    let length = 0
    const read = (): ReadOutcome | undefined => {
      for (;;) {
        const got = receive(this.descriptor, this.watcher.landing)
        if (got === undefined) return undefined
        if (got === 0) return parts.length === 1 && parts[0] ? parts[0] : Uint8Array.from(Buffer.concat(parts))
        length += got
        if (length > limit) return "tooLong"
        parts.push(this.watcher.landing.slice(0, got))
      }
    }
    this.until("reading", read, done)
  }

  /** Reads until the peer shuts down writing, at most `limit` bytes, and discards everything. */
  discard(limit: number, done: () => void): void {
    let left = limit
    const read = () => {
      while (left > 0) {
        const got = receive(this.descriptor, this.watcher.landing)
        if (got === undefined) return undefined
        if (got === 0) return "end"
        left -= got
      }
      return "enough"
    }
    this.until("reading", read, done)
  }

  /**
   * Writes everything and closes; done when the kernel has accepted it. Closes immediately, since a client that has read its
   * response and waits for the end would be woken a second time.
   */
  finish(bytes: Uint8Array, done: (outcome: WriteOutcome) => void): void {
    let left = bytes
    const write = (): WriteOutcome | undefined => {
      while (left.length > 0) {
        const sent = send(this.descriptor, left)
        if (sent === undefined) return undefined
        left = left.subarray(sent)
      }
      this.close()
      return "written"
    }
    this.until("writing", write, done)
  }

  /** The peer receives everything written, then the end. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.watcher.forget(this.descriptor)
    closeSync(this.descriptor)
  }

  /** Tries now, and again after each notification, until there is an outcome. */
  private until<A>(
    purpose: "reading" | "writing",
    attempt: () => A | "closed" | undefined,
    done: (outcome: A | "closed") => void
  ): void {
    let isDone = false
    const go = () => {
      if (isDone || this.isClosed) return
      const outcome = unlessBroken(attempt)
      if (outcome === undefined) return
      isDone = true
      done(outcome)
    }
    go()
    if (isDone || this.isClosed) return
    if (unlessBroken(() => this.watcher.wait(this.descriptor, purpose, go)) === "closed") done("closed")
  }
}

/** Accepts clients until stopped. The caller closes the descriptor. */
export class UnixListener {
  private readonly watcher: Watcher
  private readonly descriptor: number
  private readonly callbacks: ListenerCallbacks
  private isStopped = false
  private isScheduled = false
  /** Until no client waits. */
  private isRefused = false

  constructor(watcher: Watcher, descriptor: number, callbacks: ListenerCallbacks) {
    this.watcher = watcher
    this.descriptor = descriptor
    this.callbacks = callbacks
    watcher.wait(descriptor, "reading", () => this.accept())
  }

  stop(): void {
    this.isStopped = true
    this.watcher.forget(this.descriptor)
  }

  private accept(): void {
    if (this.isStopped || this.isScheduled) return
    const { clients, more } = this.waitingClients()
    if (more === "no") this.isRefused = false
    else this.acceptAgain(more)
    // Last, when their requests have had time to arrive.
    for (const client of clients) this.callbacks.onClient(client)
  }

  /** One task, however many arrive meanwhile: it accepts all of them. */
  private acceptAgain(when: "now" | "later"): void {
    this.isScheduled = true
    const again = () => {
      this.isScheduled = false
      this.accept()
    }
    if (when === "now") setImmediate(again)
    else setTimeout(again, tryAgainMs)
  }

  /** In portions, so that accepted clients are served in between. */
  private waitingClients(): { readonly clients: ReadonlyArray<Accepted>; readonly more: "now" | "later" | "no" } {
    const clients: Array<Accepted> = []
    try {
      while (clients.length < maxAtOnce) {
        const client = acceptUnix(this.descriptor)
        if (client === undefined) return { clients, more: "no" }
        clients.push(client)
      }
      return { clients, more: "now" }
    } catch (error) {
      // Some of these may be rejected, which frees descriptors for the next.
      if (clients.length > 0) return { clients, more: "now" }
      if (!this.isRefused) this.callbacks.onRefused(errorCode(error) ?? "")
      this.isRefused = true
      return { clients, more: "later" }
    }
  }
}

interface ListenerCallbacks {
  readonly onClient: (client: Accepted) => void
  /** Why clients cannot be accepted at the moment, reported once until it is over; they wait in the kernel. */
  readonly onRefused: (code: string) => void
}

const maxAtOnce = 32
/** Descriptors may be free by then. */
const tryAgainMs = 100

/** A broken connection is closed, whatever the error code. */
const unlessBroken = <A>(attempt: () => A): A | "closed" => {
  try {
    return attempt()
  } catch {
    return "closed"
  }
}
