import Glibc
import MTASTS

/// Asks postconf(1) of the Postfix on this host.
///
/// Concurrency: blocks its thread for a few milliseconds, `timeLimit` at most for each run; not for an event loop.
/// Fails by: `PostconfFailure`. A host without postconf is no failure, there is just nothing to ask.
package struct Postconf: Sendable {
    package let path: String
    /// As `-c`; `nil`: Postfix's own, or `MAIL_CONFIG`.
    package var configurationDirectory: String?
    package var timeLimit = Duration.seconds(5)

    /// Octets. Some parameters take hundreds, a master.cf some thousands; a value may be long, but nobody's is this.
    private static let maximumOutput = 1 << 20

    package init(path: String, configurationDirectory: String? = nil, timeLimit: Duration = .seconds(5)) {
        self.path = path
        self.configurationDirectory = configurationDirectory
        self.timeLimit = timeLimit
    }

    /// The first postconf there is: where packages put it, then in `searchPath`, the value of `PATH`. A relative entry is
    /// passed over: it would mean another program in every directory.
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

    /// Asks for what the bridge's replies depend on.
    package func ask() throws(PostconfFailure) -> LocalPostfix { try survey(LocalPostfix.parameters).local }

    /// Asks for these parameters of main.cf, for the services of master.cf, and for the parameters of each service that
    /// overrides some. A run of postconf for each of those; some milliseconds.
    package func survey(_ names: [String]) throws(PostconfFailure) -> PostfixSurvey {
        let parameters = try parameters(names)
        let directory = parameters["config_directory"] ?? configurationDirectory ?? "/etc/postfix"
        let services = try services(in: directory)
        var overridden: [String: PostfixParameters] = [:]
        if let release = parameters["mail_version"].flatMap({ PostfixRelease($0) }), release.major >= 3 {
            for service in services where service.isSMTPClient && !service.overrides.isEmpty {
                overridden[service.name] = try self.parameters(names, overrides: service.overrides)
            }
        }
        return PostfixSurvey(
            source: .postconf(path), directory: directory, parameters: parameters, services: services,
            overridden: overridden)
    }

    /// Those of main.cf by these names.
    ///
    /// Not with `-h`: a parameter that a version does not have leaves no line, and values would change places. With `-x`,
    /// for a value may be `$another_parameter`.
    ///
    /// - Parameter overrides: what a service of master.cf sets beside main.cf. `postconf -o` came with Postfix 2.11.
    package func parameters(
        _ names: [String], overrides: [String: String] = [:]
    ) throws(PostconfFailure) -> PostfixParameters {
        let options = overrides.sorted { $0.key < $1.key }.flatMap { ["-o", "\($0.key)=\($0.value)"] }
        return PostfixParameters(postconf: try output(of: ["-x"] + options + names))
    }

    /// The services of master.cf, their overrides expanded; none if there is no such file.
    private func services(in directory: String) throws(PostconfFailure) -> [MasterService] {
        do throws(PostconfFailure) {
            return MasterService.all(in: try output(of: ["-Mx"]))
        } catch {
            guard access(directory + "/master.cf", F_OK) != 0, errno == ENOENT else { throw error }
            return []
        }
    }

    private func output(of arguments: [String]) throws(PostconfFailure) -> String {
        let directory = configurationDirectory.map { ["-c", $0] } ?? []
        let result = try ChildOutput.of(
            path, [path] + directory + arguments, within: timeLimit, atMost: Self.maximumOutput)
        guard result.status == 0 else {
            let words = result.errors.split(separator: UInt8(ascii: "\n")).last ?? []
            throw .failed(status: result.status, words: RemoteText.escaped(words))
        }
        return String(decoding: result.output, as: UTF8.self)
    }
}

package enum PostconfFailure: Error, Equatable, Sendable {
    /// It could not be started; the code is errno's.
    case system(Int32)
    /// It ended so, with these last words, escaped. A signal counts as 128 and its number, as in a shell.
    case failed(status: Int32, words: String)
    case timeIsUp
    case tooMuchOutput
}

extension PostconfFailure: CustomStringConvertible {
    package var description: String {
        switch self {
        case .system(let code): "postconf cannot be run: \(String(cString: strerror(code)))"
        case .failed(let status, let words): "postconf ended with status \(status): \(words)"
        case .timeIsUp: "postconf did not end in time"
        case .tooMuchOutput: "postconf wrote more than expected"
        }
    }
}
