import Glibc
import LocalSystem
import TextFormats

/// Reads Postfix's settings from postconf(1) on this host.
///
/// Concurrency: blocks its thread for a few milliseconds, at most for `timeLimit` per run; never call it on an event loop.
/// Errors: `PostconfError`. A host without postconf is no error: `find` returns `nil`.
package struct Postconf: Sendable {
    package let path: String
    /// The value of `-c`; `nil`: Postfix's default, or `MAIL_CONFIG`.
    package var configurationDirectory: String?
    package var timeLimit = Duration.seconds(5)

    /// Octets. All parameters asked for need some hundreds, a large master.cf some thousands.
    private static let maximumOutput = 1 << 20

    package init(path: String, configurationDirectory: String? = nil, timeLimit: Duration = .seconds(5)) {
        self.path = path
        self.configurationDirectory = configurationDirectory
        self.timeLimit = timeLimit
    }

    /// Finds the first postconf in the directories that packages use, then in `searchPath`, the value of `PATH`. Relative
    /// entries are ignored: they name another program in every working directory.
    package static func find(
        searchPath: String, after directories: [String] = ["/usr/sbin", "/usr/bin"]
    ) -> String? {
        (directories + searchPath.split(separator: ":").map(String.init)).lazy
            .filter { $0.hasPrefix("/") }.map { $0 + "/postconf" }.first(where: isProgram)
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    /// Reads the settings on which the bridge's replies depend.
    package func profile() throws(PostconfError) -> PostfixProfile {
        try configuration(PostfixProfile.parameters).profile
    }

    /// Reads these parameters of main.cf, the services of master.cf, and the parameters of each service that overrides
    /// some. A run of postconf takes some milliseconds. Two run at once; others follow only where a value may refer to others.
    package func configuration(_ names: [String]) throws(PostconfError) -> PostfixConfiguration {
        let master = BackgroundResult { Result { () throws(PostconfError) in try output(of: ["-Mx"]) } }
        let main = Result { () throws(PostconfError) in PostfixParameters(postconf: try output(of: names)) }
        let services = master.value
        let written = try main.get()
        let parameters = written.hasReferences ? try parameters(names) : written
        let directory = parameters["config_directory"] ?? configurationDirectory ?? "/etc/postfix"
        let found = try Self.services(services, in: directory)
        return PostfixConfiguration(
            source: .postconf(path), directory: directory, parameters: parameters, services: found,
            overridden: try overridden(names, of: found, written: written))
    }

    /// Reads the parameters of each service whose overrides may change some. An override of another parameter changes
    /// nothing if no value refers to one.
    private func overridden(
        _ names: [String], of services: [MasterCF], written: PostfixParameters
    ) throws(PostconfError) -> [String: PostfixParameters] {
        guard let release = written["mail_version"].flatMap({ PostfixRelease($0) }), release.major >= 3 else {
            return [:]
        }
        var overridden: [String: PostfixParameters] = [:]
        for service in services where service.isSMTPClient && !service.overrides.isEmpty {
            guard written.hasReferences || names.contains(where: { service.overrides[$0] != nil }) else { continue }
            overridden[service.name] = try parameters(names, overrides: service.overrides)
        }
        return overridden
    }

    /// Reads the parameters of main.cf with these names.
    ///
    /// Without `-h`: postconf prints no line for a parameter that its version does not have, so values would change
    /// places. With `-x`, since a value may be `$another_parameter`.
    ///
    /// - Parameter overrides: the `-o` settings of a service of master.cf. `postconf -o` came with Postfix 2.11.
    package func parameters(
        _ names: [String], overrides: [String: String] = [:]
    ) throws(PostconfError) -> PostfixParameters {
        let options = overrides.sorted { $0.key < $1.key }.flatMap { ["-o", "\($0.key)=\($0.value)"] }
        return PostfixParameters(postconf: try output(of: ["-x"] + options + names))
    }

    /// The services of master.cf with expanded overrides; none if the file does not exist.
    private static func services(
        _ output: Result<String, PostconfError>, in directory: String
    ) throws(PostconfError) -> [MasterCF] {
        do throws(PostconfError) {
            return MasterCF.all(in: try output.get())
        } catch {
            guard access(directory + "/master.cf", F_OK) != 0, errno == ENOENT else { throw error }
            return []
        }
    }

    private func output(of arguments: [String]) throws(PostconfError) -> String {
        let directory = configurationDirectory.map { ["-c", $0] } ?? []
        let result = try Subprocess.run(
            path, arguments: [path] + directory + arguments, timeLimit: timeLimit, limit: Self.maximumOutput)
        guard result.status == 0 else {
            let lastLine = result.errors.split(separator: UInt8(ascii: "\n")).last ?? []
            throw .failed(status: result.status, lastLine: UntrustedText.escaped(lastLine))
        }
        return String(decoding: result.output, as: UTF8.self)
    }
}

package enum PostconfError: Error, Equatable, Sendable {
    /// The program could not be started. The code is an errno.
    case system(Int32)
    /// The program ended with this status. `lastLine` is the last line of its errors, escaped. A signal counts as 128 plus
    /// its number, as in a shell.
    case failed(status: Int32, lastLine: String)
    case timedOut
    case tooMuchOutput
}

extension PostconfError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let code): "cannot run postconf: \(String(cString: strerror(code)))"
        case .failed(let status, let lastLine): "postconf ended with status \(status): \(lastLine)"
        case .timedOut: "postconf did not end in time"
        case .tooMuchOutput: "postconf wrote more than expected"
        }
    }
}
