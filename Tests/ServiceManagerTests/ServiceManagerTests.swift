import Foundation
import Glibc
import ServiceManager
import Testing

@Suite struct ServiceManagerTests {
    /// The manager's end.
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

        /// `nil`: nothing has come.
        func heard() -> String? {
            var octets = [UInt8](repeating: 0, count: 1_000)
            let count = recv(descriptor, &octets, octets.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: octets.prefix(count), as: UTF8.self)
        }
    }

    @Test(arguments: [false, true]) func `a message is one datagram of assignments`(abstract: Bool) throws {
        let manager = try Manager(abstract: abstract)
        let notifier = try #require(ManagerTerms(environment: ["NOTIFY_SOCKET": manager.address]).notifier)
        try notifier.tell(.ready, .status("2 policies\nX=1"))
        #expect(manager.heard() == "READY=1\nSTATUS=2 policiesX=1")
        try notifier.tell(.reloading(microseconds: 7))
        #expect(manager.heard() == "RELOADING=1\nMONOTONIC_USEC=7")
        try notifier.tell(.stopping)
        try notifier.tell(.watchdog)
        #expect([manager.heard(), manager.heard(), manager.heard()] == ["STOPPING=1", "WATCHDOG=1", nil])
    }

    @Test func `a reload begins now, on the clock that the manager reads`() throws {
        guard case .reloading(let microseconds) = ServiceNotifier.Message.reloadingNow else {
            Issue.record("no reloading")
            return
        }
        #expect(abs(Double(microseconds) / 1e6 - ProcessInfo.processInfo.systemUptime) < 60)
    }

    @Test func `a manager that is gone or has no address is a failure that names it`() throws {
        let gone = try #require(ManagerTerms(environment: ["NOTIFY_SOCKET": "/nonexistent/notify"]).notifier)
        let failure = #expect(throws: NotifyFailure.self) { try gone.tell(.ready) }
        #expect(failure?.description.contains("/nonexistent/notify (NOTIFY_SOCKET): No such file") == true)
        for address in ["relative", "vsock:2:1", "@", "/" + String(repeating: "x", count: 107)] {
            let manager = ManagerTerms(environment: ["NOTIFY_SOCKET": address])
            #expect(manager.notifier == nil)
            #expect(manager.troubles.count == 1)
        }
        #expect(ManagerTerms(environment: ["NOTIFY_SOCKET": ""]).troubles == [])
    }

    @Test(arguments: [
        (["WATCHDOG_USEC": "3000000"], Duration.seconds(3)),
        (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"], .seconds(3)),
        (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"], nil), (["WATCHDOG_USEC": "0"], nil),
        (["WATCHDOG_USEC": "soon"], nil), ([:], nil),
    ])
    func `the watchdog is ours, or nobody's`(environment: [String: String], interval: Duration?) {
        #expect(ManagerTerms(environment: environment, process: 42).watchdog == interval)
    }

    // MARK: Sockets

    @Test(arguments: [
        (["LISTEN_FDS": "1"], "LISTEN_PID is missing"),
        (["LISTEN_FDS": "1", "LISTEN_PID": "41"], "LISTEN_PID is 41, this process is 42"),
        (["LISTEN_FDS": "many", "LISTEN_PID": "42"], "LISTEN_FDS is \"many\""),
        (["LISTEN_FDS": "-1", "LISTEN_PID": "42"], "LISTEN_FDS is \"-1\""),
        (["LISTEN_FDS": "2", "LISTEN_PID": "42", "LISTEN_FDNAMES": "a"], "1 names for 2 descriptors"),
    ])
    func `sockets of somebody else, or without sense, are not touched`(environment: [String: String], why: String) {
        let sockets = PassedSockets(environment: environment, process: 42)
        #expect(sockets.trouble?.contains(why) == true, "\(sockets.trouble ?? "-")")
        #expect(sockets.names == [])
        let failure = #expect(throws: PassedSocketFailure.self) { try sockets.open("a") }
        #expect(failure?.description.contains(why) == true)
    }

    @Test func `without a manager nothing is passed, and nothing is wrong`() {
        let sockets = PassedSockets(environment: [:])
        #expect(sockets.trouble == nil)
        let failure = #expect(throws: PassedSocketFailure.self) { try sockets.open("socketmap") }
        #expect(failure?.description.contains("start it by a .socket unit with FileDescriptorName=socketmap") == true)
    }

    @Test func `what has no name is called unknown`() {
        let sockets = PassedSockets(environment: ["LISTEN_FDS": "0", "LISTEN_PID": "42"], process: 42)
        #expect(sockets.names == [])
    }
}
