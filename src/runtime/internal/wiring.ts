/**
 * Refuses to start a tree that cannot work: a circle in which each may wait for room at the next, a peer
 * that is never started, or two actors at one address.
 *
 * Based on the peers that children declare. Asks have deadlines, so a circle of mailboxes that refuse, drop
 * or coalesce ends by itself and is allowed.
 */

import { cellOf } from "../ref.ts"
import { type AnyChild, StartRefused } from "../supervision.ts"
import type { Cell } from "./cell.ts"

export const findFault = (children: ReadonlyArray<AnyChild>): StartRefused | undefined => {
  const actors = actorsIn(children)
  const peers = new Map(actors.map((actor) => [actor.cell, actor.peers]))
  for (const [index, { cell }] of actors.entries()) {
    const isTwice = actors.findIndex((other) => other.cell === cell) !== index
    if (isTwice || isLive(cell)) return new StartRefused({ reason: "occupied", path: [cell.name] })
  }
  for (const { cell, peers: targets } of actors) {
    const missing = targets.find((peer) => !peers.has(peer) && !isLive(peer))
    if (missing !== undefined) return new StartRefused({ reason: "unconnected", path: [cell.name, missing.name] })
  }
  const circle = findCircle(peers)
  return circle && new StartRefused({ reason: "circle", path: circle.map((cell) => cell.name) })
}

const actorsIn = (
  children: ReadonlyArray<AnyChild>
): ReadonlyArray<{ readonly cell: Cell; readonly peers: ReadonlyArray<Cell> }> =>
  children.flatMap((child) => {
    if (!("kind" in child)) return actorsIn(child.children)
    return [{ cell: child.address.cell, peers: (child.peers ?? []).flatMap((ref) => cellOf(ref) ?? []) }]
  })

const isLive = (cell: Cell): boolean => cell.state !== "idle" && cell.state !== "stopped" && cell.state !== "parked"

const findCircle = (peers: ReadonlyMap<Cell, ReadonlyArray<Cell>>): ReadonlyArray<Cell> | undefined => {
  const cleared = new Set<Cell>()
  const follow = (cell: Cell, path: ReadonlyArray<Cell>): ReadonlyArray<Cell> | undefined => {
    const seenAt = path.indexOf(cell)
    if (seenAt >= 0) return [...path.slice(seenAt), cell]
    if (cleared.has(cell)) return undefined
    for (const peer of peers.get(cell) ?? []) {
      const circle = peer.overflow.policy === "block" ? follow(peer, [...path, cell]) : undefined
      if (circle !== undefined) return circle
    }
    cleared.add(cell)
    return undefined
  }
  for (const cell of peers.keys()) {
    const circle = follow(cell, [])
    if (circle !== undefined) return circle
  }
  return undefined
}
