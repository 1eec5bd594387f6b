import Foundation
import Glibc
import Systemd
import Testing

@Suite struct ServiceManagerTests {
    /// The socket of a service manager.
    private final class Manager: Sendable {
        let descriptor: Int32
        let address: String

        init(abstract: Bool) throws {
            let name = "sts-notify-\(UUID().uuidString.prefix(8))"
            address = abstract ? "@\(name)" : NSTemporaryDirectory() + name
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var place = sockaddr_un()
            place.sun_family = sa_family_t(AF_UNIX)
            var octets = Array(address.utf8)
            if abstract { octets[0] = 0 }
            withUnsafeMutableBytes(of: &place.sun_path) { $0.copyBytes(from: octets) }
            let length = socklen_t(2 + octets.count + (abstract ? 0 : 1))
            let bound = withUnsafePointer(to: &place) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
            }
            try #require(bound == 0)
        }

        deinit {
            close(descriptor)
            unlink(address)
        }

        /// The next datagram; `nil`: there is none.
        func received() -> String? {
            var octets = [UInt8](repeating: 0, count: 1_000)
            let count = recv(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: octets.prefix(count), as: UTF8.self)
        }
    }

    @Test(arguments: [false, true]) func `a message is one datagram of assignments`(abstract: Bool) throws {
        let manager = try Manager(abstract: abstract)
        let notifier = try #require(ServiceManagerEnvironment(environment: ["NOTIFY_SOCKET": manager.address]).notifier)
        try notifier.send(.ready, .status("2 policies\nX=1"))
        #expect(manager.received() == "READY=1\nSTATUS=2 policiesX=1")
        try notifier.send(.reloading(microseconds: 7))
        #expect(manager.received() == "RELOADING=1\nMONOTONIC_USEC=7")
        try notifier.send(.stopping)
        try notifier.send(.watchdog)
        #expect([manager.received(), manager.received(), manager.received()] == ["STOPPING=1", "WATCHDOG=1", nil])
    }

    @Test func `a reload begins now, in the time of CLOCK_MONOTONIC`() throws {
        guard case .reloading(let microseconds) = ServiceNotifier.Message.reloadingNow else {
            Issue.record("no reloading")
            return
        }
        #expect(abs(Double(microseconds) / 1e6 - ProcessInfo.processInfo.systemUptime) < 60)
    }

    @Test func `a missing service manager and an invalid address are errors that name it`() throws {
        let missing = try #require(
            ServiceManagerEnvironment(environment: ["NOTIFY_SOCKET": "/nonexistent/notify"]).notifier)
        let failure = #expect(throws: NotifyError.self) { try missing.send(.ready) }
        #expect(failure?.description.contains("/nonexistent/notify (NOTIFY_SOCKET): No such file") == true)
        for address in ["relative", "vsock:2:1", "@", "/" + String(repeating: "x", count: 107)] {
            let manager = ServiceManagerEnvironment(environment: ["NOTIFY_SOCKET": address])
            #expect(manager.notifier == nil)
            #expect(manager.errors.count == 1)
        }
        #expect(ServiceManagerEnvironment(environment: ["NOTIFY_SOCKET": ""]).errors == [])
    }

    @Test(arguments: [
        (["WATCHDOG_USEC": "3000000"], Duration.seconds(3)),
        (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"], .seconds(3)),
        (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"], nil), (["WATCHDOG_USEC": "0"], nil),
        (["WATCHDOG_USEC": "soon"], nil), ([:], nil),
    ])
    func `a watchdog of another process is ignored`(environment: [String: String], interval: Duration?) {
        #expect(ServiceManagerEnvironment(environment: environment, process: 42).watchdog == interval)
    }

    // MARK: Sockets

    @Test(arguments: [
        (["LISTEN_FDS": "1"], "LISTEN_PID is missing"),
        (["LISTEN_FDS": "1", "LISTEN_PID": "41"], "LISTEN_PID is 41, this process is 42"),
        (["LISTEN_FDS": "many", "LISTEN_PID": "42"], "LISTEN_FDS is \"many\""),
        (["LISTEN_FDS": "-1", "LISTEN_PID": "42"], "LISTEN_FDS is \"-1\""),
        (["LISTEN_FDS": "2", "LISTEN_PID": "42", "LISTEN_FDNAMES": "a"], "1 names for 2 descriptors"),
    ])
    func `invalid variables and sockets of another process are ignored, with the reason`(
        environment: [String: String], reason: String
    ) {
        let sockets = ActivationSockets(environment: environment, process: 42)
        #expect(sockets.error?.contains(reason) == true, "\(sockets.error ?? "-")")
        #expect(sockets.names == [])
        let failure = #expect(throws: ActivationSocketError.self) { try sockets.open("a") }
        #expect(failure?.description.contains(reason) == true)
    }

    @Test func `no service manager is no error, but has no sockets`() {
        let sockets = ActivationSockets(environment: [:])
        #expect(sockets.error == nil)
        let failure = #expect(throws: ActivationSocketError.self) { try sockets.open("socketmap") }
        #expect(failure?.description.contains("start it by a .socket unit with FileDescriptorName=socketmap") == true)
    }

    @Test func `no sockets have no names`() {
        let sockets = ActivationSockets(environment: ["LISTEN_FDS": "0", "LISTEN_PID": "42"], process: 42)
        #expect(sockets.names == [])
    }
}
