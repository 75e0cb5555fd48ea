/** Whom ConnectActor speaks to, and what of the system it needs. */
import type { Effect } from "effect"
import type { ConfigProtocol, ConfigRefusal } from "../../messages/config.ts"
import type { StepEvent } from "../../messages/connect.ts"
import type { CryptokiProtocol } from "../../messages/cryptoki.ts"
import type { MqttSessionProtocol } from "../../messages/mqtt.ts"
import type { ServiceUserUnknown, SystemFileInvalid } from "../../messages/platform.ts"
import type { CheckAnswer } from "../../messages/service-socket.ts"
import type { CloudSettings, Settings } from "../../messages/settings/resolved-settings.ts"
import type { ActorRef } from "../../runtime/protocol.ts"
import type { ServiceManager } from "./services/service-manager.ts"

export interface ConnectPeers {
  readonly config: ActorRef<ConfigProtocol>
  /** One session at a time: to the cloud for the device's creation, to the local broker for the checks. */
  readonly session: ActorRef<MqttSessionProtocol>
  /** Asked for the device's key before anything is changed. */
  readonly cryptoki: ActorRef<CryptokiProtocol>
  /** The service manager of this device. */
  readonly services: (
    settings: Settings
  ) => Effect.Effect<ServiceManager, SystemFileInvalid | ServiceUserUnknown | ConfigRefusal>
  /** Asks the mapper that listens at this path whether the cloud answers; undefined: no answer in time. */
  readonly checkCloud: (path: string, withinMs: number) => Effect.Effect<CheckAnswer | undefined>
  /** Makes a directory of the services below the run path, where it is missing. */
  readonly makeForService: (path: string) => Effect.Effect<void>
  /** Shows a line of the transcript. */
  readonly show: (event: StepEvent) => Effect.Effect<void>
  /** Makes a file that of the user the services run as; what goes wrong is only worth a warning. */
  readonly giveToService: (path: string) => Effect.Effect<void>
  /** Logs the files that the services' user may not read. */
  readonly reportClosed: (settings: CloudSettings) => Effect.Effect<void>
  /** The file that the distribution starts mosquitto with. */
  readonly mainMosquittoConf: string
  /** Path of an executable on PATH. */
  readonly findExecutable: (name: string) => string | undefined
}
