import Glibc
import Systemd
import TestSupport
import Testing

@testable import TableServer

/// Several sockets that a service manager passes by one name.
@Suite(.timeLimit(.minutes(5))) struct PassedListenerTests {
    /// What stands between two sockets that listen, and cannot listen itself.
    enum Unfit: CaseIterable {
        case pipe, connectedSocket

        /// - Returns: the descriptor to pass, and one that reads the end of file as soon as that is closed.
        func open() throws -> (descriptor: Int32, other: Int32) {
            var pair: [Int32] = [0, 0]
            let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
            let result = self == .pipe ? Glibc.pipe(&pair) : socketpair(AF_UNIX, type, 0, &pair)
            try #require(result == 0)
            return (pair[1], pair[0])
        }
    }

    private func listening(at path: String) throws -> Int32 {
        let descriptor = try bindUnixSocket(at: path)
        try #require(Glibc.listen(descriptor, 5) == 0)
        return descriptor
    }

    /// 0, or the error of connect(2): ECONNREFUSED if every descriptor of the socket is closed.
    private func connect(to path: String) -> Int32 {
        let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(client) }
        return withUnixAddress(path) { Glibc.connect(client, $0, $1) } == 0 ? 0 : errno
    }

    // Not by the descriptors' numbers: another test may get them as soon as they are free.
    @Test(arguments: Unfit.allCases)
    func `when one of several passed sockets cannot listen, all of them are closed`(unfit: Unfit) async throws {
        let paths = [temporarySocketPath(), temporarySocketPath()]
        defer { for path in paths { unlink(path) } }
        let (descriptor, other) = try unfit.open()
        defer { close(other) }
        let descriptors = [try listening(at: paths[0]), descriptor, try listening(at: paths[1])]
        let loop = try SocketLoop()
        defer { loop.end() }
        let context = Listener.ListenerContext(
            settings: LookupSettings(), passed: .none, loop: loop, logger: LogRecorder().logger(),
            accept: { _, _ in nil }, onExhausted: { _ in })
        let endpoint = TableEndpoint(address: .systemd(name: "socketmap"), table: .socketmap)

        #expect(paths.map(connect(to:)) == [0, 0])
        await #expect(throws: (any Error).self) {
            _ = try await Listener.listen(onPassed: descriptors, for: endpoint, context: context)
        }

        #expect(paths.map(connect(to:)) == [ECONNREFUSED, ECONNREFUSED])
        var end = pollfd(fd: other, events: Int16(POLLIN), revents: 0)
        #expect(poll(&end, 1, 0) == 1, "\(unfit) is open")
    }

    private func temporarySocketPath() -> String { "/tmp/sts-\(UInt64.random(in: 0...UInt64.max)).sock" }
}
