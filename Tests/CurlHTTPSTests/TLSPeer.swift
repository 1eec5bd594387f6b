import COpenSSL
import Foundation
import Glibc
import Synchronization

/// A TLS server that ends its connections as a test says: nginx always ends them in order.
///
/// Concurrency: one thread, which serves one connection after the other; `close()` ends it.
final class TLSPeer: Sendable {
    enum Ending: Sendable {
        /// With a close_notify alert, then the end of the TCP connection.
        case closeNotify
        /// The end of the TCP connection alone, as anybody on the path can bring it about.
        case cut
    }

    /// What one connection gets.
    struct Reply: Sendable {
        /// Each is a TLS record of its own.
        var pieces: [String]
        var ending: Ending
    }

    private let listener: Int32
    private let settings: Settings
    private let replies: Mutex<[Reply]>

    /// What OpenSSL is told; the thread alone uses it.
    private struct Settings: Sendable {
        let chain: String
        let key: String
        let maximumVersion: Int32
    }

    /// - Parameters:
    ///   - replies: for one connection after the other; the last one for all that follow.
    ///   - maximumVersion: of TLS, such as `TLS1_2_VERSION`.
    init(
        _ replies: [Reply], certificate: CertificateRecipe = .general, in lab: Laboratory, address: String,
        maximumVersion: Int32 = TLS1_3_VERSION
    ) throws {
        self.replies = Mutex(replies)
        settings = Settings(
            chain: lab.certificates.chain(certificate), key: lab.certificates.key, maximumVersion: maximumVersion)
        (listener, _) = try TestPeer.listen(address, lab.port)
        Thread { [self] in run() }.start()
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        _ = Glibc.close(listener)
    }

    private func run() {
        guard let context = SSL_CTX_new(TLS_server_method()) else { return }
        defer { SSL_CTX_free(context) }
        SSL_CTX_use_certificate_chain_file(context, settings.chain)
        SSL_CTX_use_PrivateKey_file(context, settings.key, SSL_FILETYPE_PEM)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(settings.maximumVersion), nil)
        while true {
            let connection = Glibc.accept(listener, nil, nil)
            guard connection >= 0 else { return }
            let reply = replies.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            serve(connection, reply, context)
        }
    }

    private func serve(_ connection: Int32, _ reply: Reply, _ context: OpaquePointer) {
        defer { _ = Glibc.close(connection) }
        guard let tls = SSL_new(context) else { return }
        defer { SSL_free(tls) }
        SSL_set_fd(tls, connection)
        guard SSL_accept(tls) == 1 else { return }
        var request = [UInt8](repeating: 0, count: 4_096)
        guard SSL_read(tls, &request, Int32(request.count)) > 0 else { return }
        for piece in reply.pieces { SSL_write(tls, piece, Int32(piece.utf8.count)) }
        if reply.ending == .closeNotify { SSL_shutdown(tls) }
        shutdown(connection, Int32(SHUT_WR))
        // Take what has come, so that the end is a FIN and not a reset.
        while recv(connection, &request, request.count, 0) > 0 {}
    }
}
