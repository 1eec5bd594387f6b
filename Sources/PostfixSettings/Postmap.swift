import Glibc
import MTASTS

/// Asks postmap(1) for what a table of Postfix's says.
///
/// Concurrency: blocks its thread for as long as the table takes, `timeLimit` at most.
package struct Postmap: Sendable {
    package enum Answer: Equatable, Sendable {
        /// Escaped.
        case found(String)
        case notFound
        /// The table cannot be used; postmap's words, escaped.
        case failed(String)
        /// Nothing was found out.
        case notAsked(String)
    }

    package let path: String
    package var configurationDirectory: String?
    package var timeLimit = Duration.seconds(5)

    /// The one beside `postconf`; `nil`: there is none.
    package init?(beside postconf: String, configurationDirectory: String?) {
        guard let slash = postconf.lastIndex(of: "/") else { return nil }
        path = postconf[..<slash] + "/postmap"
        guard access(path, X_OK) == 0 else { return nil }
        self.configurationDirectory = configurationDirectory
    }

    package func ask(_ key: String, _ table: String) -> Answer {
        let directory = configurationDirectory.map { ["-c", $0] } ?? []
        do throws(PostconfFailure) {
            let result = try ChildOutput.of(
                path, [path] + directory + ["-q", key, table], within: timeLimit, atMost: 65_536)
            if result.status == 0 { return .found(RemoteText.escaped(result.output.prefix { $0 != 0x0A })) }
            // Not found says nothing.
            guard let words = result.errors.split(separator: UInt8(ascii: "\n")).last else { return .notFound }
            let text = RemoteText.escaped(words)
            return .failed(text.hasPrefix("postmap: ") ? String(text.dropFirst(9)) : text)
        } catch {
            return .notAsked("\(error)".replacing("postconf", with: "postmap"))
        }
    }
}
