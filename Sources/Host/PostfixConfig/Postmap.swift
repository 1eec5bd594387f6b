import Glibc
import TextFormats

/// Looks a key up in a Postfix table with postmap(1).
///
/// Runs in the queue directory, as Postfix's programs do, so that relative paths name the same files.
///
/// Concurrency: blocks its thread until the table answers, at most for `timeLimit`.
package struct Postmap: Sendable {
    package enum Answer: Equatable, Sendable {
        /// The value, escaped.
        case found(String)
        case notFound
        /// The table cannot be used. The text is postmap's error, escaped.
        case failed(String)
        /// postmap could not run, so the answer is unknown.
        case unknown(String)
    }

    package let path: String
    private let configurationDirectory: String?
    /// `nil` if it does not exist or this user may not enter it.
    private let workingDirectory: String?
    package var timeLimit = Duration.seconds(5)

    /// Finds postmap in the directory of `postconf`; `nil`: there is none.
    package init?(beside postconf: String, configurationDirectory: String?, queueDirectory: String? = nil) {
        guard let slash = postconf.lastIndex(of: "/") else { return nil }
        path = postconf[..<slash] + "/postmap"
        guard access(path, X_OK) == 0 else { return nil }
        // A relative path counts from the working directory of this process.
        self.configurationDirectory = configurationDirectory.map { directory in
            guard let resolved = realpath(directory, nil) else { return directory }
            defer { free(resolved) }
            return String(cString: resolved)
        }
        workingDirectory = queueDirectory.flatMap { access($0, X_OK) == 0 ? $0 : nil }
    }

    package func lookup(_ key: String, table: String) -> Answer {
        let directory = configurationDirectory.map { ["-c", $0] } ?? []
        do throws(PostconfError) {
            let result = try Subprocess.run(
                path, arguments: [path] + directory + ["-q", key, table], directory: workingDirectory,
                timeLimit: timeLimit, limit: 65_536)
            return Self.answer(status: result.status, output: result.output, errors: result.errors)
        } catch {
            return .unknown("\(error)".replacing("postconf", with: "postmap"))
        }
    }

    /// Status 1 means "not found" or "failed"; the error lines distinguish the two. Warnings, such as of a parameter that
    /// main.cf sets twice, come with any answer.
    package static func answer(status: Int32, output: [UInt8], errors: [UInt8]) -> Answer {
        if status == 0 { return .found(UntrustedText.escaped(output.prefix { $0 != 0x0A })) }
        let lines = errors.split(separator: UInt8(ascii: "\n")).map { line in
            let text = UntrustedText.escaped(line)
            return text.hasPrefix("postmap: ") ? String(text.dropFirst("postmap: ".count)) : text
        }
        let failures = lines.filter { line in ["fatal:", "panic:", "error:"].contains(where: line.hasPrefix) }
        if let failure = failures.last { return .failed(failure) }
        return status == 1 ? .notFound : .failed(lines.last ?? "postmap ended with status \(status)")
    }
}
