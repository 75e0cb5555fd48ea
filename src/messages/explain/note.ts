/** Sentences for notes during `tedge connect` that are not failures. */
import type { Note } from "../connect.ts"

/** `plain`: a line of its own. `info`: after `info:`. */
interface NoteText {
  readonly style: "plain" | "info"
  readonly text: string
}

export const explainNote = (note: Note): NoteText => {
  switch (note._tag) {
    case "AgentNotInstalled":
      return info("Software management is not installed. So, skipping enabling related components.")
    case "MapperNotInstalled":
      return info("thin-edge.io's tedge-mapper is not installed: messages are forwarded, but not mapped")
    case "MapperNeedsVariable":
      return info(
        `${note.manager} starts ${note.unit}: give it TEDGE_MQTT_BRIDGE_BUILT_IN=false in its environment, or it connects to the cloud itself`
      )
    case "BridgeAlreadyRemoved":
      return info(`Bridge doesn't exist. Device is already disconnected from ${displayName[note.cloud]}.`)
    case "TestPassed":
      return plain(`Connection check to ${note.cloud} cloud is successful.`)
    case "OfflineSkipped":
      return plain(`Offline mode. Skipping ${note.what}.`)
    case "OldConnectionBack":
      return info(`rolled back: the mapper for ${displayName[note.cloud]} is running again with the current settings`)
    case "CheckAttemptFailed":
      return plain(`Connection test failed, attempt ${note.attempt} of ${note.of}`)
    case "CheckInProgress":
      return plain(`Waiting: ${note.detail}`)
    case "BrokerAsItIs":
      // In place of the line of a restart.
      return plain("Restarting mosquitto... not needed: its files are the same, and another cloud is connected over it")
    case "BrokerForgets":
      return info(
        `this mosquitto loses what is published while the mapper is stopped: 2.0.12 to 2.0.22 do so while ${note.because} gives listeners access rules of their own; use another version (eclipse-mosquitto issue 2618)`
      )
    case "BrokerReadsOtherFiles":
      return info(explainUnreadDirectory(note.directory, note.main))
    case "BrokerNotOurs":
      return info(`the broker that listens on port ${note.port} was not started by tedge and is left unchanged`)
    case "TokenWaits":
      return info(`waiting for the token '${note.token}': it may need to be touched`)
    case "NewCertificateUsed":
      return plain(`The new certificate is now the active certificate ${note.path}`)
    case "NewCertificateUnused":
      return plain(`  => keep using the current certificate unchanged ${note.path}`)
    case "LeftRunning": {
      const words = note.profile === undefined ? note.cloud : `${note.cloud} --profile ${note.profile}`
      return info(
        `the bridge stays configured and keeps trying; check again: tedge connect ${words} --test; remove it: tedge disconnect ${words}`
      )
    }
  }
}

/** A command that reached its goal in another way than requested. */
export const explainOldCertificate = "Successfully connected, however not using the new certificate"

/** Also a check of `tedge hsm doctor`. */
export const explainUnreadDirectory = (directory: string, main: string): string =>
  `mosquitto does not read ${directory}, with its listeners and the queue limits for outages: add the line 'include_dir ${directory}' to ${main} itself (in a file of conf.d it is ignored), then restart mosquitto`

const info = (text: string): NoteText => ({ style: "info", text })

const plain = (text: string): NoteText => ({ style: "plain", text })

export const displayName = { c8y: "Cumulocity", az: "Azure", aws: "AWS" } as const

export const explainEnabledElsewhere = (manager: string): string => `${manager} starts the services automatically`
