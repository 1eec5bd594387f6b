import Foundation
import TestSupport
import Testing

extension EndToEnd {
    /// What is really written, against Documentation/logs.md.
    @Suite struct Log {
        private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()

        @Test func `each line of a life with all its troubles is as documented, and says why we know`() async throws {
            let lab = try Lab.running
            let contract = try LogContract(root: Self.root)
            let good = LabDomain("log-good.example", policy: Policy.enforce()).with { $0.timeToLive = 1 }
            let lost = LabDomain("log-lost.example", policy: Policy.enforce()).with { $0.timeToLive = 1 }
            let dead = LabDomain("log-dead.example").with { $0.policyHost?.addresses = [PolicyHost.refusing] }
            let empty = LabDomain("log-empty.example", policy: Policy.enforce("localhost"))
            try await lab.publish(good, lost, dead, empty)
            let keys = ["log-good.example", "log-lost.example", "log-dead.example", "log-empty.example", ".example"]
            let surroundings = Surroundings(onUnknown: "defer", minimumTTL: "1s", maximumTTL: "1s")
            try await lab.withBridge(port: 8491, surroundings: surroundings) { bridge in
                let json = bridge.configuration.replacing("level: debug", with: "level: debug\n  format: json")
                _ = try await bridge.reload(json)
                let start = bridge.log.end
                for key in keys { _ = try await SocketmapClient.ask(key, port: 8491) }
                try await lab.publish(
                    good.with {
                        $0.txt = [["v=STSv1; id=2;"]]
                        $0.policyHost?.body = Data(Policy.testing().utf8)
                    }, lost.with { $0.txt = [] })
                let expected = [
                    "policy learnt", "policy replaced", "policy fetch failed", "record lost, held policy still applies",
                    "enforced policy lists no usable mx, mail is deferred", "mail deferred by temporary answer",
                    "lookup",
                ]
                let lines = try await eventually("all that was provoked is in the log") {
                    for key in keys { _ = try await SocketmapClient.ask(key, port: 8491) }
                    let lines = bridge.log.lines(from: start)
                    return expected.allSatisfy { message in lines.contains { $0.contains("\"\(message)\"") } }
                        ? lines : nil
                }
                #expect(lines.compactMap(contract.fault(inJSON:)) == [])
                #expect(lines.filter { $0.contains("\"domain\"") && !$0.contains("\"origin\":\"lookup\"") } == [])
            }
        }

        @Test func `the log of the bridge that all these tests ask is as documented`() async throws {
            let lab = try Lab.running
            let contract = try LogContract(root: Self.root)
            #expect(try await SocketmapClient.ask("log-all.example") == "NOTFOUND ")
            let lines = lab.bridge.log.lines()
            #expect(lines.contains { $0.contains(" lookup ") })
            #expect(lines.compactMap(contract.fault(inText:)) == [])
        }

        @Test func `where standard error is the journal's, lines have a priority and no time`() async throws {
            let lab = try Lab.running
            let contract = try LogContract(root: Self.root)
            let directory = lab.directory + "/bridge-journal"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data().write(to: URL(filePath: directory + "/bridge.log"))
            var status = stat()
            try #require(stat(directory + "/bridge.log", &status) == 0)
            let configuration =
                "listen:\n  socketmap: [127.0.0.1:8492]\n  tcp-table: []\n"
                + Surroundings().configuration(trusting: lab.authority, in: directory)
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
