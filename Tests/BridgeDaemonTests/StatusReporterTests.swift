import Foundation
import Glibc
import Synchronization
import Systemd
import Testing
import TestSupport

@testable import BridgeDaemon

@Suite(.timeLimit(.minutes(5))) struct StatusReporterTests {
    /// A systemd that is too busy to read its notification socket.
    private final class BusySystemd: Sendable {
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

        /// Uses a new socket for each message, as the notifier does: the messages in flight per socket are limited.
        private func send(_ text: String) -> Bool {
            let sender = Self.datagramSocket()
            defer { close(sender) }
            let flags = Int32(MSG_DONTWAIT)
            return withUnixAddress(address) { sendto(sender, text, text.utf8.count, flags, $0, $1) } >= 0
        }

        func received() -> [String] {
            var received: [String] = []
            var octets = [UInt8](repeating: 0, count: 1_000)
            while true {
                let count = recv(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT))
                guard count >= 0 else { return received }
                received.append(String(decoding: octets.prefix(count), as: UTF8.self))
            }
        }

        private static func datagramSocket() -> Int32 {
            socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
    }

    @Test func `the ready message is repeated if systemd was too busy for the first`() async throws {
        let systemd = try BusySystemd()
        let log = LogRecorder()
        let environment = ServiceManagerEnvironment(environment: [
            "NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "20000",
        ])
        let listening = AsyncLatch()
        let calls = Atomic(0)
        let received = Mutex<[String]>([])
        listening.open()
        let reporter = StatusReporter(SystemdNotifier(environment, logger: log.logger()), listening: listening) {
            // The second call comes after the first message has failed.
            if calls.wrappingAdd(1, ordering: .relaxed).newValue > 1 { received.withLock { $0 += systemd.received() } }
            return "fine"
        }
        let running = Task { await reporter.run() }
        while calls.load(ordering: .relaxed) < 5, !Task.isCancelled { await Task.yield() }
        running.cancel()
        await running.value
        let messages = received.withLock(\.self).filter { $0 != "X=1" && $0 != "WATCHDOG=1" }
        #expect(messages == ["READY=1\nSTATUS=fine"])
        #expect(log.messages == ["cannot send status to systemd"])
    }
}
