import Testing

@testable import STSBridge

@Suite struct DescriptorLimitTests {
    @Test(arguments: [
        // A fifth for DNS, half of that for libunbound, 64 files of the daemon's own.
        (65_536, 512, 0, 10_000), (4_096, 512, 0, 2_292), (4_096, 512, 64, 2_228), (4_096, 512, 192, 2_100),
        (1_024, 512, 64, 78), (1_024, 512, 256, 16), (64, 512, 64, 16),
    ])
    func `connections are what the limit leaves beside fetches, DNS, operators and own files`(
        limit: Int, fetches: Int, operators: Int, connections: Int
    ) {
        #expect(
            DescriptorLimit.connections(wanted: 10_000, fetches: fetches, operators: operators, limit: limit)
                == connections)
    }

    @Test func `without a limit there are as many as are wanted`() {
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
