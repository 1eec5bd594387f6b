import Dispatch
import Foundation
import Glibc

/// A listening TCP socket. One thread accepts its connections.
///
/// Concurrency: Any thread may call `close()` once.
final class TestListener: Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let ended = DispatchSemaphore(value: 0)

    /// Port 0 means any free port.
    init(_ address: String, port: UInt16) throws {
        (descriptor, self.port) = try TestPeer.listen(address, port: port)
    }

    /// Called for each connection, on the thread of the listener.
    func start(_ serve: @escaping @Sendable (Int32) -> Void) {
        Thread { [self] in
            while true {
                let connection = Glibc.accept(descriptor, nil, nil)
                guard connection >= 0 else { break }
                serve(connection)
            }
            ended.signal()
        }.start()
    }

    /// Stops listening before there is a thread.
    func closeUnstarted() { _ = Glibc.close(descriptor) }

    /// Returns when the thread has ended. Otherwise another socket could get the same descriptor number, and the thread would
    /// accept its connections.
    func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        ended.wait()
        _ = Glibc.close(descriptor)
    }
}
