/**
 * The page of `tedge status --web`, watched as a person does: a device with its mapper, token, local broker and cloud.
 *
 * The pictures of the documents are made here.
 */
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { createDevice, executable } from "../lib/device/device.mjs"
import { run } from "../lib/run.mjs"
import { playedService } from "./played-service.mjs"
import { runChecks } from "./run-checks.mjs"

/** Where docs/observing.md shows them from; elsewhere unless `UPDATE_PICTURES` is set. */
const folder = (root) => (process.env.UPDATE_PICTURES ? join(root, "docs/pictures") : join(root, "build/site-pictures"))

export const statusPageChecks = async (browser, { dir, root }) => {
  const device = await createDevice({ dir: join(dir, "d"), deviceId: "status-page" })
  const command = await connected(device)
  try {
    mkdirSync(folder(root), { recursive: true })
    const { origin } = new URL(command.url)
    return await runChecks(browser, checks, { origin, device, command, pictures: folder(root) })
  } finally {
    command.child.kill("SIGINT")
    await device.close()
  }
}

const connected = async (device) => {
  await mustDo(device, "config", "set", "aws.url", "localhost")
  await mustDo(device, "connect", "c8y")
  return servedPage(device)
}

const mustDo = async (device, ...args) => {
  const { code, stderr } = await device.tedge(args)
  assert.equal(code, 0, `tedge ${args.join(" ")}: ${stderr}`)
}

/** The command, and the address it prints. */
const servedPage = (device) =>
  new Promise((resolve, reject) => {
    const args = ["status", "--web", "--config-dir", device.configDir]
    const child = spawn(executable("tedge"), args, { env: device.env, stdio: ["ignore", "pipe", "inherit"] })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (data) => {
      text += data
      if (text.includes("\n")) resolve({ child, url: text.trim() })
    })
    child.once("exit", (code) => reject(new Error(`tedge status --web ended with ${code}`)))
  })

const card = (page, name, text) => page.locator(`[data-card="${name}"]`, { hasText: text })
const tab = (page, service) => page.locator(`[data-service="${service}"]`)
const measurement = (device) =>
  run("mosquitto_pub", ["-p", String(device.broker.port), "-q", "1", "-t", "c8y/s/us", "-m", "211,21.5"])

/** Publishes until the page has a message to show. */
const withMessages = async (device, page) => {
  for (let n = 0; n < 40 && (await page.locator('[data-timeline="message"]').count()) === 0; n++) {
    await measurement(device)
    await page.waitForTimeout(250)
  }
  await page.locator('[data-timeline="message"] .hop').first().waitFor()
}

const checks = {
  "the page shows the connection, its key, plots, actors, timelines and log": async ({
    open,
    command,
    device,
    pictures
  }) => {
    const page = await open({ width: 1280, height: 1300 })
    await page.goto(command.url)
    await page.locator("#live", { hasText: /^live$/ }).waitFor()
    await card(page, "bridge", "up for").waitFor()
    await card(page, "connection", "status-page").waitFor()
    await card(page, "certificate", "days left").waitFor()
    await page.locator('[data-timeline="signature"]', { hasText: "sign" }).waitFor()
    await withMessages(device, page)
    for (const name of ["mapper/bridge", "mapper/cloud", "mapper/local", "mapper/health", "mapper/cryptoki"])
      await page.locator(`[data-actor="${name}"]`, { hasText: "ready" }).waitFor()
    assert.ok((await page.locator(".edge.supervises").count()) > 4)
    assert.ok((await page.locator(".edge.asks").count()) > 4)
    await page.locator("#log li", { hasText: "connected" }).first().waitFor()
    assert.equal(await page.locator("#plots canvas").count(), 2)
    await page.screenshot({ path: join(pictures, "status-page.png") })
  },

  "a bridge that goes down and up is seen, with the reason": async ({ open, command, device }) => {
    const page = await open()
    await page.goto(command.url)
    await card(page, "bridge", "up for").waitFor()
    await device.cloud.stopBroker()
    await card(page, "bridge", "down for").waitFor()
    await card(page, "connection", "next try").waitFor()
    await page.locator('[data-service="tedge-mapper-c8y"].bad').waitFor()
    await device.cloud.startBroker()
    await card(page, "bridge", "up for").waitFor({ timeout: 60_000 })
    await page.locator('[data-service="tedge-mapper-c8y"].good').waitFor()
  },

  "a token that is taken away is seen, and when it is back": async ({ open, command, device }) => {
    const page = await open()
    await page.goto(command.url)
    await card(page, "bridge", "up for").waitFor()
    const tokens = tokensFolder(device)
    await device.cloud.stopBroker()
    await card(page, "bridge", "down for").waitFor()
    renameSync(tokens, `${tokens}-away`)
    mkdirSync(tokens)
    await device.cloud.startBroker()
    await page.locator('[data-card="token"].bad').waitFor({ timeout: 60_000 })
    rmSync(tokens, { recursive: true })
    renameSync(`${tokens}-away`, tokens)
    await card(page, "bridge", "up for").waitFor({ timeout: 90_000 })
    await page.locator('[data-card="token"].good').waitFor({ timeout: 60_000 })
  },

  "a mailbox that fills is seen in the graph": async ({ open, command, device }) => {
    const page = await open()
    const played = await playedService(device, "tedge-mapper-aws", (snapshot) => {
      const [busy] = snapshot.actors.filter(({ name }) => name === "mapper/bridge")
      Object.assign(busy, { depth: 230, oldest_ms: 8000, restarts: 3 })
    })
    try {
      await page.goto(command.url)
      await tab(page, "tedge-mapper-aws").click()
      const actor = page.locator('[data-actor="mapper/bridge"].busy')
      await actor.waitFor()
      const label = await actor.getAttribute("aria-label")
      assert.match(label, /mailbox 230 of 256, 3 restarts/)
      assert.ok(Number(await actor.locator(".depth").getAttribute("width")) > 50)
    } finally {
      await played.stop()
    }
    await page.locator("#gone", { hasText: "tedge-mapper-aws' is not running" }).waitFor()
  },

  "a second tab shows the same, and text of a device is never markup": async ({ open, command, device }) => {
    const [one, other] = [await open(), await open()]
    const text = '<img src="x" onerror="document.title=1">'
    const played = await playedService(device, "tedge-mapper-aws", (snapshot) => {
      snapshot.log.push({ at: snapshot.at, level: "warn", target: "t", text })
    })
    try {
      for (const page of [one, other]) {
        await page.goto(command.url)
        await tab(page, "tedge-mapper-aws").click()
        await page.locator("#log li.warn", { hasText: text }).first().waitFor()
        assert.equal(await page.title(), "tedge status")
      }
    } finally {
      await played.stop()
    }
  },

  "a page that has lost its command says so, shows what it has as of before, and goes on when it is back": async ({
    open,
    command
  }) => {
    const page = await open()
    await page.addInitScript(
      "EventSource = class extends EventSource { constructor(url) { super(url); window.last = this } }"
    )
    await page.goto(command.url)
    await card(page, "bridge", "up for").waitFor()
    const isStale = await page.evaluate(
      "last.dispatchEvent(new Event('error')), document.querySelector('main').matches('.stale')"
    )
    assert.equal(isStale, true)
    await page.locator("#live.ended", { hasText: "no connection" }).waitFor()
    await page.evaluate("last.dispatchEvent(new Event('open'))")
    await page.locator("#live", { hasText: /^live$/ }).waitFor()
    await page.locator("main:not(.stale)").waitFor()
  },

  "a connection whose service is down is shown as it is set": async ({ open, command }) => {
    const page = await open()
    await page.goto(command.url)
    await tab(page, "tedge-mapper-aws").click()
    await page.locator('[data-service="tedge-mapper-aws"].bad').waitFor()
    await card(page, "connection", "localhost:8883").waitFor()
    await card(page, "certificate", "days left").waitFor()
    await card(page, "about", "manager").waitFor()
  },

  "settings that cannot be read are told, and the services go on": async ({ open, command, device }) => {
    const page = await open()
    await page.goto(command.url)
    const file = join(device.dir, "config/tedge.toml")
    const text = readFileSync(file)
    writeFileSync(file, "no toml")
    await page.locator("#note", { hasText: "tedge.toml" }).waitFor()
    await card(page, "bridge", "up for").waitFor()
    writeFileSync(file, text)
    await page.locator("#note").waitFor({ state: "hidden" })
  },

  "text that is selected stays selected, and can be copied": async ({ open, command }) => {
    const page = await open()
    await page.goto(command.url)
    await card(page, "certificate", "days left").waitFor()
    const select = (selector) =>
      page.evaluate((found) => getSelection().selectAllChildren(document.querySelector(found)), selector)
    const uptime = () => page.locator('[data-card="about"]').textContent()
    for (const selector of ['[data-card="connection"] dd', '[data-timeline="signature"] p', "#log li"]) {
      await select(selector)
      const text = await page.evaluate("String(getSelection())")
      assert.notEqual(text.trim(), "", selector)
      const before = await uptime()
      while ((await uptime()) === before) await page.waitForTimeout(100)
      assert.equal(await page.evaluate("String(getSelection())"), text, selector)
    }
  },

  "tabs that are not seen hold no connection: a browser has six to a server": async ({ open, command }) => {
    const first = await open()
    const show = (page, isHidden) =>
      page.evaluate((hidden) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden })
        document.dispatchEvent(new Event("visibilitychange"))
      }, isHidden)
    for (let n = 0; n < 7; n++) {
      const page = n === 0 ? first : await first.context().newPage()
      await page.goto(command.url)
      await page.locator("#live", { hasText: /^live$/ }).waitFor()
      await show(page, true)
    }
    await show(first, false)
    await card(first, "bridge", "up for").waitFor()
  },

  "it can be used with the keyboard": async ({ open, command }) => {
    const page = await open()
    await page.goto(command.url)
    await page.locator('[data-actor="mapper/bridge"]').waitFor()
    await page.locator('[role="tab"][aria-selected="true"]').focus()
    await page.keyboard.press("ArrowRight")
    await page.locator('[data-service="tedge-mapper-aws"][aria-selected="true"]').waitFor()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Tab")
    const first = await page.evaluate("document.activeElement.dataset.actor")
    assert.match(first ?? "", /^\w/)
    await page.keyboard.press("ArrowRight")
    const second = await page.evaluate("document.activeElement.dataset.actor")
    assert.notEqual(second, first)
    await page.keyboard.press("Enter")
    await page.locator("#actor", { hasText: second }).waitFor()
  },

  "it fits a phone's width, and is dark where the system is": async ({ open, command, pictures }) => {
    const page = await open({ width: 360, height: 740 }, { colorScheme: "dark" })
    await page.goto(command.url)
    await card(page, "bridge", "up for").waitFor()
    await page.locator("#plots canvas").first().waitFor()
    assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360)
    const color = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    const light = await open()
    await light.goto(command.url)
    assert.notEqual(await light.evaluate("getComputedStyle(document.body).backgroundColor"), color)
    await page.screenshot({ path: join(pictures, "status-page-phone.png") })
  },

  "a service that ends while it is watched is named, and back when it is": async ({ open, command, device }) => {
    const page = await open()
    await page.goto(command.url)
    await card(page, "bridge", "up for").waitFor()
    await mustDo(device, "disconnect", "c8y")
    await page.locator("#gone", { hasText: "tedge-mapper-c8y' is not running" }).waitFor()
    await page.locator("main.stale").waitFor()
    await mustDo(device, "connect", "c8y")
    // Its cards are those of before until then.
    await page.locator("main:not(.stale)").waitFor({ timeout: 60_000 })
    await card(page, "bridge", "up for").waitFor({ timeout: 60_000 })
  }
}

const tokensFolder = (device) => {
  const [, path] = /^directories\.tokendir\s*=\s*(.+)$/m.exec(readFileSync(device.token.env.SOFTHSM2_CONF, "utf8"))
  return path.trim()
}
