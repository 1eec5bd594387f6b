import Foundation
import Glibc
import ServiceManager
import Synchronization
import TestSupport
import Testing

@testable import STSBridge

@Suite(.timeLimit(.minutes(5))) struct ManagerReportTests {
    /// A service manager that has more to do than to read what it is told.
    private final class Manager: Sendable {
        let address = NSTemporaryDirectory() + "sts-busy-\(UUID().uuidString.prefix(8))"
        private let descriptor = datagramSocket()

        init() throws {
            let bound = withUnixAddress(address) { bind(descriptor, $0, $1) }
            try #require(bound == 0)
            while send("X=1") {}
        }

        deinit {
            close(descriptor)
            unlink(address)
        }

        /// By a socket of its own each, as the notifier does: what one socket may have under way is bounded, too.
        private func send(_ text: String) -> Bool {
            let sender = Self.datagramSocket()
            defer { close(sender) }
            let flags = Int32(MSG_DONTWAIT)
            return withUnixAddress(address) { sendto(sender, text, text.utf8.count, flags, $0, $1) } >= 0
        }

        func heard() -> [String] {
            var heard: [String] = []
            var octets = [UInt8](repeating: 0, count: 1_000)
            while true {
                let count = recv(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT))
                guard count >= 0 else { return heard }
                heard.append(String(decoding: octets.prefix(count), as: UTF8.self))
            }
        }

        private static func datagramSocket() -> Int32 {
            socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
    }

    @Test func `a manager that is too busy to hear of readiness is told again`() async throws {
        let manager = try Manager()
        let log = LogRecorder()
        let terms = ManagerTerms(environment: ["NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000"])
        let listening = Milestone()
        let asked = Atomic(0)
        let heard = Mutex<[String]>([])
        listening.reach()
        let report = ManagerReport(voice: ManagerVoice(terms, logger: log.logger()), listening: listening) {
            // It is asked a second time when the first try has failed.
            if asked.wrappingAdd(1, ordering: .relaxed).newValue > 1 { heard.withLock { $0 += manager.heard() } }
            return "fine"
        }
        let running = Task { await report.run() }
        while asked.load(ordering: .relaxed) < 5, !Task.isCancelled { await Task.yield() }
        running.cancel()
        await running.value
        let told = heard.withLock(\.self).filter { $0 != "X=1" && $0 != "WATCHDOG=1" }
        #expect(told == ["READY=1\nSTATUS=fine"])
        #expect(log.messages == ["service manager cannot be told"])
    }
}
