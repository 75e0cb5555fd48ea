/** The services of ours, and files that change their units. */
export const mapper = "tedge-mapper-c8y.service"
export const server = "tedge-p11-server.service"

const fileOf = (unit, name) => `/etc/systemd/system/${unit}.d/${name}.conf`

export const dropIn = async (device, unit, name, text) => {
  await device.write(fileOf(unit, name), text)
  await device.must("systemctl", "daemon-reload")
}

export const shippedDropIn = async (device, unit, name) =>
  dropIn(device, unit, name, await device.must("cat", `/usr/share/tedge-actors/drop-ins/${name}.conf`))

export const removeDropIn = async (device, unit, name) => {
  await device.must("rm", "-f", fileOf(unit, name))
  await device.must("systemctl", "daemon-reload")
}
