/** The actors ConnectActor uses, and its dependencies on the system. */
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
  /** Asks the mapper that listens at this path whether the cloud responds; undefined: no response in time. */
  readonly checkCloud: (path: string, withinMs: number) => Effect.Effect<CheckAnswer | undefined>
  /** Creates a directory of the services below the run path, if missing. */
  readonly makeForService: (path: string) => Effect.Effect<void>
  /** Prints a line of the transcript. */
  readonly show: (event: StepEvent) => Effect.Effect<void>
  /** Changes the owner of a file to the services' user; failures are only warnings. */
  readonly giveToService: (path: string) => Effect.Effect<void>
  /** Logs the files that the services' user cannot read. */
  readonly reportClosed: (settings: CloudSettings) => Effect.Effect<void>
  /** The configuration file of the distribution's mosquitto. */
  readonly mainMosquittoConf: string
  /** Path of an executable on PATH. */
  readonly findExecutable: (name: string) => string | undefined
}
