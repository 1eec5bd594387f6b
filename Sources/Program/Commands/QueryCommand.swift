import AdminAPI
import ArgumentParser
import BridgeConfiguration
import BridgeDaemon
import Discovery
import MTASTS
import PolicyCaching
import PostfixTable
import TextFormats

struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Looks up a domain without the daemon and its cache, and shows each step.",
        discussion: """
            Accepts the same keys as Postfix's lookups: a domain in any spelling, host:port, [host]:port. Nothing is \
            stored.
              sts-bridge query example.com
              sts-bridge query '[smtp.example.com]:587'
            Exit code 0 if there is a policy, 1 if there is none or the key cannot have one (an address, a single \
            label), 3 if it could not be found out.
            """)

    @Argument(help: "The domain, or the key as Postfix sends it.") var domain: String
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let configuration = try options.read()
        let report = try await Self.report(on: domain, configuration)
        if report.domain == nil { StandardError.write("sts-bridge: \(DomainArgument.problem(with: domain))") }
        print(
            json ? try APIEncoding.text(report, isIndented: true) : QueryFormatter.format(report, for: .standardOutput))
        guard report.status == .success else { throw ExitCode(report.status.rawValue) }
    }

    private static func report(on key: String, _ configuration: Configuration) async throws -> QueryReport {
        guard let nextHop = NextHop(key: Array(key.utf8), services: .system()) else {
            return QueryReport(keyWithoutPolicy: key)
        }
        let log = LogControl(configuration)
        defer { log.close() }
        let runtime = try RuntimeConfiguration(configuration, logger: log.logger)
        let report = await QueryReport(key: key, destination: nextHop.destination, runtime: runtime)
        await runtime.upstream.close()
        return report
    }
}

extension QueryReport {
    var status: ExitStatus {
        switch outcome {
        case .policy: .success
        case .noPolicy: .notFound
        case .unknown: .unknown
        }
    }
}
