import Foundation
import Glibc
import Synchronization

/// A TCP server for behaviour that nginx does not have. It has no TLS and no HTTP, and sends fixed octets.
///
/// Concurrency: One thread accepts, and one thread serves each connection. `close()` ends them all.
final class TestPeer: Sendable {
    enum Manner: Sendable {
        /// The kernel accepts; the peer never reads or answers.
        case silent
        /// Sends these octets, then closes.
        case says([UInt8])
        /// Sends the first octets, and then repeats the others while the client receives them.
        case saysForEver([UInt8], then: [UInt8])
        /// Sends these octets and then stays silent.
        case saysAndStays([UInt8])
    }

    let address: String
    let port: UInt16
    private let listener: TestListener
    private let manner: Manner
    private let accepted = Mutex<[Int32]>([])

    /// Port 0 means any free port.
    init(_ manner: Manner, address: String = "127.0.0.1", port: UInt16 = 0) throws {
        self.manner = manner
        self.address = address
        listener = try TestListener(address, port: port)
        self.port = listener.port
        if case .silent = manner { return }
        listener.start { [self] connection in
            accepted.withLock { $0.append(connection) }
            Thread { [self] in serve(connection) }.start()
        }
    }

    func close() {
        if case .silent = manner { return listener.closeUnstarted() }
        listener.close()
        for connection in accepted.withLock({ $0 }) { shutdown(connection, Int32(SHUT_RDWR)) }
    }

    /// A port that is closed at the moment.
    static func freePort() throws -> UInt16 {
        let (descriptor, port) = try listen("127.0.0.1", port: 0)
        _ = Glibc.close(descriptor)
        return port
    }

    static func listen(_ address: String, port: UInt16) throws -> (Int32, UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = inet_addr(address)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && Glibc.listen(descriptor, 16) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard descriptor >= 0, isBound else {
            throw Command.CommandError(description: "cannot listen on \(address):\(port)")
        }
        return (descriptor, UInt16(bigEndian: name.sin_port))
    }

    private func serve(_ connection: Int32) {
        switch manner {
        case .silent:
            break
        case .says(let octets):
            _ = send(octets, to: connection)
        case .saysForEver(let first, let then):
            var isTaken = send(first, to: connection)
            while isTaken { isTaken = send(then, to: connection) }
        case .saysAndStays(let octets):
            _ = send(octets, to: connection)
            var rest = [UInt8](repeating: 0, count: 1_024)
            while recv(connection, &rest, rest.count, 0) > 0 {}
        }
        accepted.withLock { $0.removeAll { $0 == connection } }
        // Read everything, so that the connection ends with FIN instead of a reset, which discards sent data.
        shutdown(connection, Int32(SHUT_WR))
        var rest = [UInt8](repeating: 0, count: 1_024)
        while recv(connection, &rest, rest.count, 0) > 0 {}
        _ = Glibc.close(connection)
    }

    private func send(_ octets: [UInt8], to connection: Int32) -> Bool {
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}
