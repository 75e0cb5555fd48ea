/**
 * The MQTT topics of a service of this device. Source: thin-edge, MQTT API, "Health monitoring" and "Registration".
 */

export interface ServiceTopics {
  /** `device/main/service/tedge-mapper-c8y`. */
  readonly topicId: string
  readonly registration: string
  readonly health: string
  /** Its published settings. */
  readonly config: string
  /** The reason for its state, for people; ours, not thin-edge's. */
  readonly reason: string
  /** Health check requests of any client; answered on `health`. */
  readonly healthChecks: ReadonlyArray<string>
}

interface DeviceTopics {
  /** `te`. */
  readonly topicRoot: string
  /** `device/main//`. */
  readonly deviceTopicId: string
}

export const serviceTopics = ({ topicRoot, deviceTopicId }: DeviceTopics, service: string): ServiceTopics => {
  const [kind = "device", name = "main"] = deviceTopicId.split("/")
  const topicId = `${kind}/${name}/service/${service}`
  const base = `${topicRoot}/${topicId}`
  return {
    topicId,
    registration: base,
    health: `${base}/status/health`,
    config: `${base}/config`,
    reason: `${base}/status/reason`,
    healthChecks: [`${base}/cmd/health/check`, `${topicRoot}/${deviceTopicId}/cmd/health/check`]
  }
}
