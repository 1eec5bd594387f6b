import CCurl
import Glibc

/// The words of failures: short, one line, printable ASCII, since they end in logs and mail queues.
enum CurlText {
    /// Longer ones say nothing more.
    static let maximumLength = 120

    static func printable(_ text: some StringProtocol) -> String {
        let octets = text.utf8.prefix(maximumLength).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: "?") }
        return String(decoding: octets, as: UTF8.self)
    }

    /// `Connection refused`.
    static func systemError(_ number: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            guard let start = buffer.baseAddress, strerror_r(number, start, buffer.count) == 0 else {
                return "error \(number)"
            }
            return printable(String(cString: start))
        }
    }

    /// libcurl's constant text of a result, never the error buffer.
    static func libraryError(_ code: CURLcode) -> String {
        guard let text = curl_easy_strerror(code) else { return "curl error \(code.rawValue)" }
        return printable(String(cString: text))
    }

    /// OpenSSL's reason out of `error:0A000102:SSL routines::unsupported protocol`, `nil` in other texts. It is one of
    /// OpenSSL's constants; of the peer it tells no more than the number of an alert.
    static func handshakeReason(_ errorBuffer: String) -> String? {
        guard errorBuffer.utf8.starts(with: "error:".utf8) || errorBuffer.contains(" error:"),
            let colon = errorBuffer.lastIndex(of: ":")
        else { return nil }
        let reason = printable(errorBuffer[errorBuffer.index(after: colon)...])
        return reason.isEmpty ? nil : reason
    }
}
