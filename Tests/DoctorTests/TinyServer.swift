import Dispatch
import Glibc
import Synchronization

/// One connection on 127.0.0.1: reads once, answers once, and stays open until the last reference goes.
final class TinyServer: Sendable {
    struct SocketError: Error {
        let code: Int32
    }

    let port: UInt16
    private let listening: Int32
    private let state = Mutex((connection: Int32(-1), request: [UInt8]()))
    private let isAnswered = DispatchSemaphore(value: 0)

    convenience init(answering text: String?) throws {
        try self.init { _ in text.map { Array($0.utf8) } }
    }

    /// - Parameter reply: `nil`: no reply.
    init(_ reply: @escaping @Sendable ([UInt8]) -> [UInt8]?) throws {
        let listening = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard listening >= 0 else { throw SocketError(code: errno) }
        self.listening = listening
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listening, $0, size) == 0 && listen(listening, 8) == 0 && getsockname(listening, $0, &size) == 0
            }
        }
        port = address.sin_port.bigEndian
        guard isListening else { throw SocketError(code: errno) }
        DispatchQueue.global().async { [weak self] in
            // Ends at the latest with the listening socket.
            let connection = accept(listening, nil, nil)
            guard connection >= 0 else { return }
            var octets = [UInt8](repeating: 0, count: 4_096)
            let count = max(0, recv(connection, &octets, octets.count, 0))
            let request = Array(octets[..<count])
            if let reply = reply(request) { _ = send(connection, reply, reply.count, Int32(MSG_NOSIGNAL)) }
            guard let self else {
                close(connection)
                return
            }
            state.withLock { $0 = (connection, request) }
            isAnswered.signal()
        }
    }

    deinit {
        shutdown(listening, Int32(SHUT_RDWR))
        close(listening)
        let connection = state.withLock(\.connection)
        if connection >= 0 { close(connection) }
    }

    /// The request, available after the reply.
    func received() -> String {
        _ = isAnswered.wait(timeout: .now() + .seconds(10))
        return String(decoding: state.withLock(\.request), as: UTF8.self)
    }
}
