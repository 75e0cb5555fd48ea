/**
 * The systemd credential `tedge-pin` of a mapper that uses the token itself. An unusable or missing one is refused: another PIN must not
 * be tried in its place. A PIN of the environment has precedence over it.
 */
import { Effect } from "effect"
import { bridgeService } from "../../../messages/installation/bridge-service.ts"
import { PinFileUnusable } from "../../../messages/p11-server.ts"
import type { CloudSettings } from "../../../messages/settings/resolved-settings.ts"
import { pinCredential, readPinFile } from "../pin-file.ts"

export const refuseUnusableCredential = (
  settings: CloudSettings,
  environment: Readonly<NodeJS.ProcessEnv> = process.env
): Effect.Effect<void, PinFileUnusable> => {
  const { mode, pin, pinSource } = settings.cryptoki
  const credential = pinCredential(environment)
  if (mode !== "module" || credential === undefined || pinSource?.kind === "variable") return Effect.void
  const { unit } = bridgeService(settings)
  const { path, isThere } = credential
  if (isThere) return Effect.asVoid(readPinFile(path, unit))
  const { key } = settings.cloud.device
  return pin === undefined && key.pin === undefined && key.uri?.pinValue === undefined
    ? Effect.fail(new PinFileUnusable({ path, unit, reason: "noCredential", code: "" }))
    : Effect.void
}
