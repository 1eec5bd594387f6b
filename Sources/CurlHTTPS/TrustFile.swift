import COpenSSL
import Glibc

/// Looks into a CA file before the daemon starts, so that a wrong path stops the start and not the mail.
///
/// Fails by: `CurlSetupError`, naming the file.
/// Not here: the file's use. libcurl reads it again for each handshake (or once an hour, see `CurlTransfer`).
enum TrustFile {
    /// Passes a PEM file with at least one certificate that OpenSSL takes as a whole, which is what libcurl demands.
    static func check(_ path: String) throws(CurlSetupError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .unreadableCAFile(path: path, reason: CurlText.systemError(errno))
        }
        _ = Glibc.close(descriptor)
        ERR_clear_error()
        defer { ERR_clear_error() }
        guard holdsCertificate(path) else { throw .noCertificates(path: path, reason: lastReason()) }
        guard let store = X509_STORE_new() else { throw .resources("out of memory") }
        defer { X509_STORE_free(store) }
        guard X509_STORE_load_file(store, path) == 1 else {
            throw .noCertificates(path: path, reason: lastReason())
        }
    }

    /// A file of CRLs or keys alone would load as a store, but nothing could ever be trusted by it.
    private static func holdsCertificate(_ path: String) -> Bool {
        guard let file = BIO_new_file(path, "r") else { return false }
        defer { BIO_free(file) }
        guard let certificate = PEM_read_bio_X509_AUX(file, nil, nil, nil) else { return false }
        X509_free(certificate)
        return true
    }

    private static func lastReason() -> String {
        guard let text = ERR_reason_error_string(ERR_peek_last_error()) else { return "no PEM certificate in it" }
        return CurlText.printable(String(cString: text))
    }
}
