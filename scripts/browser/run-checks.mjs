/** Checks in a browser: each in windows of its own, which may ask no other machine and log no error. */
import assert from "node:assert/strict"

/**
 * `checks`: name -> what a reader does and must see; it gets `facts` and `open`, which answers a page of a new browser
 * window of that size. Answers how many passed and failed.
 */
export const runChecks = async (browser, checks, facts) => {
  const tests = { passed: 0, failed: 0 }
  for (const [name, check] of Object.entries(checks)) {
    const contexts = []
    const seen = []
    const open = async (viewport = { width: 1280, height: 800 }, options = {}) => {
      const context = await browser.newContext({ viewport, ...options })
      contexts.push(context)
      return watched(context, facts.origin, seen)
    }
    try {
      await check({ ...facts, open })
      assert.deepEqual(seen, [])
      tests.passed += 1
      console.log(`ok      ${name}`)
    } catch (error) {
      tests.failed += 1
      console.log(`FAILED  ${name}: ${error.message}`)
    }
    for (const context of contexts) await context.close()
  }
  return tests
}

/** What a page does beyond the check: requests elsewhere are refused and remembered, and so are its errors. */
const watched = async (context, origin, seen) => {
  await context.route(
    (url) => url.origin !== origin,
    (route) => {
      seen.push(`asked for ${route.request().url()}`)
      return route.abort()
    }
  )
  const page = await context.newPage()
  page.on("pageerror", (error) => seen.push(`error: ${error.message}`))
  page.on("console", (message) => {
    if (message.type() === "error") seen.push(`console: ${message.text()}`)
  })
  page.on("response", (response) => {
    if (response.status() >= 400 && !response.url().endsWith("/favicon.ico"))
      seen.push(`${response.status()} ${response.url()}`)
  })
  return page
}
