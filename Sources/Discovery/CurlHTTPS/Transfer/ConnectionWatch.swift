import COpenSSL
import Discovery

/// Observes a TLS connection: the protocol that ALPN chose, the peer's certificate, and whether the peer ended the connection
/// with a close_notify alert. libcurl does not report the first and the last. It reports the certificates only if it formats
/// every field and every extension of the whole chain (CURLOPT_CERTINFO).
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
    /// Two fields of the peer's certificate; `nil` before the end of the handshake.
    private(set) var summary: TLSSummary?

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
        if event & SSL_CB_HANDSHAKE_DONE != 0 {
            isHTTP2 = Self.hasChosenHTTP2(connection)
            summary = SSL_get0_peer_certificate(connection).map(Self.summary)
        }
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

    /// Formats the fields as libcurl does.
    private static func summary(of certificate: OpaquePointer) -> TLSSummary {
        TLSSummary(
            issuer: text { X509_NAME_print_ex($0, X509_get_issuer_name(certificate), 0, sts_name_on_one_line) },
            notAfter: text { ASN1_TIME_print($0, X509_get0_notAfter(certificate)) })
    }

    /// Returns what `print` writes, or `nil` if it fails.
    private static func text(_ print: (OpaquePointer) -> Int32) -> String? {
        guard let output = BIO_new(BIO_s_mem()) else { return nil }
        defer { BIO_free(output) }
        guard print(output) > 0 else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumLength) { buffer in
            let count = BIO_read(output, buffer.baseAddress, Int32(buffer.count))
            return count > 0 ? String(decoding: buffer[..<Int(count)], as: UTF8.self) : nil
        }
    }

    /// The maximum length of one field of a certificate, in octets.
    private static let maximumLength = 4_096

    /// `SSL_CB_READ_ALERT`, a macro that Swift does not import.
    private static let readAlert = SSL_CB_ALERT | SSL_CB_READ
}
