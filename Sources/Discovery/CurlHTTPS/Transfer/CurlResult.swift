import CCurl
import Discovery
import Glibc
import LibCurl

/// The result of a transfer without a usable response, from libcurl's result code.
///
/// Security: Texts are constants of libcurl, libc and OpenSSL, never text of the peer.
struct CurlResult {
    let code: CURLcode
    /// The reason why `ResponseReader` stopped the transfer; `nil` if it did not.
    let readerError: FetchError?
    /// The X509_V_ERR_ number of the handshake. It counts with CURLE_PEER_FAILED_VERIFICATION only.
    let verifyResult: Int
    /// The `errno` of connect(2), or 0.
    let systemError: Int32
    let errorText: String

    var attemptResult: AttemptResult {
        switch readerError {
        case .transport(let failure): return .failed(failure)
        case .some(let failure): return .refused(failure)
        case nil: break
        }
        switch code {
        case CURLE_OPERATION_TIMEDOUT:
            return .timedOut
        case CURLE_PEER_FAILED_VERIFICATION:
            return .refused(.certificate(CertificateVerification.error(verifyResult: verifyResult)))
        case CURLE_COULDNT_CONNECT where Self.isLackOfResources(systemError):
            return .refused(.transport(.local(CurlErrorMessage.systemError(systemError))))
        case CURLE_COULDNT_CONNECT where Self.isLackOfRoute(systemError):
            // Another address may have a route.
            return .failed(.local(CurlErrorMessage.systemError(systemError)))
        case CURLE_COULDNT_CONNECT:
            return .failed(.unreachable(systemError == 0 ? libraryText : CurlErrorMessage.systemError(systemError)))
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_CLIENTCERT, CURLE_SSL_INVALIDCERTSTATUS:
            return .failed(.handshake(CurlErrorMessage.handshakeReason(errorText) ?? libraryText))
        case CURLE_OK, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_WRITE_ERROR,
            CURLE_SSL_SHUTDOWN_FAILED:
            return .failed(.broken(libraryText))
        case CURLE_UNSUPPORTED_PROTOCOL:
            // libcurl also uses this code for HTTP/0.9, that is for octets that are not HTTP. The URL is ours and supported.
            return .failed(.broken("not HTTP"))
        case CURLE_OUT_OF_MEMORY:
            // libcurl until 8.6 also uses this code for a header line above 100 KB. A process without memory does not get
            // this far.
            return .failed(.broken(libraryText))
        default:
            return .refused(.transport(.local(libraryText)))
        }
    }

    /// Whether this host has no file descriptor, memory or port left.
    private static func isLackOfResources(_ number: Int32) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number)
    }

    /// Whether this host cannot reach the address: no route, no source address, an interface that is down, its own firewall.
    /// Excludes EHOSTUNREACH, which routers report for their last hop.
    private static func isLackOfRoute(_ number: Int32) -> Bool {
        [ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EACCES, EPERM].contains(number)
    }

    private var libraryText: String { CurlErrorMessage.libraryError(code) }
}
