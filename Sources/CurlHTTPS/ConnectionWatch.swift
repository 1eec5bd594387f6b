import COpenSSL

/// Notes whether the peer ended a TLS connection with a close_notify alert (RFC 8446 §6.1).
///
/// A TCP connection can be ended by anybody on the path. Only close_notify proves that the peer itself has sent all it had,
/// and libcurl does not tell the two apart. Each connection has its own watch.
///
/// Concurrency: confined to the thread of the connection's `CurlLoop`.
/// Memory: the SSL_CTX holds a reference. It may outlive the transfer, since libcurl can close a connection later.
final class CloseNotifyWatch {
    /// Whether close_notify came after the handshake. Before it, the alert is not authenticated.
    private(set) var isSeen = false

    /// The slot of every SSL_CTX that holds its watch; negative when OpenSSL gives none.
    private static let index = CRYPTO_get_ex_new_index(
        CRYPTO_EX_INDEX_SSL_CTX, 0, nil, nil, nil,
        { _, watch, _, _, _, _ in
            if let watch { Unmanaged<CloseNotifyWatch>.fromOpaque(watch).release() }
        })

    /// Watches the connections of `context`. False when OpenSSL refused: then nothing may be concluded from `isSeen`.
    func start(on context: OpaquePointer) -> Bool {
        let this = Unmanaged.passRetained(self)
        guard Self.index >= 0, SSL_CTX_set_ex_data(context, Self.index, this.toOpaque()) == 1 else {
            this.release()
            return false
        }
        SSL_CTX_set_info_callback(context) { connection, event, value in
            guard let connection, event & CloseNotifyWatch.readAlert == CloseNotifyWatch.readAlert,
                value & 0xFF == SSL3_AD_CLOSE_NOTIFY, SSL_is_init_finished(connection) == 1,
                let watch = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), CloseNotifyWatch.index)
            else { return }
            Unmanaged<CloseNotifyWatch>.fromOpaque(watch).takeUnretainedValue().isSeen = true
        }
        return true
    }

    /// `SSL_CB_READ_ALERT`, a macro that Swift does not import.
    private static let readAlert = SSL_CB_ALERT | SSL_CB_READ
}
