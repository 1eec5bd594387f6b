import CCurl
import Discovery
import Glibc

/// What libcurl's word at the end of a transfer that brought no policy means.
///
/// Texts are constants of libcurl, libc and OpenSSL, never the peer's.
struct CurlOutcome {
    let code: CURLcode
    /// Why we stopped the transfer ourselves, if we did.
    let refusal: FetchFailure?
    /// X509_V_ERR_ number of the handshake; meaningful with CURLE_PEER_FAILED_VERIFICATION.
    let verifyResult: Int
    /// `errno` of the failed connect, 0 without one.
    let systemError: Int32
    let errorText: String

    var ending: AttemptEnding {
        switch refusal {
        case .transport(let failure): return .failed(failure)
        case .some(let failure): return .refused(failure)
        case nil: break
        }
        switch code {
        case CURLE_OPERATION_TIMEDOUT:
            return .timedOut
        case CURLE_PEER_FAILED_VERIFICATION:
            return .refused(.certificate(CertificateJudgement.failure(verifyResult: verifyResult)))
        case CURLE_COULDNT_CONNECT where Self.isLackOfResources(systemError):
            return .refused(.transport(.local(CurlText.systemError(systemError))))
        case CURLE_COULDNT_CONNECT where Self.isLackOfRoute(systemError):
            // Another address may have a route.
            return .failed(.local(CurlText.systemError(systemError)))
        case CURLE_COULDNT_CONNECT:
            return .failed(.unreachable(systemError == 0 ? libraryText : CurlText.systemError(systemError)))
        case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_CLIENTCERT, CURLE_SSL_INVALIDCERTSTATUS:
            return .failed(.handshake(CurlText.handshakeReason(errorText) ?? libraryText))
        case CURLE_OK, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_WEIRD_SERVER_REPLY, CURLE_BAD_CONTENT_ENCODING, CURLE_WRITE_ERROR,
            CURLE_SSL_SHUTDOWN_FAILED:
            return .failed(.broken(libraryText))
        case CURLE_UNSUPPORTED_PROTOCOL:
            // libcurl's code for HTTP/0.9 as well, that is for octets that are no HTTP; the URL was ours.
            return .failed(.broken("not HTTP"))
        case CURLE_OUT_OF_MEMORY:
            // libcurl's code for a header line past its 100 KB as well (until 8.6). A process truly out of memory does
            // not come this far.
            return .failed(.broken(libraryText))
        default:
            return .refused(.transport(.local(libraryText)))
        }
    }

    /// The host has no descriptor, memory or port left.
    private static func isLackOfResources(_ number: Int32) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(number)
    }

    /// The host has no way to the address: no route, no source address, an interface that is down, its own firewall.
    /// EHOSTUNREACH is not among them, since routers report it of their last hop.
    private static func isLackOfRoute(_ number: Int32) -> Bool {
        [ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EACCES, EPERM].contains(number)
    }

    private var libraryText: String { CurlText.libraryError(code) }
}
