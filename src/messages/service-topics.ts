/**
 * Where a service of this device says how it is. Source: thin-edge, MQTT API, "Health monitoring" and "Registration".
 */

export interface ServiceTopics {
  /** `device/main/service/tedge-mapper-c8y`. */
  readonly topicId: string
  readonly registration: string
  readonly health: string
  /** What it publishes of its settings. */
  readonly config: string
  /** Why the service is as it is, for people; ours, not thin-edge's. */
  readonly reason: string
  /** Asked by anybody; answered on `health`. */
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
