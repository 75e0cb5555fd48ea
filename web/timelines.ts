/** One signature and one message, hop by hop. */
import type { Timeline } from "../src/messages/status/snapshot.ts"
import { byId, element, update } from "./dom.ts"
import { clock, milliseconds } from "./format.ts"
import type { Service } from "./store.ts"

export const showTimelines = ({ snapshot }: Service): void => {
  const shown = [
    ...(snapshot?.signature === undefined ? [] : [timeline("signature", snapshot.signature)]),
    ...(snapshot?.message === undefined ? [] : [timeline("message", snapshot.message)])
  ]
  const nothing = element("p", { class: "soft" }, "no signature and no message yet")
  update(byId("timelines"), shown.length === 0 ? [nothing] : shown)
}

const timeline = (kind: string, { at, took_ms, about, direction, outcome, hops }: Timeline): Node => {
  const whole = Math.max(took_ms, 0.001)
  const head = `${kind}: ${about}${direction === undefined ? "" : `, ${direction}`}, ${milliseconds(took_ms)}, ${outcome}`
  return element(
    "div",
    { class: "timeline", "data-timeline": kind },
    element("p", {}, head, " ", element("span", { class: "soft" }, clock(at))),
    ...hops.map((hop) => {
      const bar = element("span", { class: "bar" })
      bar.style.left = `${Math.min((hop.at_ms / whole) * 100, 100)}%`
      bar.style.width = `${Math.min((hop.took_ms / whole) * 100, 100 - Math.min((hop.at_ms / whole) * 100, 100))}%`
      return element(
        "div",
        { class: "hop" },
        element("span", {}, hop.name),
        element("span", { class: "track" }, bar),
        element("span", { class: "ms" }, milliseconds(hop.took_ms))
      )
    })
  )
}
