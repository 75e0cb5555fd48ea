/**
 * What is not accessible to the user that loads the module: files, or the card readers of pcscd. A token whose files are
 * unreadable appears missing.
 */
import { basename, dirname } from "node:path"
import { Effect } from "effect"
import { type ModuleFile, moduleFiles } from "../../../actors/cryptoki/host/module-files.ts"
import { withTpmStore } from "../../../actors/cryptoki/host/tpm-store.ts"
import { explainClosed, explainPcscdRefuses } from "../../../messages/explain/platform.ts"
import type { Explanation } from "../../../messages/explain.ts"
import type { ClosedToUser } from "../../../messages/platform.ts"
import type { CryptokiSettings, Settings } from "../../../messages/settings/resolved-settings.ts"
import { pcscdServes } from "../../../platform/sockets/pcscd.ts"
import { userName } from "../../../platform/users/accounts.ts"
import { serviceUser } from "../../../platform/users/service-user.ts"
import { type AccessUser, closedTo, isMember } from "../../../platform/users/user-access.ts"

interface TokenAccess {
  /** Undefined: root loads it, with all rights; or system.toml is not usable, which is reported by its own check. */
  readonly user: string | undefined
  readonly closed: ReadonlyArray<ClosedToUser>
  /** At least one of the tokens that are files is accessible. */
  readonly hasOpenToken: boolean
}

/** What access to the token requires. */
interface AccessSettings {
  readonly cryptoki: Pick<CryptokiSettings, "mode" | "modulePath" | "socketPath">
  readonly configDir: string
}

/** One line each, with the next step. Some tokens may be other users': which one is meant is known only when it is used. */
export const describeClosed = (settings: AccessSettings, environment: NodeJS.ProcessEnv): ReadonlyArray<string> => {
  const { closed, hasOpenToken } = tokenAccess(settings, environment)
  return closed
    .filter(({ isToken }) => !(isToken && hasOpenToken))
    .map(explainClosed)
    .map(({ error, hint }) => `${error}; ${hint}`)
}

/** The environment is that of the module. */
export const tokenAccess = ({ cryptoki, configDir }: AccessSettings, environment: NodeJS.ProcessEnv): TokenAccess => {
  const user = loadingUser(configDir)
  if (user === undefined) return { user: undefined, closed: [], hasOpenToken: false }
  const files: ReadonlyArray<ModuleFile> =
    cryptoki.mode === "socket"
      ? [{ path: cryptoki.socketPath, needs: "rw", isToken: false }]
      : cryptoki.mode === "module" && cryptoki.modulePath !== undefined
        ? filesOf(cryptoki.modulePath, { environment, user, configDir })
        : []
  const closed = files.flatMap((file): ReadonlyArray<ClosedToUser> => {
    const found = closedTo(user, file.path, file.needs)
    if (found === undefined) return []
    const { path: where, needs, group } = found
    // A token is a directory: its owner is changed recursively.
    const whole = file.isToken && where === file.path && file.path.endsWith(".object") ? dirname(where) : where
    return [
      {
        user: user.name,
        who: user.who,
        path: file.isToken ? whole : file.path,
        closed: whole,
        needs,
        group,
        isMember: group !== undefined && isMember(user.name, group),
        isToken: file.isToken
      }
    ]
  })
  const shut = new Set(closed.map(({ closed }) => closed))
  return {
    user: user.name,
    closed: closed.filter(
      (one, at) =>
        closed.findIndex((other) =>
          one.group === undefined ? one.closed === other.closed : one.group === other.group
        ) === at
    ),
    hasOpenToken: files.some(({ isToken, path }) => isToken && ![...shut].some((one) => path.startsWith(one)))
  }
}

const filesOf = (
  modulePath: string,
  { environment, user, configDir }: { environment: NodeJS.ProcessEnv; user: Loader; configDir: string }
): ReadonlyArray<ModuleFile> => {
  const isOther = user.who === "services"
  const ofModule = withTpmStore(environment, { modulePath, home: user.home, configDir, isOther })
  return moduleFiles(modulePath, ofModule, user.home)
}

interface Loader extends AccessUser {
  readonly home: string
  readonly who: ClosedToUser["who"]
}

const loadingUser = (configDir: string): Loader | undefined => {
  const user = serviceUser(configDir)
  if (user.kind === "user") return { ...user, who: "services" }
  const [uid = 0, gid = 0] = [process.getuid?.(), process.getgid?.()]
  if (user.kind === "unusable" || uid === 0) return undefined
  const groups = process.getgroups?.() ?? []
  return { name: userName(uid), uid, gid, groups, home: process.env.HOME ?? "/", who: "caller" }
}

/** Whether pcscd denies that user its readers. Call when no token was found. Undefined: pcscd is not the reason. */
export const cardsRefused = ({
  cryptoki,
  configDir
}: Pick<Settings, "cryptoki" | "configDir">): Effect.Effect<Explanation | undefined> => {
  const module = cryptoki.mode === "module" ? cryptoki.modulePath : undefined
  if (module === undefined || withoutCards.test(basename(module))) return Effect.succeed(undefined)
  const user = serviceUser(configDir)
  if (user.kind === "unusable") return Effect.succeed(undefined)
  const name = user.kind === "user" ? user.name : userName(process.getuid?.() ?? 0)
  return Effect.map(pcscdServes(user.kind === "user" ? user : undefined), (serves) =>
    serves === false ? explainPcscdRefuses(name, user.kind === "user") : undefined
  )
}

/** Modules whose tokens are not cards. */
const withoutCards = /softhsm|tpm2|ckteec|cryptoauth|p11-kit/
