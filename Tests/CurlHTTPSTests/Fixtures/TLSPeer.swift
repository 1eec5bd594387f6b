import COpenSSL
import Dispatch
import Foundation
import Glibc
import Synchronization
import TestSupport

/// A TLS server that can end connections without close_notify, which nginx never does.
///
/// Concurrency: One thread serves one connection after the other; `close()` ends it.
final class TLSPeer: Sendable {
    enum Ending: Sendable {
        /// A close_notify alert, then the end of the TCP connection.
        case closeNotify
        /// The end of the TCP connection only, which an attacker on the path can cause.
        case cut
    }

    /// After its last piece, a connection waits here until the test lets it end.
    final class Hold: Sendable {
        private let gate = Gate()
        private let opened = DispatchSemaphore(value: 0)

        /// Returns after the connection has sent its pieces.
        func arrival() async { await gate.arrivals() }

        /// Lets the connection end.
        func open() { opened.signal() }

        /// Blocks the thread of the peer, with a limit, so that a failing test ends.
        fileprivate func wait() {
            let gate = gate
            Task { await gate.pass() }
            _ = opened.wait(timeout: .now() + 30)
            gate.open()
        }
    }

    /// The reply on one connection.
    struct Reply: Sendable {
        /// Each piece is a separate TLS record.
        var pieces: [[UInt8]]
        var ending: Ending
        /// Chooses `h2` by ALPN, and waits for the request's HEADERS frame.
        var isHTTP2 = false
        /// The wait before the end.
        var hold: Hold?

        init(pieces: [String], ending: Ending, hold: Hold? = nil) {
            self.pieces = pieces.map { Array($0.utf8) }
            self.ending = ending
            self.hold = hold
        }

        /// - Parameter frames: On stream 1 (RFC 9113 §4.1), after the peer's SETTINGS.
        init(frames: [HTTP2Frame], ending: Ending) {
            pieces = ([.settings] + frames).map(\.octets)
            self.ending = ending
            isHTTP2 = true
        }
    }

    private let listener: TestListener
    /// The current connection.
    private let connection = Mutex<Int32?>(nil)
    private let settings: Settings
    private let replies: Mutex<[Reply]>

    /// The OpenSSL settings. Only the thread uses them.
    private struct Settings: Sendable {
        let chain: String
        let key: String
        let maximumVersion: Int32
        let isHTTP2: Bool
    }

    /// - Parameters:
    ///   - replies: One for each connection. Later connections get the last one.
    ///   - maximumVersion: A TLS version, such as `TLS1_2_VERSION`.
    init(
        _ replies: [Reply], certificate: CertificateRecipe = .general, in nginx: NginxFixture, address: String,
        maximumVersion: Int32 = TLS1_3_VERSION
    ) throws {
        self.replies = Mutex(replies)
        settings = Settings(
            chain: nginx.certificates.chain(certificate), key: nginx.certificates.key, maximumVersion: maximumVersion,
            isHTTP2: replies[0].isHTTP2)
        listener = try TestListener(address, port: nginx.port)
        listener.start { [self] connection in
            self.connection.withLock { $0 = connection }
            let reply = self.replies.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
            serve(connection, reply: reply)
            self.connection.withLock { $0 = nil }
            _ = Glibc.close(connection)
        }
    }

    func close() {
        connection.withLock { if let open = $0 { shutdown(open, Int32(SHUT_RDWR)) } }
        listener.close()
    }

    private func makeContext() -> OpaquePointer? {
        guard let context = SSL_CTX_new(TLS_server_method()) else { return nil }
        SSL_CTX_use_certificate_chain_file(context, settings.chain)
        SSL_CTX_use_PrivateKey_file(context, settings.key, SSL_FILETYPE_PEM)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(settings.maximumVersion), nil)
        if settings.isHTTP2 {
            SSL_CTX_set_alpn_select_cb(
                context,
                { _, chosen, length, offered, offeredLength, _ in
                    let protocols = HTTP2Frame.protocolName
                    let isChosen = chosen?.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: 1) {
                        SSL_select_next_proto($0, length, protocols.utf8Start, 3, offered, offeredLength)
                            == OPENSSL_NPN_NEGOTIATED
                    }
                    return isChosen == true ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
                }, nil)
        }
        return context
    }

    private func serve(_ connection: Int32, reply: Reply) {
        // OpenSSL writes without MSG_NOSIGNAL, and a client that refuses a header does not wait for the body.
        var pipe = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &pipe, nil)
        guard let context = makeContext() else { return }
        defer { SSL_CTX_free(context) }
        guard let tls = SSL_new(context) else { return }
        defer { SSL_free(tls) }
        SSL_set_fd(tls, connection)
        guard SSL_accept(tls) == 1 else { return }
        guard readRequest(tls, isHTTP2: reply.isHTTP2) else { return }
        for piece in reply.pieces { SSL_write(tls, piece, Int32(piece.count)) }
        reply.hold?.wait()
        if reply.ending == .closeNotify { SSL_shutdown(tls) }
        shutdown(connection, Int32(SHUT_WR))
        // Read everything, so that the connection ends with FIN instead of a reset.
        var rest = [UInt8](repeating: 0, count: 4_096)
        while recv(connection, &rest, rest.count, 0) > 0 {}
    }

    /// - Returns: Whether a request has arrived.
    private func readRequest(_ tls: OpaquePointer, isHTTP2: Bool) -> Bool {
        var octets: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        repeat {
            let count = SSL_read(tls, &piece, Int32(piece.count))
            guard count > 0 else { return false }
            octets += piece.prefix(Int(count))
        } while isHTTP2 && !HTTP2Frame.hasHeaders(afterPrefaceIn: octets)
        return true
    }
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
struct HTTP2Frame: Sendable {
    let type: UInt8
    let flags: UInt8
    let stream: UInt8
    let payload: [UInt8]

    /// ALPN's form of `h2`.
    static let protocolName: StaticString = "\u{2}h2"

    static let settings = HTTP2Frame(type: 4, flags: 0, stream: 0, payload: [])

    /// Status 200 and `text/plain` (indices 8 and 31 of RFC 7541's static table), END_HEADERS.
    static let head = HTTP2Frame(
        type: 1, flags: 4, stream: 1, payload: [0x88, 0x0F, 0x10, 0x0A] + Array("text/plain".utf8))

    static func data(_ text: String, isLast: Bool) -> HTTP2Frame {
        HTTP2Frame(type: 0, flags: isLast ? 1 : 0, stream: 1, payload: Array(text.utf8))
    }

    var octets: [UInt8] {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF), type, flags, 0, 0, 0, stream] + payload
    }

    /// Whether a complete HEADERS frame has arrived after the preface of the client (RFC 9113 §3.4).
    static func hasHeaders(afterPrefaceIn octets: [UInt8]) -> Bool {
        var rest = octets.dropFirst(24)
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = 9 + Int(head[0]) << 16 + Int(head[1]) << 8 + Int(head[2])
            guard rest.count >= length else { return false }
            if head[3] == 1 { return true }
            rest = rest.dropFirst(length)
        }
        return false
    }
}
