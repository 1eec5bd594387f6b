import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// The log compared with Documentation/logs.md.
    @Suite struct LogTests {
        @Test func `each line about a policy and its errors is documented and has an origin`() async throws {
            let network = try TestNetwork.running
            let contract = try LogContract(root: TestNetwork.repository)
            let good = TestDomain("log-good.example", policy: Policy.enforce()).with { $0.timeToLive = 1 }
            let lost = TestDomain("log-lost.example", policy: Policy.enforce()).with { $0.timeToLive = 1 }
            let dead = TestDomain("log-dead.example").with { $0.policyHost?.addresses = [PolicyHost.refusing] }
            let empty = TestDomain("log-empty.example", policy: Policy.enforce("localhost"))
            try await network.publish(good, lost, dead, empty)
            let keys = ["log-good.example", "log-lost.example", "log-dead.example", "log-empty.example", ".example"]
            let surroundings = BridgeEnvironment(onUnknown: "defer", minimumTTL: "1s", maximumTTL: "1s")
            try await network.withBridge(port: 8491, surroundings: surroundings) { bridge in
                let json = bridge.configuration.replacing("level: debug", with: "level: debug\n  format: json")
                _ = try await bridge.reload(json)
                let start = bridge.log.end
                for key in keys { _ = try await SocketmapClient.ask(key, port: 8491) }
                try await network.publish(
                    good.with {
                        $0.txt = [["v=STSv1; id=2;"]]
                        $0.policyHost?.body = Data(Policy.testing().utf8)
                    }, lost.with { $0.txt = [] })
                let expected = [
                    "new policy", "policy replaced", "policy fetch failed",
                    "TXT record missing, cached policy still applies",
                    "enforced policy lists no usable mx, mail is deferred", "mail deferred by temporary answer",
                    "lookup",
                ]
                let lines = try await eventually("the log has all expected messages") {
                    for key in keys { _ = try await SocketmapClient.ask(key, port: 8491) }
                    let lines = bridge.log.lines(from: start)
                    return expected.allSatisfy { message in lines.contains { $0.contains("\"\(message)\"") } }
                        ? lines : nil
                }
                #expect(lines.compactMap(contract.fault(inJSON:)) == [])
                #expect(lines.filter { $0.contains("\"domain\"") && !$0.contains("\"origin\":\"lookup\"") } == [])
            }
        }

        @Test func `the log of the bridge of these tests is as documented`() async throws {
            let network = try TestNetwork.running
            let contract = try LogContract(root: TestNetwork.repository)
            #expect(try await SocketmapClient.ask("log-all.example") == "NOTFOUND ")
            let lines = try await eventually("the lookup is logged") {
                let lines = network.bridge.log.lines()
                return lines.contains { $0.contains(" lookup ") && $0.contains("log-all.example") } ? lines : nil
            }
            #expect(lines.compactMap(contract.fault(inText:)) == [])
        }

        @Test func `if standard error is the journal, lines have a priority and no time`() async throws {
            let network = try TestNetwork.running
            let contract = try LogContract(root: TestNetwork.repository)
            let directory = network.directory + "/bridge-journal"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data().write(to: URL(filePath: directory + "/bridge.log"))
            var status = stat()
            try #require(stat(directory + "/bridge.log", &status) == 0)
            let configuration =
                "listen:\n  socketmap: [127.0.0.1:8492]\n  tcp-table: []\n"
                + BridgeEnvironment().configuration(trusting: network.authority, in: directory)
            let bridge = try BridgeProcess(
                in: directory, configuration: configuration, ready: 8492,
                environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"])
            try await bridge.start()
            #expect(try await SocketmapClient.ask("x", port: 8492) == "NOTFOUND ")
            _ = try await bridge.stop()
            let lines = bridge.log.lines()
            #expect(lines.contains { $0.hasPrefix("<6>info listening address=127.0.0.1:8492") }, "\(lines)")
            #expect(lines.contains { $0.hasPrefix("<7>debug lookup key=x") }, "\(lines)")
            #expect(lines.compactMap(contract.fault(inText:)) == [])
        }
    }
}
