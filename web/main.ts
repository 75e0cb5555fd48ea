/** The page of `tedge status --web`: listens to the command that serves it, and shows one service at a time. */

import { isBad } from "../src/messages/status/verdict.ts"
import { showCards } from "./cards.ts"
import { byId, element } from "./dom.ts"
import { clock } from "./format.ts"
import { showGraph } from "./graph.ts"
import { showPlots } from "./plots.ts"
import { type Service, services, type Told, take } from "./store.ts"
import { showTimelines } from "./timelines.ts"

let selected: string | undefined

const show = (service: Service): void => {
  const { gone, snapshot, log } = service
  byId("service").classList.toggle("stale", gone !== undefined)
  const text = noteOf(service)
  byId("gone").hidden = text === ""
  byId("gone").className = lookOf(service)
  if (byId("gone").textContent !== text) byId("gone").textContent = text // it is read aloud
  showCards(snapshot)
  showPlots(service)
  showGraph(service)
  showTimelines(service)
  const lines = byId("log")
  const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4
  lines.replaceChildren(
    ...log.map(({ at, level, target, text }) =>
      element("li", { class: level }, `${clock(at)} ${level.toUpperCase()} ${target}: ${text}`)
    )
  )
  if (isAtEnd) lines.scrollTop = lines.scrollHeight
}

const noteOf = ({ name, gone, settings }: Service): string => {
  if (gone === undefined) return settings ?? ""
  if (gone.idle) return `${name} is idle: its first client starts it`
  if (gone.state === "up") return `${name} runs, without a status to show`
  return [`${name}: ${gone.error ?? gone.state}`, ...(gone.hint === undefined ? [] : [gone.hint])].join("; ")
}

/** The verdict of `tedge status`, and its exit code. */
const lookOf = ({ gone, snapshot, settings }: Service): string => {
  if (gone !== undefined) return gone.bad ? "bad" : gone.state === "up" ? "good" : "warn"
  if (isBad({ state: "up", snapshot })) return "bad"
  return settings === undefined ? "good" : "warn"
}

const showTabs = (): void => {
  const tabs = byId("services")
  for (const tab of tabs.querySelectorAll<HTMLButtonElement>("[data-service]"))
    if (!services.has(tab.dataset.service ?? "")) tab.remove()
  for (const service of services.values()) {
    let tab = tabs.querySelector<HTMLButtonElement>(`[data-service="${CSS.escape(service.name)}"]`)
    if (tab === null) {
      const made = element("button", { type: "button", role: "tab", "data-service": service.name }, service.name)
      made.addEventListener("click", () => select(service.name))
      made.addEventListener("keydown", moveTab)
      tabs.append(made)
      tab = made as HTMLButtonElement
    }
    tab.className = lookOf(service)
    tab.setAttribute("aria-selected", String(service.name === selected))
    tab.tabIndex = service.name === selected ? 0 : -1
  }
}

const moveTab = (event: KeyboardEvent): void => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (step === undefined) return
  const names = [...services.keys()]
  const next = names[(names.indexOf(selected ?? "") + step + names.length) % names.length]
  if (next !== undefined) select(next)
  byId("services").querySelector<HTMLButtonElement>('[aria-selected="true"]')?.focus()
}

const select = (name: string): void => {
  selected = name
  showTabs()
  const service = services.get(name)
  if (service !== undefined) show(service)
}

document.addEventListener("chosen", () => select(selected ?? ""))

const live = byId("live")
const events = new EventSource("events")
events.addEventListener("open", () => {
  live.textContent = "live"
  live.className = ""
})
events.addEventListener("error", () => {
  live.textContent = "the command that serves this page has ended: run tedge status --web again"
  live.className = "ended"
})
events.addEventListener("message", ({ data }: MessageEvent<string>) => {
  const told = JSON.parse(data) as Told
  const service = take(told)
  if (selected === undefined || !services.has(selected)) selected = [...services.keys()][0]
  showTabs()
  const shown = services.get(selected ?? "")
  if (shown !== undefined && (service === shown || service === undefined)) show(shown)
})
