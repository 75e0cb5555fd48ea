/** The settings that only thin-edge's own mapper, agent and tools use: kept for them, without effect on our programs. */

export const isThinEdgeOnly = (key: string): boolean => keys.includes(key) || groups.some((one) => key.startsWith(one))

const groups = [
  "c8y.enable.",
  "c8y.proxy.client.",
  "c8y.bridge.include.",
  "c8y.software_management.",
  "c8y.operations.",
  "c8y.availability.",
  "az.mapper.timestamp",
  "aws.mapper.timestamp",
  "http.",
  "agent.",
  "software.",
  "firmware.",
  "apt.",
  "sudo.",
  "diag.",
  "log.",
  "configuration.",
  "flows."
]

const keys = [
  "c8y.smartrest.use_operation_id",
  "c8y.smartrest.child_device.create_with_device_marker",
  "c8y.proxy.bind.address",
  "c8y.proxy.cert_path",
  "c8y.proxy.key_path",
  "c8y.proxy.ca_path",
  "logs.max_per_operation",
  "tmp.path"
]
