/**
 * `npm run test:docs`: builds the documents as a site and looks at it in Chromium, as a reader does; then at the page of
 * `tedge status --web` (scripts/browser/status-page.mjs).
 *
 * The browser reaches this machine only, so the site is shown to need no network. Chromium comes from Debian
 * (scripts/debian-packages.mjs). Pictures of what was seen are left in build/site-pictures.
 */
import "./lib/node-version.mjs"
import assert from "node:assert/strict"
import { createReadStream, mkdirSync, readdirSync, statSync } from "node:fs"
import { createServer } from "node:http"
import { dirname, extname, join, normalize } from "node:path"
import { fileURLToPath } from "node:url"
import { runChecks } from "./browser/run-checks.mjs"
import { statusPageChecks } from "./browser/status-page.mjs"
import { find, run } from "./lib/run.mjs"
import { inOwnDirectory } from "./lib/tests/own-directory.mjs"
import { countLine } from "./lib/tests/test-outcome.mjs"
import { SetupFailed, setup } from "./setup.mjs"

const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const site = join(root, "build/site")
const pictures = join(root, "build/site-pictures")

/** Name of a check -> what a reader does and must see. `open` answers a page of a new browser window of that size. */
const checks = {
  "the index leads to every page": async ({ open, origin }) => {
    const page = await open()
    await page.goto(origin)
    await page.locator("h1", { hasText: "Documentation" }).waitFor()
    const linked = await page.locator(".VPSidebar a").evaluateAll((links) => links.map(({ href }) => href))
    const unlinked = pagesOf(site).filter((name) => name !== "index.html" && !name.startsWith("decisions/0"))
    const paths = linked.map((href) => new URL(href).pathname.slice(1).replace(/(^|\/)$/, "$1index.html"))
    assert.deepEqual(
      unlinked.filter((name) => !paths.includes(name)),
      []
    )
    await page.screenshot({ path: join(pictures, "index.png") })
  },

  "every link leads to a page and a heading that exist": async ({ open, origin }) => {
    const page = await open()
    const ids = new Map()
    const links = []
    for (const name of pagesOf(site)) {
      await page.goto(`${origin}/${name}`, { waitUntil: "domcontentloaded" })
      ids.set(`/${name}`, await page.locator("[id]").evaluateAll((elements) => elements.map(({ id }) => id)))
      const hrefs = await page.locator("a[href]").evaluateAll((anchors) => anchors.map(({ href }) => href))
      links.push(...hrefs.filter((href) => href.startsWith(origin)).map((href) => ({ name, href })))
    }
    const broken = links.filter(({ href }) => {
      const { pathname, hash } = new URL(href)
      const known = ids.get(pathname.endsWith("/") ? `${pathname}index.html` : pathname)
      return known === undefined || (hash !== "" && !known.includes(decodeURIComponent(hash.slice(1))))
    })
    assert.ok(links.length > 100, `${links.length} links`)
    assert.deepEqual(broken, [])
  },

  "search finds an error message and opens the section that explains it": async ({ open, origin }) => {
    const page = await open()
    await page.goto(origin, { waitUntil: "networkidle" })
    await page.keyboard.press("/")
    await page.locator(".VPLocalSearchBox input").fill("two different PINs were refused")
    await page.locator(".VPLocalSearchBox .result").first().waitFor()
    await page.screenshot({ path: join(pictures, "search.png") })
    await page.locator(".VPLocalSearchBox .result", { hasText: "PIN rejected" }).first().click()
    await page.waitForURL(/troubleshooting.*#pin-rejected/)
    await page.locator("main li", { hasText: "two different PINs were refused" }).waitFor()
  },

  "a page fits a phone's width, and its menu opens": async ({ open, origin }) => {
    const page = await open({ width: 360, height: 740 })
    for (const name of pagesOf(site)) {
      await page.goto(`${origin}/${name}`, { waitUntil: "domcontentloaded" })
      const widest = await page.evaluate("document.documentElement.scrollWidth")
      assert.ok(widest <= 360, `${name} is ${widest} wide`)
    }
    await page.goto(`${origin}/quick-start.html`)
    await page.screenshot({ path: join(pictures, "phone.png") })
    await page.locator(".VPLocalNav button.menu").click()
    await page.locator(".VPSidebar.open a", { hasText: "Settings" }).click()
    await page.waitForURL(/settings/)
    await page.locator("h1", { hasText: "Settings" }).waitFor()
  },

  "pictures are shown": async ({ open, origin }) => {
    const page = await open()
    await page.goto(`${origin}/performance.html`)
    const widths = await page.locator("main img").evaluateAll((images) => images.map((image) => image.naturalWidth))
    assert.ok(widths.length >= 5 && widths.every((width) => width > 0), String(widths))
  }
}

const pagesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => name.endsWith(".html") && name !== "404.html"
  )

const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2"
}

/** A web server that serves the site's files and nothing else; it listens on a free port of this machine. */
const serve = () =>
  new Promise((resolve) => {
    const server = createServer(({ url }, response) => {
      const path = normalize(decodeURIComponent(new URL(url, "http://localhost").pathname))
      const file = join(site, path.endsWith("/") ? `${path}index.html` : path)
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return response.writeHead(404).end()
      response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" })
      createReadStream(file).pipe(response)
    })
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

const main = async () => {
  await setup("docs")
  await setup("demo")
  const built = await run("npm", ["run", "docs"], { cwd: root, show: true })
  if (built.code !== 0) throw new SetupFailed("the site was not built")
  mkdirSync(pictures, { recursive: true })
  const { chromium } = await import("playwright-core")
  return inOwnDirectory(async ({ env, dir }) => {
    const server = await serve()
    const origin = `http://127.0.0.1:${server.address().port}`
    // Chromium's own sandbox refuses to run as root; what it opens here is our own site.
    const args = process.getuid() === 0 ? ["--no-sandbox"] : []
    const browser = await chromium.launch({ executablePath: find("chromium"), args, env })
    const site = await runChecks(browser, checks, { origin })
    const page = await statusPageChecks(browser, { dir, root })
    await browser.close()
    server.closeAllConnections()
    server.close()
    return { passed: site.passed + page.passed, failed: site.failed + page.failed }
  })
}

try {
  const tests = await main()
  console.log(`\n${countLine(tests)}`)
  process.exitCode = tests.failed === 0 ? 0 : 1
} catch (error) {
  if (!(error instanceof SetupFailed)) throw error
  console.error(`docs: ${error.message}`)
  process.exitCode = 1
}
