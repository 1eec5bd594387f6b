import Dispatch
import Foundation
import Glibc

/// A listening TCP socket whose connections one thread accepts.
///
/// Concurrency: any thread may call `close()`, once.
final class TestListener: Sendable {
    let port: UInt16
    private let descriptor: Int32
    private let ended = DispatchSemaphore(value: 0)

    /// Port 0: any free one.
    init(_ address: String, _ port: UInt16) throws {
        (descriptor, self.port) = try TestPeer.listen(address, port)
    }

    /// Hands over each connection, on the listener's thread.
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

    /// Ends the listening without a thread.
    func closeUnstarted() { _ = Glibc.close(descriptor) }

    /// Returns when the thread has ended. Before that its number must not be given to another socket: the thread would
    /// accept the connections of that one.
    func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        ended.wait()
        _ = Glibc.close(descriptor)
    }
}
