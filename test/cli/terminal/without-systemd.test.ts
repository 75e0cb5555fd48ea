/** Hints where no systemd runs name no command of systemd. */
import { describe, expect, it } from "vitest"
import { withoutSystemd } from "../../../src/cli/terminal/terminal.ts"

describe("a hint without systemd", () => {
  it.each([
    ["start it: systemctl start tedge-p11-server.socket", "start it: tedge-p11-server"],
    ["see its log: journalctl -u tedge-p11-server", "see its log: the log of tedge-p11-server"],
    ["x, then: sudo systemctl reload tedge-p11-server", "x, then: pkill -HUP -f tedge-p11-server"],
    ["restart it (systemctl restart tedge-mapper-c8y@prod)", "restart it (restart tedge-mapper-c8y@prod)"],
    ["set the clock: timedatectl set-ntp true", "set the clock: date -s <time>, or start an NTP client"],
    ["tedge config get c8y.url", "tedge config get c8y.url"]
  ])("%s", (hint, without) => {
    expect(withoutSystemd(hint)).toBe(without)
    expect(withoutSystemd(hint)).not.toMatch(/systemctl|journalctl|timedatectl/)
  })
})
