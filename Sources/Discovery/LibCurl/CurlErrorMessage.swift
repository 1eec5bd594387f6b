import CCurl
import Glibc

/// Error messages of libcurl and libc: short, one line, printable ASCII, because they end in logs and mail queues.
package enum CurlErrorMessage {
    /// Characters. A longer text has nothing more to say.
    package static let maximumLength = 120

    package static func printable(_ text: some StringProtocol) -> String {
        let octets = text.utf8.prefix(maximumLength).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: octets, as: UTF8.self)
    }

    /// `Connection refused`.
    package static func systemError(_ number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = buffer.baseAddress, strerror_r(number, start, buffer.count) == 0 else {
                return "error \(number)"
            }
            return printable(String(cString: start))
        }
    }

    /// libcurl's constant text of a result, never the error buffer.
    package static func libraryError(_ code: CURLcode) -> String {
        guard let text = curl_easy_strerror(code) else { return "curl error \(code.rawValue)" }
        return printable(String(cString: text))
    }

    package static func multiError(_ code: CURLMcode) -> String {
        guard let text = curl_multi_strerror(code) else { return "curl multi error \(code.rawValue)" }
        return printable(String(cString: text))
    }

    /// OpenSSL's reason out of `error:0A000102:SSL routines::unsupported protocol`, `nil` in other texts. It is one of
    /// OpenSSL's constants. The only thing it reveals of the peer is the number of an alert.
    package static func handshakeReason(_ errorBuffer: String) -> String? {
        guard errorBuffer.utf8.starts(with: "error:".utf8) || errorBuffer.contains(" error:"),
            let colon = errorBuffer.lastIndex(of: ":")
        else { return nil }
        let reason = printable(errorBuffer[errorBuffer.index(after: colon)...])
        return reason.isEmpty ? nil : reason
    }
}
