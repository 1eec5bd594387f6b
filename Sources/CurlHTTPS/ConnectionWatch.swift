import COpenSSL

/// Notes of a TLS connection what libcurl does not report: the protocol that ALPN chose, and whether the peer ended the
/// connection with a close_notify alert.
///
/// The protocol decides how the end of a body is known. What libcurl reports instead (`CURLINFO_HTTP_VERSION`) is the text
/// of the peer's status line, and `HTTP/2 200` can be sent over HTTP/1.1 as well.
/// A TCP connection can be ended by anybody on the path. Only close_notify proves that the peer itself has sent all it had
/// (RFC 8446 §6.1), and libcurl does not tell the two apart. Each connection has its own watch.
///
/// Concurrency: confined to the thread of the connection's `CurlLoop`.
/// Memory: the SSL_CTX holds a reference. It may outlive the transfer, since libcurl can close a connection later.
final class ConnectionWatch {
    /// Whether close_notify came after the handshake. Before it, the alert is not authenticated.
    private(set) var hasCloseNotify = false
    /// Whether ALPN chose `h2` (RFC 9113 §3.2): only then does libcurl speak HTTP/2. False until the handshake is done.
    private(set) var isHTTP2 = false

    /// The slot of every SSL_CTX that holds its watch; negative when OpenSSL gives none.
    private static let index = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil,
        { _, watch, _, _, _, _ in
            if let watch { Unmanaged<ConnectionWatch>.fromOpaque(watch).release() }
        })

    /// Watches the connections of `context`. False when OpenSSL refused: then nothing may be concluded from the notes.
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
            Unmanaged<ConnectionWatch>.fromOpaque(watch).takeUnretainedValue().note(event, value, of: connection)
        }
        return true
    }

    private func note(_ event: Int32, _ value: Int32, of connection: OpaquePointer) {
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
