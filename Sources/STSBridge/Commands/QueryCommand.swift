import Admin
import ArgumentParser
import Discovery
import MTASTS
import PolicyService
import PostfixTable

struct QueryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query",
        abstract: "Looks a domain up live, without the daemon and its cache, and shows every step.",
        discussion: """
            Takes what Postfix may send as a key: a domain in any spelling, host:port, [host]:port. Nothing of it is kept.
              sts-bridge query example.com
              sts-bridge query '[smtp.example.com]:587'
            Exit code 0 when there is a policy, 1 when there is none or the key can have none (an address, a single \
            label), 3 when it could not be found out.
            """)

    @Argument(help: "The domain, or the key as Postfix sends it.") var domain: String
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let configuration = try options.read()
        let report = try await Self.report(on: domain, configuration)
        if report.domain == nil { StandardError.tell("sts-bridge: \(DomainArgument.problem(with: domain))") }
        print(json ? try JSONText.encode(report) : QueryText.render(report, for: .standardOutput))
        guard report.status == .success else { throw ExitCode(report.status.rawValue) }
    }

    private static func report(on key: String, _ configuration: Configuration) async throws -> QueryReport {
        guard let nextHop = NextHop(key: Array(key.utf8), services: .system()) else {
            return QueryReport(keyWithoutPolicy: key)
        }
        let log = LogControl(configuration)
        defer { log.close() }
        let setup = try Setup(configuration, logger: log.logger)
        let report = await QueryReport(on: key, nextHop.destination, setup)
        await setup.upstream.close()
        return report
    }
}

extension QueryReport {
    /// Makes a discovery, of which nothing is kept.
    init(on key: String, _ destination: DANEDestination, _ setup: Setup) async {
        let domain = destination.domain
        async let dane = setup.upstream.dane?.report(on: destination)
        let record = await setup.upstream.discovery.record(of: domain)
        guard case .published(let id) = record.finding else {
            self.init(
                key: key, domain, record, policy: nil, standing: record.standing, dane: await dane, setup.postfix)
            return
        }
        let policy = await setup.upstream.discovery.policy(of: domain)
        let standing = policy.standing(id: id)
        self.init(key: key, domain, record, policy: policy, standing: standing, dane: await dane, setup.postfix)
    }
}

extension RecordReport {
    /// What would be known of a domain without a fetched policy, were this all that had ever been asked.
    fileprivate var standing: Standing {
        switch finding {
        case .absent(let absence): .noPolicy(absence)
        case .failed(let failure): .unknown(.record(failure))
        case .published: .unknown(.unfinished)
        }
    }
}

extension PolicyReport {
    fileprivate func standing(id: RecordID) -> Standing {
        switch finding {
        case .failed(let failure): .unknown(.policy(failure))
        case .policy(let fetched): .policy(HeldPolicy(fetched, id: id, fetchedAt: WallTime(milliseconds: 0)))
        }
    }
}
