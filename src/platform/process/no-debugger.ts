/**
 * The first import of every program: without a listener for SIGUSR1, Node opens a debugger on 127.0.0.1:9229, through
 * which any local user can run code in the process. Source: Node documentation, "Signal events".
 */
process.on("SIGUSR1", () => {})
