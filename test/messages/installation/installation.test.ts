/** Which installation a program belongs to, and how its commands are called in sentences there. */
import { describe, expect, it } from "vitest"
import {
  besideThinEdge,
  everythingOurs,
  installationOf,
  withCommandNames
} from "../../../src/messages/installation/installation.ts"

describe("an installation", () => {
  it("is known by the name a program was started under, whatever its folder", () => {
    expect(installationOf("/usr/lib/tedge-actors-bridge/bin/tedge-hsm")).toBe(besideThinEdge)
    expect(installationOf("/usr/local/bin/tedge-hsm-bridge")).toBe(besideThinEdge)
    expect(installationOf("/opt/tedge-hsm/bin/tedge")).toBe(everythingOurs)
    expect(installationOf(undefined)).toBe(everythingOurs)
  })

  it("beside thin-edge.io names our commands in hints, and leaves its own, its units and paths alone", () => {
    const said = (text: string) => withCommandNames(besideThinEdge, text)
    expect(said("to re-establish it: tedge reconnect c8y; to remove it: tedge disconnect c8y")).toBe(
      "to re-establish it: tedge-hsm reconnect c8y; to remove it: tedge-hsm disconnect c8y"
    )
    expect(said("tedge hsm doctor, or tedge-mapper c8y --graph")).toBe(
      "tedge-hsm hsm doctor, or tedge-hsm-bridge c8y --graph"
    )
    const theirs =
      "/usr/bin/tedge connect c8y; tedge init; journalctl -u tedge-mapper-c8y; /etc/tedge/mappers/c8y; my-tedge config"
    expect(said(theirs)).toBe(theirs)
    expect(withCommandNames(everythingOurs, "tedge connect c8y")).toBe("tedge connect c8y")
  })
})
