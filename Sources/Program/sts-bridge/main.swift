import Commands

await STSBridgeCommand.runCommandLine()
