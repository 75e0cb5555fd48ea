/** A broker that grants everything, and then does what no broker should: packet bytes by hand on a socket of the test's. */
import type { Duplex } from "node:stream"

export interface PlayedBroker {
  /** It has subscribed, and everything it was sent is answered: what is written now comes between no packets. Once. */
  readonly onQuiet: () => void
  /** It was acknowledged. */
  readonly onPuback?: () => void
}

/** Answers CONNECT, SUBSCRIBE, PUBLISH with QoS 1 and PINGREQ (MQTT 3.1.1 and 5.0). */
export const playBroker = (socket: Duplex, { onQuiet, onPuback }: PlayedBroker): void => {
  let quiet: NodeJS.Timeout | undefined
  let isQuiet = false
  let held = Buffer.alloc(0)
  let isV5 = false
  const answer = (type: number, body: ReadonlyArray<number>) => socket.write(Buffer.from([type, body.length, ...body]))
  const take = (type: number, body: Buffer) => {
    const at = (index: number) => body[index] ?? 0
    switch (type >> 4) {
      case 1:
        isV5 = at(6) === 5
        return answer(0x20, isV5 ? [0, 0, 0] : [0, 0])
      case 3: {
        const id = 2 + body.readUInt16BE(0)
        return (type & 0x06) === 0 ? undefined : answer(0x40, [at(id), at(id + 1)])
      }
      case 4:
        return onPuback?.()
      case 8: {
        const codes: Array<number> = []
        for (let next = isV5 ? 3 + at(2) : 2; next < body.length; next += 3 + body.readUInt16BE(next)) codes.push(1)
        answer(0x90, [at(0), at(1), ...(isV5 ? [0] : []), ...codes])
        quiet ??= setTimeout(() => {
          isQuiet = true
          onQuiet()
        }, quietMs)
        return
      }
      case 12:
        return answer(0xd0, [])
    }
  }
  socket.on("error", () => {})
  socket.on("data", (chunk: Buffer) => {
    if (!isQuiet) quiet?.refresh()
    held = Buffer.concat([held, chunk])
    for (;;) {
      let length = 0
      let size = 1
      for (let shift = 0; ; shift += 7) {
        const byte = held[size++]
        if (byte === undefined) return
        length += (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
      if (held.length < size + length) return
      take(held[0] ?? 0, held.subarray(size, size + length))
      held = held.subarray(size + length)
    }
  })
}

/** PUBLISH with QoS 1 whose payload is so many zeros, written as fast as the other side reads. */
export const pourPublish = (socket: Duplex, topic: string, payloadBytes: number): void => {
  const head = Buffer.concat([Buffer.from([0, Buffer.byteLength(topic)]), Buffer.from(topic), Buffer.from([0, 9, 0])])
  const length: Array<number> = []
  for (let rest = head.length + payloadBytes; length.length === 0 || rest > 0; rest >>>= 7)
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
  socket.write(Buffer.concat([Buffer.from([0x32, ...length]), head]))
  const zeros = Buffer.alloc(64 * 1024)
  let left = payloadBytes
  const pour = () => {
    while (left > 0 && !socket.destroyed) {
      const some = zeros.subarray(0, Math.min(left, zeros.length))
      left -= some.length
      if (!socket.write(some)) return void socket.once("drain", pour)
    }
  }
  pour()
}

/** Long for two ends on one machine. */
const quietMs = 500
