/** A connection's stream with a PacketReader before what is read from it. Closing either closes both. */
import { Duplex } from "node:stream"
import type { PacketReader } from "./packet-reader.ts"

export class PacketStream extends Duplex {
  private readonly below: Duplex

  constructor(below: Duplex, reader: PacketReader) {
    super()
    this.below = below
    below.on("data", (chunk: Buffer) => {
      for (const part of reader.read(chunk)) if (!this.push(part)) below.pause()
    })
    below.on("end", () => this.push(null))
    // Its error is heard where the stream below is watched.
    below.on("close", () => this.destroy())
  }

  override _read(): void {
    this.below.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.below.write(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.below.end(done)
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.below.destroy()
    done(null)
  }
}
