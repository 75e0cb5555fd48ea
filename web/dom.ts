/** Elements, made and found. Text comes from a device: it is never read as HTML. */

type Attributes = Readonly<Record<string, string | number | undefined>>

const svgSpace = "http://www.w3.org/2000/svg"

export const byId = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

export const element = (name: string, attributes: Attributes = {}, ...children: ReadonlyArray<Node | string>) =>
  filled(document.createElement(name), attributes, children)

export const svg = (name: string, attributes: Attributes = {}, ...children: ReadonlyArray<Node | string>) =>
  filled(document.createElementNS(svgSpace, name), attributes, children)

const filled = <Made extends Element>(made: Made, attributes: Attributes, children: ReadonlyArray<Node | string>) => {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, String(value))
  made.append(...children)
  return made
}

export const rows = (entries: ReadonlyArray<readonly [string, string | undefined]>): ReadonlyArray<Node> =>
  entries.flatMap(([label, value]) =>
    value === undefined || value === "" ? [] : [element("dt", {}, label), element("dd", {}, value)]
  )
