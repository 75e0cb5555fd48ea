/** With which code a command of ours ends. */
export const exitCodes = {
  ok: 0,
  /** The command was understood and did not come to its end; the sentence is on stderr. */
  failed: 1,
  /** The command line was not understood: unknown word, option, setting key, value. */
  usage: 2,
  /** Connected, but the pending new certificate was not used. */
  connectedWithOldCertificate: 3,
  /** Ended by SIGINT, as a shell reports it. */
  interrupted: 130,
  /** Ended by SIGTERM. */
  terminated: 143
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]
