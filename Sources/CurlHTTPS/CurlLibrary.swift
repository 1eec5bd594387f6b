import CCurl

/// libcurl as it was found at run time.
enum CurlLibrary {
    /// Once for the process, whoever comes first: a constant whose value is the answer. Never undone, since other code
    /// may use libcurl too.
    private static let initialisation = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    /// Passes a libcurl that runs on OpenSSL: the certificate judgement works on its SSL_CTX, so that one on GnuTLS
    /// must not be used at all.
    static func check() throws(CurlSetupError) {
        guard initialisation == CURLE_OK else {
            throw .resources("libcurl: \(CurlText.libraryError(initialisation))")
        }
        guard let information = curl_version_info(CURLVERSION_FIRST), let name = information.pointee.ssl_version else {
            throw .library("This libcurl has no TLS. Install one built on OpenSSL (Debian: libcurl4).")
        }
        let version = String(cString: name)
        guard version.hasPrefix("OpenSSL/3") else {
            throw .library(
                "This libcurl's TLS is \(CurlText.printable(version)), but OpenSSL 3 is needed. "
                    + "Install a libcurl built on it (Debian: libcurl4).")
        }
    }
}
