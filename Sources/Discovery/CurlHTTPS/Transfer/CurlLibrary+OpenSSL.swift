import CCurl
import LibCurl

extension CurlLibrary {
    /// Checks that libcurl uses OpenSSL. The certificate verification needs an SSL_CTX, so a libcurl with GnuTLS is unusable.
    static func check() throws(CurlSetupError) {
        guard initialisation == CURLE_OK else {
            throw .resources("libcurl: \(CurlErrorMessage.libraryError(initialisation))")
        }
        guard let information = curl_version_info(CURLVERSION_FIRST), let name = information.pointee.ssl_version else {
            throw .library("This libcurl has no TLS. Install one built on OpenSSL (Debian: libcurl4).")
        }
        let version = String(cString: name)
        guard version.hasPrefix("OpenSSL/3") else {
            throw .library(
                "This libcurl's TLS is \(CurlErrorMessage.printable(version)), but OpenSSL 3 is needed. "
                    + "Install a libcurl built on it (Debian: libcurl4).")
        }
    }
}
