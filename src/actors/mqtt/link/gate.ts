/** Holds back publishers until the connection is ready for them. */
import { Deferred, Effect } from "effect"
import type { Connection } from "../connection.ts"

export class Gate {
  /** The connection, while the gate is open. */
  connection: Connection | undefined
  private opened = Deferred.makeUnsafe<Connection>()

  open(connection: Connection): void {
    this.connection = connection
    Deferred.doneUnsafe(this.opened, Effect.succeed(connection))
  }

  close(): void {
    if (this.connection === undefined) return
    this.connection = undefined
    this.opened = Deferred.makeUnsafe<Connection>()
  }

  readonly pass: Effect.Effect<Connection> = Effect.suspend(() => Deferred.await(this.opened))
}
