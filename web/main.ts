/** The page of `tedge status --web`: listens to the command that serves it, and shows one service at a time. */
import { showCards } from "./cards.ts"
import { byId, element, update } from "./dom.ts"
import { clock } from "./format.ts"
import { showGraph } from "./graph.ts"
import { showPlots } from "./plots.ts"
import { apply, type ServerMessage, type Service, services } from "./store.ts"
import { showTimelines } from "./timelines.ts"

let selected: string | undefined

const show = (service: Service): void => {
  const { isGone, log } = service
  byId("service").classList.toggle("stale", isGone)
  const text = noteOf(service)
  byId("gone").hidden = text === ""
  byId("gone").className = lookOf(service)
  if (byId("gone").textContent !== text) byId("gone").textContent = text // a screen reader reads each change
  showCards(service)
  showPlots(service)
  showGraph(service)
  showTimelines(service)
  const lines = byId("log")
  const isAtEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 4
  const wanted = log.map(({ at, level, target, text }) =>
    element("li", { class: level }, `${clock(at)} ${level.toUpperCase()} ${target}: ${text}`)
  )
  // Removed from the top: the remaining elements are kept.
  const left = [...lines.children].findIndex(({ textContent }) => textContent === wanted[0]?.textContent)
  for (const line of [...lines.children].slice(0, Math.max(left, 0))) line.remove()
  update(lines, wanted)
  if (isAtEnd) lines.scrollTop = lines.scrollHeight
}

const noteOf = ({ name, isGone, report: { state, idle, error, hint } }: Service): string => {
  if (!isGone && error === undefined) return ""
  if (idle) return `${name} is idle: its first client starts it`
  if (state === "up" && error === undefined) return `${name} runs, without a status to show`
  return [`${name}: ${error ?? state}`, ...(hint === undefined ? [] : [hint])].join("; ")
}

const showNote = ({ error, hint }: { readonly error?: string; readonly hint?: string }): void => {
  const note = byId("note")
  note.hidden = error === undefined
  note.textContent = [error, hint].filter((text) => text !== undefined).join("; ")
}

/** The verdict of `tedge status`, and its exit code. */
const lookOf = ({ report: { state, bad, error } }: Service): string =>
  bad ? "bad" : state === "up" && error === undefined ? "good" : "warn"

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
let events: EventSource | undefined

/** A browser opens at most six connections to a server: a hidden tab holds none. */
const follow = (): void => {
  events?.close()
  events = undefined
  if (document.hidden) return
  events = new EventSource("events")
  events.addEventListener("open", () => {
    live.textContent = "live"
    live.className = ""
  })
  events.addEventListener("error", () => {
    live.textContent = "no connection to tedge status --web: it has ended, or the tunnel to the device is interrupted"
    live.className = "ended"
    // Stale until the next message of a service.
    byId("service").classList.add("stale")
  })
  events.addEventListener("message", ({ data }: MessageEvent<string>) => receive(JSON.parse(data) as ServerMessage))
}

const receive = (message: ServerMessage): void => {
  if (message.kind === "note") {
    showNote(message)
    return
  }
  const service = apply(message)
  if (selected === undefined || !services.has(selected)) selected = [...services.keys()][0]
  showTabs()
  const shown = services.get(selected ?? "")
  if (shown !== undefined && (service === shown || service === undefined)) show(shown)
}

document.addEventListener("visibilitychange", follow)
follow()
