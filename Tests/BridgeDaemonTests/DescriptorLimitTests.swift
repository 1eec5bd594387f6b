import Testing

@testable import BridgeConfiguration
@testable import BridgeDaemon

@Suite struct DescriptorLimitTests {
    @Test(arguments: [
        // A fifth is for DNS, half of that for libunbound, and 64 are for other files.
        (65_536, 512, 0, 10_000), (4_096, 512, 0, 2_292), (4_096, 512, 64, 2_228), (4_096, 512, 192, 2_100),
        (1_024, 512, 64, 78), (1_024, 512, 256, 16), (64, 512, 64, 16),
    ])
    func `connections get what fetches, DNS, operators and own files leave of the limit`(
        limit: Int, fetches: Int, operators: Int, connections: Int
    ) {
        #expect(
            DescriptorLimit.connections(wanted: 10_000, fetches: fetches, operators: operators, limit: limit)
                == connections)
    }

    @Test func `without a limit all wanted connections are possible`() {
        #expect(DescriptorLimit.connections(wanted: 10_000, fetches: 512, operators: 64, limit: nil) == 10_000)
    }

    @Test func `the admin socket and each address for metrics may have 64 connections`() {
        var configuration = Configuration()
        #expect(configuration.operatorConnections == 64)
        configuration.httpListen = [.init(host: "127.0.0.1", port: 9461), .init(host: "::1", port: 9461)]
        #expect(configuration.operatorConnections == 192)
        configuration.adminSocket = nil
        #expect(configuration.operatorConnections == 128)
    }
}
