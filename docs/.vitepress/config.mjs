/**
 * The documents as a site: `npm run docs` builds it into build/site, without network.
 *
 * Sidebar and order come from docs/README.md, which is the index of both: a page that is missing there is missing here.
 */
import { readFileSync } from "node:fs"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitepress"

const docs = join(dirname(fileURLToPath(import.meta.url)), "..")

/** `## Start` and its list `- [Text](page.md): …` as a group of the sidebar. */
const groups = readFileSync(join(docs, "README.md"), "utf8")
  .split(/^## /m)
  .slice(1)
  .map((section) => ({
    text: section.split("\n")[0],
    items: [...section.matchAll(/^- \[([^\]]+)\]\(([^)]+)\)/gm)].map(([, text, target]) => ({
      text,
      link: `/${target.replace(/(^|\/)README\.md/, "$1").replace(/\.md(#|$)/, "$1")}`
    }))
  }))

/** Links to files outside docs (source, tests, README) are shown as text: the site has no such pages. */
const linksStayInside = (md) => {
  md.core.ruler.push("links-stay-inside", ({ tokens, env }) => {
    const folder = posix.dirname(env.relativePath)
    for (const { children } of tokens)
      for (const [at, token] of (children ?? []).entries()) {
        if (token.type !== "link_open") continue
        const href = token.attrGet("href") ?? ""
        token.attrSet("href", href.replace(/(^|\/)README\.md/, "$1index.md"))
        if (/^[a-z]+:/.test(href) || !posix.join(folder, href).startsWith("..")) continue
        token.type = "code_open"
        token.tag = "span"
        token.attrs = null
        const end = children.slice(at).find(({ type }) => type === "link_close")
        end.type = "code_close"
        end.tag = "span"
      }
  })
}

export default defineConfig({
  title: "tedge-actors",
  description: "thin-edge.io's connection to the cloud with the private key in a PKCS#11 token",
  outDir: join(docs, "../build/site"),
  cacheDir: join(docs, "../build/site-cache"),
  rewrites: { "README.md": "index.md", "decisions/README.md": "decisions/index.md" },
  base: process.env.DOCS_BASE ?? "/",
  markdown: { config: linksStayInside },
  themeConfig: {
    search: { provider: "local" },
    outline: "deep",
    sidebar: groups,
    nav: [
      { text: "Quick start", link: "/quick-start" },
      { text: "Commands", link: "/commands" },
      { text: "Settings", link: "/settings" }
    ]
  }
})
