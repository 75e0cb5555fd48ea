/** Which way a token host signs: by what the key's last signature took, and by whether the token is hardware. */
import { beforeEach, expect, test } from "vitest"
import { type HostSlot, SignTimes, sign } from "../../../../../src/actors/cryptoki/host/process/slot.ts"
import { CKM_ECDSA } from "../../../../../src/actors/cryptoki/pkcs11/pkcs11-constants.ts"
import { handleOf, type Pkcs11Module } from "../../../../../src/actors/cryptoki/pkcs11/pkcs11-module.ts"

let now = 0

beforeEach(() => {
  now = 0
})

/** A token that takes so many milliseconds; what it was made to do is in `done`. */
const token = (spec: { readonly ms: number; readonly isHardware: boolean }) => {
  const done: Array<string> = []
  const inThreads: Array<() => void> = []
  const module = {
    signInit: () => void done.push("init"),
    signAtOnce: () => {
      now += spec.ms
      done.push("at once")
      return new Uint8Array(1)
    },
    sign: () =>
      new Promise<Uint8Array>((resolve) => {
        done.push("thread")
        inThreads.push(() => {
          now += spec.ms
          resolve(new Uint8Array(1))
        })
      })
  } as Partial<Pkcs11Module> as Pkcs11Module
  const slot = { handle: handleOf("1"), isHardware: spec.isHardware } as Partial<HostSlot> as HostSlot
  const times = new SignTimes(() => now)
  const asked = {
    slot: "1",
    handle: "1",
    mechanisms: [{ mechanism: CKM_ECDSA, pss: undefined, input: new Uint8Array(32) }],
    contextPin: undefined
  }
  const signOnce = () => sign(times, module, slot, handleOf("2"), asked)
  const first = async () => {
    const signing = signOnce()
    inThreads.shift()?.()
    await signing
    done.length = 0
  }
  return { done, inThreads, signOnce, first }
}

test("the first signature with a key is made in a thread", async () => {
  const { done, inThreads, signOnce } = token({ ms: 0.1, isHardware: true })
  const signing = signOnce()
  inThreads.shift()?.()
  expect(await signing).toMatchObject({ isQuick: true })
  expect(done).toEqual(["init", "thread"])
})

test("a quick key needs no thread from then on", async () => {
  const { done, signOnce, first } = token({ ms: 0.1, isHardware: false })
  await first()
  await Promise.all([signOnce(), signOnce()])
  expect(done).toEqual(["init", "at once", "init", "at once"])
})

test("hardware of some milliseconds signs one by one; an answer leaves before the next one begins", async () => {
  const { done, signOnce, first } = token({ ms: 4, isHardware: true })
  await first()
  const leaves = () => void done.push("answer leaves")
  const signed = () => signOnce().then(() => new Promise<void>((resolve) => process.nextTick(() => resolve(leaves()))))
  await Promise.all([signed(), signed(), signed()])
  expect(done).toEqual(Array.from({ length: 3 }, () => ["init", "at once", "answer leaves"]).flat())
})

test("after four of them the event loop comes round, for what else the host is asked", async () => {
  const { done, signOnce, first } = token({ ms: 4, isHardware: true })
  await first()
  setImmediate(() => done.push("event loop"))
  await Promise.all(Array.from({ length: 5 }, signOnce))
  expect(done.filter((what) => what !== "init")).toEqual([...Array(4).fill("at once"), "event loop", "at once"])
})

test("software of some milliseconds signs in threads, side by side", async () => {
  const { done, inThreads, signOnce, first } = token({ ms: 4, isHardware: false })
  await first()
  const signing = [signOnce(), signOnce()]
  expect(done).toEqual(["init", "thread", "init", "thread"])
  for (const end of inThreads) end()
  await Promise.all(signing)
})

test("what waited for another one does not make the key a slow one", async () => {
  const { done, inThreads, signOnce } = token({ ms: 4, isHardware: true })
  const together = [signOnce(), signOnce(), signOnce(), signOnce()]
  for (const signing of together) {
    inThreads.shift()?.()
    await signing
  }
  done.length = 0
  await signOnce()
  expect(done).toEqual(["init", "at once"])
})

test("hardware that takes long is left to a thread, so that the host goes on answering", async () => {
  const { done, inThreads, signOnce, first } = token({ ms: 40, isHardware: true })
  await first()
  const signing = signOnce()
  expect(done).toEqual(["init", "thread"])
  inThreads.shift()?.()
  expect(await signing).toMatchObject({ isQuick: false })
})

test("one that fails does not hold up those behind it", async () => {
  const times = new SignTimes(() => now)
  const failing = times.inTurn(() => {
    throw new Error("CKR_DEVICE_ERROR")
  })
  const next = times.inTurn(() => "made")
  await expect(failing).rejects.toThrow("CKR_DEVICE_ERROR")
  expect(await next).toBe("made")
})
