/**
 * The bridge's curves: latency beside mosquitto's own bridge, and memory while messages wait for a dead cloud.
 */

/** Both are results of mqtt-load's receiver. */
export const drawLatency = (draw, { ours, theirs }) =>
  draw("bridge-latency", {
    title: "Bridge at 200 messages a second: latency, in milliseconds",
    description: `Percentiles of the time from publisher to subscriber. Median and 99th percentile: ours ${words(ours)}; mosquitto's own bridge ${words(theirs)}.`,
    x: { label: "percentile of the messages", scale: "percentile" },
    y: { label: "ms", scale: "log" },
    lines: [
      { name: "tedge-mapper, key in a token", points: ours.curve },
      { name: "mosquitto's own bridge, key in a file", points: theirs.curve }
    ]
  })

/** Samples are [seconds, MiB of the mapper, MiB of the local broker]; `backAt`: when the cloud was back, in seconds. */
export const drawMemory = (draw, { messages, backAt, samples }) => {
  const column = (n) => samples.map((sample) => [sample[0], sample[n]])
  const most = (n) => Math.max(...samples.map((sample) => sample[n])).toFixed(0)
  const height = Math.max(...samples.flatMap(([, mapper, broker]) => [mapper, broker]))
  draw("bridge-memory", {
    title: `Memory while ${messages.toLocaleString("en-GB")} messages of 1 KiB wait for a dead cloud, in MiB`,
    description: `The mapper has ${most(1)} MiB at most, the local broker, which keeps the messages, ${most(2)} MiB.`,
    x: { label: "seconds" },
    y: { label: "MiB resident" },
    lines: [
      { name: "tedge-mapper", points: column(1), marks: false },
      { name: "the local broker", points: column(2), marks: false },
      {
        name: "the cloud is back",
        points: [
          [backAt, 0],
          [backAt, height]
        ],
        dashed: true,
        marks: false
      }
    ]
  })
}

const words = ({ p50, p99 }) => `${p50.toFixed(2)} and ${p99.toFixed(2)} ms`
