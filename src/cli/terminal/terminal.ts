/**
 * Output to the user: the only file that writes to stdout and stderr.
 *
 * Answers go to stdout, everything else to stderr. The output is the same for a terminal and a pipe, except
 * for colour and spinners. Source: thin-edge, progress lines of `tedge connect`.
 */

import { existsSync } from "node:fs"
import { Effect } from "effect"
import { type Explanation, explain, type Failure } from "../../messages/explain.ts"
import { type Installation, installationOf, withCommandNames } from "../../messages/installation/installation.ts"
import { shownLines, shownText } from "../../messages/shown-text.ts"
import { type Progress, plainSteps, turningSteps } from "./progress.ts"

/** A stream of the process, or a test's replacement. */
export interface TextStream {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean
  /** It is a terminal. */
  readonly columns?: number
}

export interface Terminal extends Progress {
  /** Requested output, to stdout, unchanged. */
  readonly answer: (text: string) => Effect.Effect<void>
  /** A line for people, to stderr. */
  readonly line: (text: string) => Effect.Effect<void>
  /** As `line`, without a line end. */
  readonly text: (text: string) => Effect.Effect<void>
  readonly warning: (text: string) => Effect.Effect<void>
  readonly info: (text: string) => Effect.Effect<void>
  /** `error: …` and `hint: …`. */
  readonly explained: (explanation: Explanation) => Effect.Effect<void>
  readonly failure: (failure: Failure) => Effect.Effect<void>
  /** `label: value`, eight columns in, label and value in blue. */
  readonly entry: (label: string, value: string) => Effect.Effect<void>
}

export const makeTerminal = ({
  stdout,
  stderr,
  environment,
  inWords = (text) => text,
  quiet = false
}: {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Final edit of sentences and hints. Undefined: none. */
  readonly inWords?: ((text: string) => string) | undefined
  /** Omits elapsed times: for a log. */
  readonly quiet?: boolean
}): Terminal => {
  const moves = stderr.isTTY === true && environment.TERM !== "dumb"
  const colour = moves && !environment.NO_COLOR
  const paint = (style: Style, text: string) => (colour ? `\u001b[${styles[style]}m${text}\u001b[0m` : text)
  const raw = (text: string) => Effect.sync(() => void stderr.write(text))
  // 0: a terminal that does not report its size.
  const columns = () => stderr.columns || 80
  const steps = moves ? turningSteps(raw, paint, columns) : plainSteps(raw, quiet)
  const { err } = steps
  const prefixed = (style: Style, prefix: string, text: string) =>
    err(`${paint(style, prefix)} ${inWords(shownLines(text))}\n`)
  const explained = ({ error, hint }: Explanation): Effect.Effect<void> =>
    Effect.andThen(
      prefixed("error", "error:", error),
      hint === undefined ? Effect.void : prefixed("hint", "hint:", hint)
    )
  return {
    answer: (text) => Effect.sync(() => void stdout.write(shownLines(text))),
    line: (text) => err(`${inWords(shownLines(text))}\n`),
    text: (text) => err(shownLines(text)),
    warning: (text) => prefixed("warning", "warning:", text),
    info: (text) => prefixed("info", "info:", text),
    explained,
    failure: (failure) => explained(explain(failure)),
    entry: (label, value) => err(`        ${paint("label", `${label}:`)} ${paint("value", shownText(value))}\n`),
    step: (title, limitMs) => steps.step(shownText(title), limitMs),
    waiting: ({ title, limitMs }) => steps.waiting({ title: shownText(title), limitMs })
  }
}

type Style = keyof typeof styles

/** With the command names of this installation. */
export const namedHere = (text: string): string => withCommandNames(installationOf(process.argv[1]), text)

/** With the command names of the installation, and without systemd's commands if it does not run. */
export const wordsOf =
  (installation: Installation) =>
  (text: string): string => {
    const named = withCommandNames(installation, text)
    return runsSystemd() ? named : withoutSystemd(named)
  }

/** The terminal of this process. */
export const processTerminal = (): Terminal =>
  makeTerminal({
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    inWords: wordsOf(installationOf(process.argv[1]))
  })

/** SGR parameters (ECMA-48, 8.3.117). */
const styles = {
  error: "1;31",
  warning: "1;33",
  info: "32",
  hint: "36",
  done: "1;32",
  label: "1;34",
  value: "34"
} as const

/** Source: sd_booted(3). */
export const runsSystemd = (): boolean => existsSync("/run/systemd/system")

/** Replaces systemctl and journalctl in a sentence or hint by a description of what they would do. */
export const withoutSystemd = (text: string): string =>
  text
    .replaceAll(/(?:sudo )?systemctl start tedge-p11-server(?:\.socket)?/g, "tedge-p11-server")
    .replaceAll(/(?:sudo )?systemctl (?:re)?start ([\w.@-]+?)(?:\.service|\.socket)?(?=[\s,;)]|$)/g, "restart $1")
    .replaceAll(/(?:sudo )?systemctl reload ([\w.@-]+)/g, "pkill -HUP -f $1")
    .replaceAll(/journalctl -u ([\w.@-]+)/g, "the log of $1")
    .replaceAll(/timedatectl set-ntp true/g, "date -s <time>, or start an NTP client")
