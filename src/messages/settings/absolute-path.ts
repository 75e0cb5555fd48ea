/** Absolute, clean paths without touching the file system. `messages` stays free of Node's modules. */

/** Joined to `directory` if it is relative; without `.`, `..`, doubled and trailing slashes. */
export const absolutePath = (path: string, directory: string): string => {
  const segments: Array<string> = []
  for (const segment of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (segment === "" || segment === ".") continue
    if (segment === "..") segments.pop()
    else segments.push(segment)
  }
  return `/${segments.join("/")}`
}
