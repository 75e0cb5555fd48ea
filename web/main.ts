/** The page of `tedge status --web`: listens to the command that serves it, and shows one service at a time. */
import { showCards } from "./cards.ts"
import { byId, element } from "./dom.ts"
import { clock } from "./format.ts"
import { showGraph } from "./graph.ts"
import { showPlots } from "./plots.ts"
import { type Service, services, type Told, take } from "./store.ts"
import { showTimelines } from "./timelines.ts"

let selected: string | undefined

const show = (service: Service): void => {
  const { gone, snapshot, log, name } = service
  byId("service").classList.toggle("stale", gone !== undefined)
  byId("gone").hidden = gone === undefined
  byId("gone").textContent = gone === undefined ? "" : `${name} does not answer: ${gone}`
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

const lookOf = ({ gone, snapshot }: Service): string =>
  gone !== undefined || snapshot?.bridge?.state === "down" || (snapshot?.key?.tokens ?? []).some(isBad)
    ? "bad"
    : snapshot === undefined
      ? ""
      : "good"

const isBad = ({ state, pin }: { readonly state: string; readonly pin: string }): boolean =>
  state === "gone" || pin === "latched" || pin === "locked"

const showTabs = (): void => {
  const tabs = byId("services")
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
  selected ??= service.name
  showTabs()
  if (service.name === selected) show(service)
})
