/** Creates and finds elements. Text from a device is set as text, never as HTML. */

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

/** Changes only what differs, so that selected text stays selected. */
export const update = (parent: Element, wanted: ReadonlyArray<Node>): void => {
  const present = [...parent.childNodes]
  for (const [index, node] of wanted.entries()) {
    const old = present[index]
    if (old === undefined) parent.append(node)
    else become(old, node)
  }
  for (const old of present.slice(wanted.length)) old.remove()
}

const become = (old: ChildNode, node: Node): void => {
  if (old.nodeName !== node.nodeName) old.replaceWith(node)
  else if (old instanceof HTMLElement && node instanceof HTMLElement) {
    for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name)
    // The Content-Security-Policy forbids style attributes.
    for (const { name, value } of node.attributes)
      if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value)
    if (old.style.cssText !== node.style.cssText) old.style.cssText = node.style.cssText
    update(old, [...node.childNodes])
  } else if (old.nodeValue !== node.nodeValue) old.nodeValue = node.nodeValue
}

export const rows = (entries: ReadonlyArray<readonly [string, string | undefined]>): ReadonlyArray<Node> =>
  entries.flatMap(([label, value]) =>
    value === undefined || value === "" ? [] : [element("dt", {}, label), element("dd", {}, value)]
  )
