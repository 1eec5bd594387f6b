import COpenSSL
import Glibc
import LibCurl

/// Checks a CA file at the start of the daemon, so that a wrong path stops the start and not the mail.
///
/// Errors: `CurlSetupError` with the path.
/// Not here: the use of the file. libcurl reads it for each handshake, or once an hour (see `CurlTransfer`).
enum CAFile {
    /// Accepts a PEM file that OpenSSL loads completely, as libcurl demands, and that contains a certificate.
    static func check(_ path: String) throws(CurlSetupError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .unreadableCAFile(path: path, reason: CurlErrorMessage.systemError(errno))
        }
        _ = Glibc.close(descriptor)
        ERR_clear_error()
        defer { ERR_clear_error() }
        guard containsCertificate(path) else { throw .noCertificates(path: path, reason: lastReason()) }
        guard let store = X509_STORE_new() else { throw .resources("out of memory") }
        defer { X509_STORE_free(store) }
        guard X509_STORE_load_file(store, path) == 1 else {
            throw .noCertificates(path: path, reason: lastReason())
        }
    }

    /// A file with CRLs or keys only would load as a store, but no certificate would ever be trusted.
    private static func containsCertificate(_ path: String) -> Bool {
        guard let file = BIO_new_file(path, "r") else { return false }
        defer { BIO_free(file) }
        guard let certificate = PEM_read_bio_X509_AUX(file, nil, nil, nil) else { return false }
        X509_free(certificate)
        return true
    }

    private static func lastReason() -> String {
        guard let text = ERR_reason_error_string(ERR_peek_last_error()) else { return "no PEM certificate in it" }
        return CurlErrorMessage.printable(String(cString: text))
    }
}
