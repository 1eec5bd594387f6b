import COpenSSL

/// Observes what libcurl does not report about a TLS connection: the protocol that ALPN chose, and whether the peer ended
/// the connection with a close_notify alert.
///
/// The protocol decides how a body ends. libcurl's `CURLINFO_HTTP_VERSION` is the text of the status line, and a peer can
/// send `HTTP/2 200` over HTTP/1.1.
///
/// Each connection has its own watch. The SSL_CTX retains it. The SSL_CTX may outlive the transfer, because libcurl can
/// close a connection later.
///
/// Concurrency: Confined to the thread of the `CurlLoop`.
/// Security: An attacker on the path can end a TCP connection. Only close_notify proves that the peer sent everything
/// (RFC 8446 §6.1), and libcurl does not distinguish the two.
final class ConnectionWatch {
    /// Whether close_notify came after the handshake. An earlier alert is not authenticated.
    private(set) var hasCloseNotify = false
    /// Whether ALPN chose `h2` (RFC 9113 §3.2), so that libcurl uses HTTP/2. `false` before the end of the handshake.
    private(set) var isHTTP2 = false

    /// The index of the watch in each SSL_CTX; negative if OpenSSL has no index left.
    private static let index = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil,
        { _, watch, _, _, _, _ in
            if let watch { Unmanaged<ConnectionWatch>.fromOpaque(watch).release() }
        })

    /// Observes the connections of `context`. Returns `false` if OpenSSL failed; then the properties have no meaning.
    func start(on context: OpaquePointer) -> Bool {
        let this = Unmanaged.passRetained(self)
        guard Self.index >= 0, SSL_CTX_set_ex_data(context, Self.index, this.toOpaque()) == 1 else {
            this.release()
            return false
        }
        SSL_CTX_set_info_callback(context) { connection, event, value in
            guard let connection,
                let watch = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), ConnectionWatch.index)
            else { return }
            Unmanaged<ConnectionWatch>.fromOpaque(watch).takeUnretainedValue()
                .handle(event, value: value, of: connection)
        }
        return true
    }

    private func handle(_ event: Int32, value: Int32, of connection: OpaquePointer) {
        if event & SSL_CB_HANDSHAKE_DONE != 0 { isHTTP2 = Self.hasChosenHTTP2(connection) }
        if event & Self.readAlert == Self.readAlert, value & 0xFF == SSL3_AD_CLOSE_NOTIFY,
            SSL_is_init_finished(connection) == 1
        {
            hasCloseNotify = true
        }
    }

    private static func hasChosenHTTP2(_ connection: OpaquePointer) -> Bool {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(connection, &name, &length)
        return UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual("h2".utf8)
    }

    /// `SSL_CB_READ_ALERT`, a macro that Swift does not import.
    private static let readAlert = SSL_CB_ALERT | SSL_CB_READ
}
