/** Frames between parent and token host. */
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodeFrame, frameReader, InvalidFrame } from "../../../../src/actors/cryptoki/host/frames.ts"

const bytes = fc.uint8Array({ maxLength: 200 })
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    bytes,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-zA-Z]{1,8}$/), tie("value"), { maxKeys: 4, noNullPrototype: true })
  )
})).value

describe("frames of a token host", () => {
  it("come out as they went in, however the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 50 })), (values, cuts) => {
        const stream = Buffer.concat(values.map(encodeFrame))
        const read = frameReader()
        const out: Array<unknown> = []
        let at = 0
        for (const cut of cuts) {
          out.push(...read(stream.subarray(at, at + cut)))
          at = Math.min(stream.length, at + cut)
        }
        out.push(...read(stream.subarray(at)))
        expect(out).toEqual(values)
      })
    )
  })

  it("carry bytes as bytes, also a Buffer's", () => {
    const [out] = frameReader()(encodeFrame({ key: Buffer.from([1, 2]), none: undefined }))
    expect(out).toEqual({ key: Uint8Array.of(1, 2) })
  })

  it("are not waited for when they claim to be longer than any answer", () => {
    expect(() => frameReader(100)(Buffer.from([0, 0, 0, 101]))).toThrow(InvalidFrame)
    expect(() => frameReader()(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toThrow(InvalidFrame)
  })

  it("that are not JSON are refused without quoting them, as they may hold a PIN", () => {
    const body = Buffer.from(`{"pin":"31415926"`)
    const frame = Buffer.concat([Buffer.from([0, 0, 0, body.length]), body])
    expect(() => frameReader()(frame)).toThrow(/^not JSON$/)
  })

  it("give nothing while one is incomplete", () => {
    const frame = encodeFrame({ a: 1 })
    for (let length = 0; length < frame.length; length++) expect(frameReader()(frame.subarray(0, length))).toEqual([])
  })

  const digits = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String)
  const call = fc.nat({ max: 0xffff_ffff })
  const mechanism = fc.record({
    mechanism: fc.nat({ max: 0xffff_ffff }),
    pss: fc.constantFrom(undefined, { hash: 1, mgf: 2, saltLength: 32 }),
    input: bytes
  })
  const asked = fc.record({
    slot: digits,
    handle: digits,
    mechanisms: fc.array(mechanism, { minLength: 1, maxLength: 2 }),
    contextPin: fc.constantFrom(undefined, "123456")
  })
  const signRequest = fc.record({ call, name: fc.constant("sign"), asked })
  const signature = fc.record({
    call,
    answer: fc.record({
      signature: bytes,
      mechanismIndex: fc.nat({ max: 300 }),
      isQuick: fc.boolean(),
      tookMs: fc.float({ min: 0, max: 1e6, noNaN: true })
    })
  })

  it("carry what is signed and signatures of every shape", () => {
    fc.assert(
      fc.property(fc.oneof(signRequest, signature), (message) => {
        expect(frameReader()(encodeFrame(message))).toEqual([message])
      })
    )
  })

  it("carry a signature in little more than its own length", () => {
    const message = { call: 1, answer: { signature: new Uint8Array(64), mechanismIndex: 0, isQuick: true, tookMs: 1 } }
    expect(encodeFrame(message).length).toBeLessThan(80)
  })

  it("of the short form that end too early are refused", () => {
    const mechanisms = [{ mechanism: 1, pss: undefined, input: new Uint8Array() }]
    const request = { call: 1, name: "sign", asked: { slot: "1", handle: "22", mechanisms, contextPin: undefined } }
    for (const message of [
      request,
      { call: 1, answer: { signature: new Uint8Array(), mechanismIndex: 0, isQuick: true } }
    ]) {
      const body = encodeFrame(message).subarray(4)
      for (let length = 0; length < body.length; length++) {
        const cut = Buffer.concat([Buffer.from([0, 0, 0, length]), body.subarray(0, length)])
        expect(() => frameReader()(cut)).toThrow(InvalidFrame)
      }
    }
  })
})
