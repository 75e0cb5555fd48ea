/** "Enabling" and "Disabling" a service. Source: thin-edge, tedge connect: the agent is never restarted. */
import { Effect } from "effect"
import type { ConnectRefusal } from "../../../messages/connect.ts"
import { bridgeUnit, type CloudConnection, type ValidConnection } from "../cloud-connection.ts"
import type { ConnectPeers } from "../peers.ts"
import { type OnFailure, step } from "../transaction.ts"

/** A running mapper is restarted, to use the new settings. */
export const enableMapper = (
  peers: ConnectPeers,
  connection: ValidConnection,
  onFailure: OnFailure
): Effect.Effect<void, ConnectRefusal> => {
  const { services } = connection
  const mapper = bridgeUnit(connection)
  return Effect.andThen(
    onFailure(Effect.andThen(services.stop(mapper), services.disable(mapper))),
    step(peers.show, `Enabling ${mapper}`, startAndEnable(connection, mapper, "restart"))
  )
}

/** Not part of this package: started if it is installed, not restarted if it runs. Its failure does not roll back the connection. */
export const enableAgent = (peers: ConnectPeers, connection: ValidConnection): Effect.Effect<void> =>
  peers.findExecutable(agent) === undefined
    ? peers.show({ _tag: "Noted", note: { _tag: "AgentNotInstalled" } })
    : Effect.ignore(step(peers.show, `Enabling ${agent}`, startAndEnable(connection, agent, "leave")))

const agent = "tedge-agent"

export const startAndEnable = (
  { services }: Pick<CloudConnection, "services">,
  service: string,
  whenActive: "restart" | "leave"
): Effect.Effect<void, ConnectRefusal> =>
  Effect.gen(function* () {
    if (!(yield* services.isActive(service))) yield* services.start(service)
    else if (whenActive === "restart") yield* services.restart(service)
    yield* services.enable(service)
  })

/** `wasThere`: a service manager need not know another one. */
export const stopAndDisable = (
  peers: ConnectPeers,
  { services }: Pick<CloudConnection, "services">,
  service: string,
  { isActive, wasThere }: { readonly isActive: boolean; readonly wasThere: boolean }
): Effect.Effect<void, ConnectRefusal> => {
  const stop = isActive ? services.stop(service) : Effect.void
  const disable = Effect.catch(services.disable(service), (failure) =>
    wasThere || isActive ? Effect.fail(failure) : peers.show({ _tag: "Warned", failure })
  )
  return step(peers.show, `Disabling ${service}`, Effect.andThen(stop, disable))
}
