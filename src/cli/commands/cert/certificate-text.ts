/** Prints a certificate as `tedge cert show` does. Source: thin-edge CLI reference, cert show. */
import { createHash, type X509Certificate } from "node:crypto"
import { shownText } from "../../../messages/shown-text.ts"

export const validityOf = (
  certificate: X509Certificate,
  now: Date,
  minimumMs: number
): "valid" | "expiresSoon" | "expired" | "notYetValid" => {
  const from = new Date(certificate.validFrom).getTime()
  const to = new Date(certificate.validTo).getTime()
  if (now.getTime() < from) return "notYetValid"
  if (now.getTime() > to) return "expired"
  return to - now.getTime() <= minimumMs ? "expiresSoon" : "valid"
}

export const certificateText = (path: string, certificate: X509Certificate, now: Date, minimumMs: number): string => {
  const serial = BigInt(`0x${certificate.serialNumber}`)
  const rows = [
    ["Certificate", path],
    // Node prints each part of a name on its own line; the documents print one line.
    ["Subject", certificate.subject.replaceAll("\n", ", ")],
    ["Issuer", certificate.issuer.replaceAll("\n", ", ")],
    ["Status", statusText(certificate, now, minimumMs)],
    ["Valid from", rfc2822(certificate.validFrom)],
    ["Valid until", rfc2822(certificate.validTo)],
    ["Serial number", `${serial} (0x${serial.toString(16)})`],
    ["Thumbprint", createHash("sha1").update(certificate.raw).digest("hex").toUpperCase()]
  ] as const
  return rows.map(([label, value]) => `${`${label}:`.padEnd(15)}${shownText(value)}\n`).join("")
}

export const statusText = (certificate: X509Certificate, now: Date, minimumMs: number): string => {
  const until = span(new Date(certificate.validTo).getTime() - now.getTime())
  switch (validityOf(certificate, now, minimumMs)) {
    case "valid":
      return `VALID (expires in: ${until})`
    case "expiresSoon":
      return `EXPIRES SOON (expires in: ${until})`
    case "expired":
      return `EXPIRED (since: ${span(now.getTime() - new Date(certificate.validTo).getTime())})`
    case "notYetValid":
      return `NOT VALID YET (will be in: ${span(new Date(certificate.validFrom).getTime() - now.getTime())})`
  }
}

/** `364d 23h 59m 59s`, without the leading parts that are zero. */
const span = (ms: number): string => {
  const whole = Math.floor(ms / 1000)
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"]
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  return (first === -1 ? parts.slice(3) : parts.slice(first)).map(([value, unit]) => `${value}${unit}`).join(" ")
}

/** RFC 5322, 3.3: `Thu, 05 Mar 2026 05:06:07 +0000`. */
const rfc2822 = (date: string): string => new Date(date).toUTCString().replace("GMT", "+0000")
