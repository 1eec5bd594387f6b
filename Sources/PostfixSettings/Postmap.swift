import Glibc
import MTASTS

/// Asks postmap(1) for what a table of Postfix's says.
///
/// Looks from the queue directory, as Postfix's own programs do, so that relative paths lead to the same files.
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
    private let configurationDirectory: String?
    /// `nil` if it is not there or closed to this user.
    private let workingDirectory: String?
    package var timeLimit = Duration.seconds(5)

    /// The one beside `postconf`; `nil`: there is none.
    package init?(beside postconf: String, configurationDirectory: String?, queueDirectory: String? = nil) {
        guard let slash = postconf.lastIndex(of: "/") else { return nil }
        path = postconf[..<slash] + "/postmap"
        guard access(path, X_OK) == 0 else { return nil }
        // A relative one counts from where this process is.
        self.configurationDirectory = configurationDirectory.map { directory in
            guard let resolved = realpath(directory, nil) else { return directory }
            defer { free(resolved) }
            return String(cString: resolved)
        }
        workingDirectory = queueDirectory.flatMap { access($0, X_OK) == 0 ? $0 : nil }
    }

    package func ask(_ key: String, _ table: String) -> Answer {
        let directory = configurationDirectory.map { ["-c", $0] } ?? []
        do throws(PostconfFailure) {
            let result = try ChildOutput.of(
                path, [path] + directory + ["-q", key, table], in: workingDirectory, within: timeLimit, atMost: 65_536)
            return Self.answer(status: result.status, output: result.output, errors: result.errors)
        } catch {
            return .notAsked("\(error)".replacing("postconf", with: "postmap"))
        }
    }

    /// Status 1 is "not found" and "failed" alike; the lines tell them apart. Warnings, as of a parameter that is set twice in
    /// main.cf, come with any answer.
    package static func answer(status: Int32, output: [UInt8], errors: [UInt8]) -> Answer {
        if status == 0 { return .found(RemoteText.escaped(output.prefix { $0 != 0x0A })) }
        let lines = errors.split(separator: UInt8(ascii: "\n")).map { line in
            let text = RemoteText.escaped(line)
            return text.hasPrefix("postmap: ") ? String(text.dropFirst("postmap: ".count)) : text
        }
        let failures = lines.filter { line in ["fatal:", "panic:", "error:"].contains(where: line.hasPrefix) }
        if let failure = failures.last { return .failed(failure) }
        return status == 1 ? .notFound : .failed(lines.last ?? "postmap ended with status \(status)")
    }
}
