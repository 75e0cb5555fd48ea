/**
 * Signs inside a token host: at once, one by one, or in threads, as the key's last signature took little time or much.
 *
 * A thread lets other signatures run meanwhile, but the way to it costs more than a quick signature. And hardware does
 * one thing at a time: threads would only wait for each other in the module, and keep the next C_SignInit waiting.
 */

import { processMonotonicMs } from "../../../../runtime/primitives/process-time.ts"
import { CKU_CONTEXT_SPECIFIC } from "../../pkcs11/pkcs11-constants.ts"
import { type Handle, handleOf, ModuleFault, type Pkcs11Module } from "../../pkcs11/pkcs11-module.ts"
import { faultClass } from "../../pkcs11/return-codes.ts"
import type { MechanismCandidate } from "../../pkcs11/values.ts"
import { type HostRequests, parallelSigns } from "../protocol.ts"
import type { HostSlot } from "./slot.ts"

/** What a host remembers of its signatures. */
export class SignTimes {
  /** By slot and key: how long the last one took that began when no thread was at work, in milliseconds. */
  private readonly last = new Map<string, number>()
  private inThreads = 0
  private turn: Promise<void> = Promise.resolve()
  private inARow = 0

  of({ slot, handle }: Asked): number {
    return this.last.get(`${slot} ${handle}`) ?? Number.POSITIVE_INFINITY
  }

  /** Begins to measure; answers what to call when the signature is made. */
  start({ slot, handle }: Asked): () => number {
    const isAlone = this.inThreads === 0
    const beganAt = processMonotonicMs()
    return () => {
      const tookMs = processMonotonicMs() - beganAt
      if (isAlone) this.last.set(`${slot} ${handle}`, tookMs)
      return tookMs
    }
  }

  async inThread<A>(work: () => Promise<A>): Promise<A> {
    this.inThreads += 1
    try {
      return await work()
    } finally {
      this.inThreads -= 1
    }
  }

  /** One after the other. The answer of the first leaves before the second begins, and after some new requests are read. */
  inTurn<A>(work: () => A): Promise<A> {
    const done = this.turn.then(work)
    const rest = () => {
      this.inARow = (this.inARow + 1) % parallelSigns
      return this.inARow === 0 ? eventLoopTurn() : answersLeave()
    }
    this.turn = done.then(rest, rest)
    return done
  }
}

const eventLoopTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Answers are written in a tick of their own, which may have been asked for a moment later than ours. */
const answersLeave = () => new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)))

type Asked = HostRequests["sign"]["asked"]
type Answer = HostRequests["sign"]["answer"]

export const sign = async (
  times: SignTimes,
  module: Pkcs11Module,
  slot: HostSlot,
  session: Handle,
  asked: Asked
): Promise<Answer> => {
  const atOnce = (): Answer => {
    const { mechanismIndex, input } = begin(module, session, asked)
    const made = times.start(asked)
    const signature = module.signAtOnce(session, input)
    return answerOf(signature, mechanismIndex, made())
  }
  const lastMs = times.of(asked)
  if (lastMs < quickMs) return atOnce()
  if (lastMs < briefMs && slot.isHardware) return times.inTurn(atOnce)
  const { mechanismIndex, input } = begin(module, session, asked)
  const made = times.start(asked)
  const signature = await times.inThread(() => module.sign(session, input))
  return answerOf(signature, mechanismIndex, made())
}

const answerOf = (signature: Uint8Array, mechanismIndex: number, tookMs: number): Answer => ({
  signature,
  mechanismIndex,
  isQuick: tookMs < quickMs,
  tookMs
})

interface Begun {
  readonly mechanismIndex: number
  readonly input: Uint8Array
}

/** C_SignInit with the first mechanism that the token takes. */
const begin = (module: Pkcs11Module, session: Handle, asked: Asked): Begun => {
  const key = handleOf(asked.handle)
  for (const [mechanismIndex, mechanism] of asked.mechanisms.entries()) {
    const isLast = mechanismIndex === asked.mechanisms.length - 1
    if (!isTaken(module, session, mechanism, key, isLast)) continue
    if (asked.contextPin !== undefined) module.login(session, CKU_CONTEXT_SPECIFIC, asked.contextPin)
    return { mechanismIndex, input: mechanism.input }
  }
  throw new Error("no mechanism was given")
}

const isTaken = (
  module: Pkcs11Module,
  session: Handle,
  mechanism: MechanismCandidate,
  key: Handle,
  isLast: boolean
) => {
  try {
    module.signInit(session, mechanism, key)
    return true
  } catch (error) {
    if (!isLast && error instanceof ModuleFault && faultClass(error.code) === "mechanism") return false
    throw error
  }
}

/** In between: SoftHSM2 takes 0.1 ms for P-256, 1.5 ms for RSA 2048; hardware takes longer. */
const quickMs = 1
/** Whatever else the host is asked may wait for so long. */
const briefMs = 10
