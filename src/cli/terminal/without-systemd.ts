/**
 * Replaces systemctl and journalctl in sentences and hints if systemd does not run, by a description of what they would
 * do.
 */
import { existsSync } from "node:fs"

/** Source: sd_booted(3). */
export const runsSystemd = (): boolean => existsSync("/run/systemd/system")

export const withoutSystemd = (text: string): string =>
  [
    [/(?:sudo )?systemctl start tedge-p11-server(?:\.socket)?/g, "tedge-p11-server"],
    [/(?:sudo )?systemctl (?:re)?start ([\w.@-]+?)(?:\.service|\.socket)?(?=[\s,;)]|$)/g, "restart $1"],
    [/(?:sudo )?systemctl reload ([\w.@-]+)/g, "pkill -HUP -f $1"],
    [/journalctl -u ([\w.@-]+)/g, "the log of $1"],
    [/timedatectl set-ntp true/g, "date -s <time>, or start an NTP client"]
  ].reduce((sofar, [pattern, words]) => sofar.replaceAll(pattern, words), text)
