/** Root writes for a user who puts links, other files and directories in the way: the exploits, and what is legitimate. */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync
} from "node:fs"
import { join } from "node:path"
import { Effect, Result } from "effect"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { replaceFile } from "../../../src/platform/files/atomic-file.ts"
import {
  createFile,
  giveFile,
  makeDirectories,
  openLog,
  removeFile,
  rotateLog,
  writeToStream
} from "../../../src/platform/files/given-files.ts"
import { makeTempDir, removeTempDir } from "../../support/temp-dir.ts"
import { isRoot, type TestUser, testUser } from "../../support/test-user.ts"

const codeFrom = (act: () => void): string | undefined => {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

describe.runIf(isRoot)("root, writing for another user", () => {
  let user: TestUser
  let other: TestUser
  let dir: string
  /** Of the user, as /etc/tedge/device-certs is. */
  let theirs: string
  let secret: string
  beforeAll(() => {
    user = testUser()
    other = testUser()
  })
  afterAll(() => {
    user.remove()
    other.remove()
  })
  beforeEach(() => {
    dir = makeTempDir()
    chmodSync(dir, 0o755)
    theirs = join(dir, "theirs")
    mkdirSync(theirs)
    chownSync(theirs, user.uid, user.gid)
    secret = join(dir, "secret")
    writeFileSync(secret, "root's own", { mode: 0o600 })
  })
  afterEach(() => removeTempDir(dir))

  const owner = () => ({ uid: user.uid, gid: user.gid, name: user.name })
  const replace = (path: string, more = {}) =>
    Effect.runSync(Effect.result(replaceFile({ path, content: "new", mode: 0o644, owner: owner(), ...more })))
  const linkBy = (by: TestUser, target: string, path: string) =>
    expect(by.run("ln", ["-sfn", target, path])).toMatchObject({ status: 0 })
  const untouched = () => {
    expect(readFileSync(secret, "utf8")).toBe("root's own")
    expect(statSync(secret)).toMatchObject({ uid: 0, gid: 0 })
    expect(statSync(secret).mode & 0o777).toBe(0o600)
  }

  it("replaces a link of theirs to a file of root's, and leaves the target as it was", () => {
    const path = join(theirs, "tedge.csr")
    linkBy(user, secret, path)
    expect(Result.isSuccess(replace(path))).toBe(true)
    untouched()
    expect(lstatSync(path).isFile()).toBe(true)
    expect(statSync(path).uid).toBe(user.uid)
  })

  it("writes to a named pipe of its own, and to none that another user created or linked", () => {
    const read = (path: string) => {
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      const [wrote, got] = [codeFrom(() => writeToStream(path, "a request")), Buffer.alloc(100)]
      const length = readSync(reader, got)
      closeSync(reader)
      return [wrote, got.toString("utf8", 0, length)]
    }
    const [mine, inTheirs, linked] = [join(dir, "mine"), join(theirs, "tedge.csr"), join(theirs, "linked")]
    spawnSync("mkfifo", [mine])
    expect(read(mine)).toEqual([undefined, "a request"])
    expect(user.run("mkfifo", ["-m", "666", inTheirs])).toMatchObject({ status: 0 })
    expect(read(inTheirs)).toEqual(["EINVAL", ""])
    linkBy(user, mine, linked)
    expect(read(linked)).toEqual(["EINVAL", ""])
    linkBy(user, "/dev/null", linked)
    expect(codeFrom(() => writeToStream(linked, "x"))).toBe("EINVAL")
    expect(codeFrom(() => writeToStream("/dev/null", "x"))).toBeUndefined()
  })

  it("replaces a link to another user's file, and a link of theirs to a link of root's", () => {
    const anothers = join(dir, "anothers")
    writeFileSync(anothers, "another's")
    chownSync(anothers, other.uid, other.gid)
    const rootsLink = join(dir, "roots-link")
    symlinkSync(secret, rootsLink)
    for (const target of [anothers, rootsLink]) {
      const path = join(theirs, "a")
      linkBy(user, target, path)
      replace(path)
      expect(lstatSync(path).isFile()).toBe(true)
      rmSync(path)
    }
    expect(readFileSync(anothers, "utf8")).toBe("another's")
    untouched()
  })

  it("follows a link that root made, and one that leads to a file of its maker: it stays a link", () => {
    const data = join(dir, "data")
    mkdirSync(data)
    for (const by of ["root", "user"] as const) {
      const target = join(data, by)
      writeFileSync(target, "old")
      if (by === "user") chownSync(target, user.uid, user.gid)
      const path = join(theirs, by)
      if (by === "root") symlinkSync(target, path)
      else linkBy(user, target, path)
      replace(path)
      expect(readlinkSync(path)).toBe(target)
      expect(readFileSync(target, "utf8")).toBe("new")
    }
  })

  it("goes through no directory link of theirs to a directory of root's, whatever is done there", () => {
    const roots = join(dir, "roots")
    mkdirSync(roots)
    writeFileSync(join(roots, "present"), "root's own")
    const link = join(theirs, "certs")
    linkBy(user, roots, link)
    expect(Result.isFailure(replace(join(link, "new")))).toBe(true)
    expect(() => createFile(join(link, "key"), { content: "k", mode: 0o400, owner: owner() })).toThrow()
    expect(() => openLog(join(link, "present"), { mode: 0o640, owner: owner() })).toThrow()
    expect(() => makeDirectories(join(link, "made"), { owner: owner() })).toThrow()
    // The path as the settings have it, and what it is; nothing of descriptors.
    expect(() => makeDirectories(link, { owner: owner() })).toThrow(`link of another user: ${link}`)
    expect(() => removeFile(join(link, "present"))).toThrow()
    expect(() => giveFile(join(link, "present"), { owner: owner(), trusted: dir, holds: () => true })).toThrow()
    expect(existsSync(join(roots, "new"))).toBe(false)
    expect(statSync(join(roots, "present")).uid).toBe(0)
  })

  it("takes a link that leads to nothing for what is not mounted: nothing is made, and the link stays", () => {
    for (const make of [
      () => symlinkSync(join(dir, "not/mounted"), join(theirs, "l")),
      () => linkBy(user, join(dir, "x"), join(theirs, "l"))
    ]) {
      make()
      const result = replace(join(theirs, "l"))
      expect(Result.isFailure(result) && result.failure.code).toBe("dangling link")
      expect(lstatSync(join(theirs, "l")).isSymbolicLink()).toBe(true)
      rmSync(join(theirs, "l"))
    }
    expect(existsSync(join(dir, "x"))).toBe(false)
  })

  it("gives away no file of root's that a link, a hard link, a setting or another content puts in the place of theirs", () => {
    const gift = { owner: owner(), trusted: theirs, holds: (text: string) => text.includes("PRIVATE KEY") }
    const path = join(theirs, "key.pem")
    linkBy(user, secret, path)
    expect(giveFile(path, gift)).toMatchObject([])
    untouched()
    rmSync(path)
    linkSync(secret, path)
    expect(giveFile(path, gift)).toMatchObject([{ kind: "notGiven", reason: "otherNames" }])
    rmSync(path)
    untouched()
    expect(giveFile(secret, gift)).toMatchObject([{ kind: "notGiven", reason: "content" }])
    writeFileSync(join(dir, "roots.key"), "-----BEGIN PRIVATE KEY-----", { mode: 0o600 })
    expect(giveFile(join(dir, "roots.key"), gift)).toMatchObject([{ kind: "notGiven", reason: "directory" }])
    writeFileSync(path, "-----BEGIN PRIVATE KEY-----", { mode: 0o600 })
    expect(giveFile(path, gift)).toEqual([])
    expect(statSync(path).uid).toBe(user.uid)
  })

  it("wins every race against a user who swaps a file of theirs for a link to root's", () => {
    const path = join(theirs, "key.pem")
    const content = "-----BEGIN PRIVATE KEY-----"
    writeFileSync(secret, content, { mode: 0o600 })
    const script = `cd '${theirs}'; while :; do printf x > a; mv -f a key.pem; ln -s '${secret}' b; mv -f b key.pem; done`
    const swapping = user.start("sh", ["-c", script])
    try {
      const gift = { owner: owner(), trusted: theirs, holds: () => true }
      const until = performance.now() + 1500
      while (performance.now() < until) {
        try {
          giveFile(path, gift)
          replace(path)
          closeSync(openLog(path, { mode: 0o640, owner: owner() }))
        } catch {
          // gone between two steps: refused is right
        }
      }
    } finally {
      swapping.kill()
    }
    expect(statSync(secret)).toMatchObject({ uid: 0, gid: 0 })
    expect(readFileSync(secret, "utf8")).toBe(content)
  })

  it("makes no directory for them where they have none, and one below theirs is theirs", () => {
    makeDirectories(join(theirs, "a/b"), { owner: owner(), givenWithin: theirs })
    expect([statSync(join(theirs, "a")).uid, statSync(join(theirs, "a/b")).uid]).toEqual([user.uid, user.uid])
    makeDirectories(join(dir, "systemd/x.service.d"), { owner: owner(), givenWithin: theirs })
    expect(statSync(join(dir, "systemd/x.service.d")).uid).toBe(0)
  })

  it("gives a replaced file of a setting to them only where they are at home", () => {
    replace(join(dir, "cron"), { givenWithin: theirs })
    expect(statSync(join(dir, "cron")).uid).toBe(0)
    replace(join(theirs, "cert"), { givenWithin: join(dir, "elsewhere-entirely") })
    expect(statSync(join(theirs, "cert")).uid).toBe(user.uid)
  })

  it("appends to a log of theirs, never to what a link or a hard link of theirs leads to", () => {
    const path = join(theirs, "service.log")
    for (const put of [() => linkBy(user, secret, path), () => linkSync(secret, path)]) {
      put()
      const log = openLog(path, { mode: 0o640, owner: owner() })
      writeSync(log, "line\n")
      closeSync(log)
      untouched()
      expect(readFileSync(path, "utf8")).toBe("line\n")
      expect(statSync(path)).toMatchObject({ uid: user.uid, nlink: 1 })
      rmSync(path)
    }
    expect(user.run("mkfifo", [path])).toMatchObject({ status: 0 })
    expect(() => openLog(path, { mode: 0o640, owner: owner() })).toThrow()
  })

  it("creates a key file once: an existing entry, also a symlink, is refused", () => {
    const path = join(theirs, "key")
    createFile(path, { content: "k", mode: 0o400, owner: owner(), givenWithin: dir })
    expect(statSync(path)).toMatchObject({ uid: user.uid })
    expect(statSync(path).mode & 0o777).toBe(0o400)
    rmSync(path)
    linkBy(user, join(dir, "made-by-root"), path)
    expect(() => createFile(path, { content: "k", mode: 0o400, owner: owner() })).toThrow(/EEXIST/)
    expect(existsSync(join(dir, "made-by-root"))).toBe(false)
  })
})

describe("logs", () => {
  it("are copied and emptied in place when they have grown too large", () => {
    const dir = makeTempDir()
    const path = join(dir, "a.log")
    writeFileSync(path, "0123456789")
    rotateLog(path, 11)
    expect(readFileSync(path, "utf8")).toBe("0123456789")
    rotateLog(path, 10)
    expect([readFileSync(path, "utf8"), readFileSync(`${path}.1`, "utf8")]).toEqual(["", "0123456789"])
    removeTempDir(dir)
  })
})
