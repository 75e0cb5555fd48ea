/** User and password for basic authentication: `[c8y] username`, `password` in credentials.toml. */
import { Effect, Redacted } from "effect"
import { CredentialUnusable } from "../../messages/mqtt.ts"
import { fileFault } from "../../platform/process/error-code.ts"
import { readTomlFile } from "../../platform/toml/toml-file.ts"

export type Credentials =
  | { readonly kind: "read"; readonly username: string; readonly password: Redacted.Redacted<string> }
  | { readonly kind: "unusable"; readonly failure: CredentialUnusable }

export const readCredentials = (path: string): Effect.Effect<Credentials> =>
  Effect.sync(() => {
    const read = readTomlFile(path)
    switch (read.kind) {
      case "absent":
        return unusable(path, "missing", "ENOENT")
      case "unreadable":
        return unusable(path, fileFault(read.code) ?? "noPermission", read.code)
      case "malformed":
        return unusable(path, "malformed", `line ${read.line}, column ${read.column}`)
      case "read":
        return fromTable(path, read.tree.c8y)
    }
  })

const fromTable = (path: string, table: unknown): Credentials => {
  if (typeof table !== "object" || table === null) return unusable(path, "malformed", "there is no table [c8y]")
  const { username, password } = table as { readonly username?: unknown; readonly password?: unknown }
  return typeof username === "string" && typeof password === "string"
    ? { kind: "read", username, password: Redacted.make(password) }
    : unusable(path, "malformed", "[c8y] needs username and password")
}

const unusable = (path: string, reason: CredentialUnusable["reason"], detail: string): Credentials => ({
  kind: "unusable",
  failure: new CredentialUnusable({ path, role: "credentials", reason, detail })
})
