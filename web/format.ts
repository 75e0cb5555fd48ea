/** Numbers as text. */

export const milliseconds = (ms: number): string =>
  ms >= 1000 ? duration(ms) : ms >= 10 || Number.isInteger(ms) ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`

export const duration = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`
}

export const bytes = (count: number): string =>
  count < 1024
    ? `${count} B`
    : count < 1048576
      ? `${(count / 1024).toFixed(1)} KiB`
      : `${(count / 1048576).toFixed(1)} MiB`

export const clock = (at: number): string => new Date(at).toLocaleTimeString()

export const date = (at: number): string => new Date(at).toLocaleDateString()

export const messages = (count: number): string => `${count} message${count === 1 ? "" : "s"}`
