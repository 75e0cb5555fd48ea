/**
 * The steps of packaging/container/Containerfile, in a fresh root in place of its base image; then what the image starts, as
 * its user, with a read-only root.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { demand } from "./demand.mjs"

const file = join(dirname(fileURLToPath(import.meta.url)), "../../packaging/container/Containerfile")

/** Stage -> its instructions, each `{ word, rest }`. */
const stages = () => {
  const found = new Map()
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    if (word === undefined) continue
    if (word === "FROM") found.set(/ AS (\S+)$/.exec(rest)?.[1], [])
    else [...found.values()].at(-1).push({ word, rest })
  }
  return found
}

/** Only what this recipe uses; `packages`: paths of the .debs on this machine. */
const build = async (debian, instructions, packages) => {
  for (const { word, rest } of instructions) {
    if (word === "RUN") {
      const done = await debian.exec(["bash", "-euc", rest])
      demand(done.code === 0, `RUN ${rest}\n${done.stdout}${done.stderr}`)
    } else if (word === "COPY") {
      const [from, to] = rest.split(" ")
      const pattern = new RegExp(`^${basename(from).replaceAll(".", "\\.").replace("*", ".*")}$`)
      const matching = packages.filter((path) => pattern.test(basename(path)))
      demand(matching.length === 1, `${rest}: ${matching.length} files`)
      mkdirSync(debian.path(to), { recursive: true })
      for (const path of matching) copyFileSync(path, join(debian.path(to), basename(path)))
    } else demand(["USER", "ENTRYPOINT", "CMD"].includes(word), `${word} is not known here`)
  }
  const last = (word) => instructions.findLast((one) => one.word === word)?.rest
  return { user: last("USER"), entry: JSON.parse(last("ENTRYPOINT") ?? "[]"), words: JSON.parse(last("CMD") ?? "[]") }
}

const readOnly = `
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
user=$1; shift
exec setpriv --reuid="$user" --regid="$user" --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"`

const asImage = (user, words) => ["unshare", "--mount", "sh", "-euc", readOnly, "sh", user, ...words]

/** `debian`: an open, bare root; `packages` as for build. */
export const containerChecks = [
  [
    "the recipe's signing service is built, serves its socket unprivileged on a read-only root, and ends on SIGTERM",
    async (debian) => {
      const recipe = stages()
      await build(debian, recipe.get("base"), debian.packages)
      const { user, entry, words } = await build(debian, recipe.get("p11-server"), debian.packages)
      const started = `
        "$@" & server=$!
        until test -S /tmp/p11.sock; do kill -0 "$server"; sleep 0.2; done
        kill "$server"; wait "$server"`
      const server = [...entry, ...words].map((word) => (word.endsWith(".sock") ? "/tmp/p11.sock" : word))
      const done = await debian.exec(asImage(user, ["bash", "-euc", started, "bash", ...server]))
      demand(done.code === 0, done.stdout + done.stderr)
      demand(user === "tedge", `it runs as ${user}`)
    }
  ],
  [
    "the recipe's mapper is built, and says on a read-only root what is missing",
    async (debian) => {
      const recipe = stages()
      const { user, entry, words } = await build(debian, recipe.get("mapper"), debian.packages)
      const done = await debian.exec(asImage(user, [...entry, ...words]))
      demand(done.code !== 0 && /'c8y\.[a-z.]+' is not configured/.test(done.stderr), done.stdout + done.stderr)
      demand(!existsSync(debian.path("/usr/sbin/mosquitto")), "the image has a broker")
    }
  ],
  [
    "the image is smaller than 300 MB",
    async (debian) => {
      const used = Number.parseInt(await debian.must("du", "-sxm", "--exclude=/var/cache", "/"), 10)
      console.log(`      ${used} MB, with the packages of both`)
      demand(used < 300, `${used} MB`)
    }
  ]
]
