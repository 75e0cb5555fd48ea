/** The actor graph: laid out when its shape changes, its numbers with every snapshot. */
import { Graph, layout } from "@dagrejs/dagre"
import type { ActorNode, Snapshot } from "../src/messages/status/snapshot.ts"
import { byId, element, rows, svg, update } from "./dom.ts"
import { milliseconds } from "./format.ts"
import { type Service, secondsBetween } from "./store.ts"

interface Shown {
  readonly node: SVGElement
  readonly update: (actor: ActorNode, before: ActorNode | undefined, seconds: number) => void
}

let shape = ""
let nodes = new Map<string, Shown>()
let chosen: string | undefined

export const showGraph = (service: Service): void => {
  const { snapshot, before } = service
  if (snapshot === undefined) {
    shape = ""
    byId("graph").replaceChildren()
    byId("actor").replaceChildren()
    return
  }
  const wanted = shapeOf(service.name, snapshot)
  if (wanted !== shape) {
    shape = wanted
    draw(snapshot)
  }
  const seconds = before === undefined ? 1 : secondsBetween(before, snapshot)
  for (const actor of snapshot.actors)
    nodes.get(actor.name)?.update(
      actor,
      before?.actors.find(({ name }) => name === actor.name),
      seconds
    )
  const actor = snapshot.actors.find(({ name }) => name === chosen)
  update(byId("actor"), actor === undefined ? [] : facts(actor))
}

const shapeOf = (name: string, { supervisors, actors }: Snapshot): string =>
  JSON.stringify([
    name,
    supervisors.map((one) => [one.name, one.supervisor]),
    actors.map((one) => [one.name, one.supervisor, one.peers])
  ])

const width = 178
const height = 62

const draw = ({ supervisors, actors }: Snapshot): void => {
  const graph = new Graph({ multigraph: true })
  graph.setGraph({ rankdir: "LR", nodesep: 16, ranksep: 36, marginx: 8, marginy: 8 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { name } of supervisors) graph.setNode(`^${name}`, { width, height: 40 })
  for (const { name } of actors) graph.setNode(name, { width, height })
  for (const { name, supervisor } of supervisors)
    if (supervisor !== undefined) graph.setEdge(`^${supervisor}`, `^${name}`, {}, "supervises")
  for (const { name, supervisor, peers } of actors) {
    if (graph.hasNode(`^${supervisor}`)) graph.setEdge(`^${supervisor}`, name, {}, "supervises")
    for (const peer of peers) if (graph.hasNode(peer)) graph.setEdge(name, peer, {}, "asks")
  }
  layout(graph)
  const size = graph.graph()
  const [w, h] = [Math.ceil(size.width ?? 0), Math.ceil(size.height ?? 0)]
  const picture = svg("svg", { width: w, height: h, viewBox: `0 0 ${w} ${h}` }, arrowHead())
  for (const edge of graph.edges()) {
    const { points } = graph.edge(edge) as {
      readonly points: ReadonlyArray<{ readonly x: number; readonly y: number }>
    }
    const isAsk = edge.name === "asks"
    const d = points.map(({ x, y }, index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("")
    picture.append(
      svg("path", {
        d,
        class: `edge ${edge.name}`,
        "marker-end": isAsk ? "url(#head)" : undefined,
        "data-from": edge.v
      })
    )
  }
  nodes = new Map()
  const place = (name: string) => graph.node(name) as { readonly x: number; readonly y: number }
  for (const supervisor of supervisors) {
    const { x, y } = place(`^${supervisor.name}`)
    picture.append(
      svg(
        "g",
        { class: "node supervisor", transform: `translate(${x - width / 2} ${y - 20})` },
        svg("rect", { class: "box", width, height: 40, rx: 6 }),
        svg("text", { x: 10, y: 16 }, supervisor.name),
        svg("text", { x: 10, y: 32, class: "soft" }, `${supervisor.strategy.replaceAll("_", " ")}, ${supervisor.max}×`)
      )
    )
  }
  for (const { name } of actors) {
    const shown = actorNode(name, place(name))
    nodes.set(name, shown)
    picture.append(shown.node)
  }
  byId("graph").replaceChildren(picture)
}

const arrowHead = () =>
  svg(
    "defs",
    {},
    svg(
      "marker",
      {
        id: "head",
        viewBox: "0 0 8 8",
        refX: 8,
        refY: 4,
        markerWidth: 8,
        markerHeight: 8,
        markerUnits: "userSpaceOnUse",
        orient: "auto"
      },
      svg("path", { class: "head", d: "M0 0L8 4L0 8z" })
    )
  )

const actorNode = (name: string, { x, y }: { readonly x: number; readonly y: number }): Shown => {
  const state = svg("text", { x: 10, y: 32, class: "soft" })
  const mail = svg("text", { x: width - 8, y: 46, "text-anchor": "end", class: "soft" })
  const depth = svg("rect", { class: "depth", x: 10, y: 38, width: 0, height: 8, rx: 2 })
  const time = svg("rect", { class: "time", x: 10, y: 51, width: 0, height: 5, rx: 2 })
  const bar = width - 96
  const node = svg(
    "g",
    {
      class: "node",
      tabindex: 0,
      role: "button",
      "data-actor": name,
      transform: `translate(${x - width / 2} ${y - height / 2})`
    },
    svg("rect", { class: "box", width, height, rx: 6 }),
    svg("text", { x: 10, y: 17 }, name.length > 26 ? `…${name.slice(-25)}` : name),
    state,
    svg("rect", { class: "mailbox", x: 10, y: 38, width: bar, height: 8, rx: 2 }),
    svg("rect", { class: "mailbox", x: 10, y: 51, width: bar, height: 5, rx: 2 }),
    depth,
    time,
    mail
  )
  const choose = () => {
    chosen = name
    for (const each of nodes.values()) each.node.classList.toggle("chosen", each.node === node)
    node.dispatchEvent(new CustomEvent("chosen", { bubbles: true }))
  }
  node.addEventListener("click", choose)
  node.addEventListener("keydown", (event) => onKey(event as KeyboardEvent, name, choose))
  if (chosen === name) node.classList.add("chosen")
  return {
    node,
    update: (actor, before, seconds) => {
      const share = before === undefined ? 0 : (actor.handling_ms - before.handling_ms) / (seconds * 1000)
      const restarts = actor.restarts === 0 ? "" : `, ${actor.restarts} restarts`
      state.textContent = `${actor.state}${restarts}`
      const used = actor.depth === 0 ? 0 : Math.max(3, Math.min(actor.depth / Math.max(actor.capacity, 1), 1) * bar)
      depth.setAttribute("width", String(used))
      time.setAttribute("width", String(Math.min(Math.max(share, 0), 1) * bar))
      mail.textContent = `${actor.depth}/${actor.capacity}`
      const isDown = ["parked", "waiting", "stopped"].includes(actor.state)
      node.classList.toggle("bad", isDown)
      node.classList.toggle("busy", !isDown && (actor.oldest_ms > 1000 || actor.depth > actor.capacity / 2))
      const label = `${name}: ${actor.state}, mailbox ${actor.depth} of ${actor.capacity}${restarts}`
      node.setAttribute("aria-label", label)
      const isActive = before !== undefined && actor.handled > before.handled
      for (const edge of document.querySelectorAll(`.edge.asks[data-from="${CSS.escape(name)}"]`))
        edge.classList.toggle("active", isActive)
    }
  }
}

const onKey = (event: KeyboardEvent, name: string, choose: () => void): void => {
  const names = [...nodes.keys()]
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
  if (step !== undefined) {
    const next = names[(names.indexOf(name) + step + names.length) % names.length]
    nodes.get(next ?? name)?.node.focus()
  } else if (event.key === "Enter" || event.key === " ") choose()
  else return
  event.preventDefault()
}

const facts = (actor: ActorNode): ReadonlyArray<Node> => [
  element("dt", {}, "actor"),
  element("dd", {}, actor.name),
  ...rows([
    ["state", actor.reason === undefined ? actor.state : `${actor.state}: ${actor.reason}`],
    ["supervisor", actor.supervisor],
    ["sends to", actor.peers.join(", ")],
    ["mailbox", `${actor.depth} of ${actor.capacity}, at most ${actor.max_depth}; full: ${actor.overflow}`],
    ["oldest wait", milliseconds(actor.oldest_ms)],
    ["handles now", actor.handling.map(({ message, for_ms }) => `${message} for ${milliseconds(for_ms)}`).join(", ")],
    ["handled", `${actor.handled}, longest ${milliseconds(actor.longest_handling_ms)}`],
    ["waited", `longest ${milliseconds(actor.longest_wait_ms)}`],
    ["restarts", String(actor.restarts)],
    ["lost", `${actor.dropped} dropped, ${actor.refused} refused, ${actor.dead_letters} dead letters`]
  ])
]
