/**
 * The signing service's curves: how latency is spread, and what becomes of rate and latency with more clients.
 */

/** How many clients sign at once, for the curves over it. */
export const clientCounts = [1, 2, 4, 8, 16, 32, 64]

/** `at16`, `at64` and `open` are runs of p11-load, `a` the module's own loop, `byClients` a run for each of clientCounts. */
export const drawSigning = (draw, { a, at16, at64, open, byClients }) => {
  draw("signing-latency", latencyChart(at16, at64, open))
  draw("signing-rate", rateChart(a, byClients))
  draw("signing-p99", p99Chart(a, byClients))
}

const clients = { label: "clients, each with one request at a time", scale: "log", ticks: clientCounts }

const latencyChart = (at16, at64, open) => ({
  title: "Signing service: latency of a signature, in milliseconds",
  description: `Percentiles of the time from request to answer. Median and 99th percentile: ${[
    ["16 clients", at16],
    ["64 clients", at64],
    ["open loop", open]
  ]
    .map(([name, { p50us, p99us }]) => `${name} ${ms(p50us)} and ${ms(p99us)} ms`)
    .join("; ")}.`,
  x: { label: "percentile of the signatures", scale: "percentile" },
  y: { label: "ms", scale: "log" },
  lines: [
    { name: "16 clients", points: inMs(at16.curve) },
    { name: "64 clients", points: inMs(at64.curve) },
    { name: "open loop at half the rate of 16 clients", points: inMs(open.curve) }
  ]
})

const rateChart = (a, byClients) => ({
  title: "Signing service: signatures a second, by clients",
  description: `${overClients(byClients, ({ rate }) => `${rate.toFixed(0)} signatures/s`)}. The module's own loop: ${a.rate.toFixed(0)}.`,
  x: clients,
  y: { label: "signatures/s" },
  lines: [
    { name: "tedge-p11-server", points: byClients.map(({ rate }, n) => [clientCounts[n], rate]) },
    {
      name: "the module's own loop, one thread",
      points: clientCounts.map((count) => [count, a.rate]),
      dashed: true,
      marks: false
    }
  ]
})

const p99Chart = (a, byClients) => ({
  title: "Signing service: latency by clients, in milliseconds",
  description: `99th percentile: ${overClients(byClients, ({ p99us }) => `${ms(p99us)} ms`)}.`,
  x: clients,
  y: { label: "ms", scale: "log" },
  lines: [
    { name: "99th percentile", points: byClients.map(({ p99us }, n) => [clientCounts[n], p99us / 1000]) },
    { name: "median", points: byClients.map(({ p50us }, n) => [clientCounts[n], p50us / 1000]) },
    {
      name: "a queue in front of the module's own loop",
      points: clientCounts.map((count) => [count, (count * 1000) / a.rate]),
      dashed: true,
      marks: false
    }
  ]
})

const overClients = (byClients, words) =>
  byClients.map((run, n) => `${clientCounts[n]} clients ${words(run)}`).join(", ")

const inMs = (curve) => curve.map(([percentile, us]) => [percentile, us / 1000])

const ms = (us) => (us / 1000).toFixed(2)
