import AdminAPI
import ArgumentParser
import BridgeConfiguration
import Discovery
import Doctor
import Foundation
import MTASTS
import PostfixConfig

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Checks this host: Postfix's settings, sockets and chroot, CA files, DNS, HTTPS, clock and cache.",
        discussion: """
            Each check shows what its result means for mail, and which line to change. Run it as root on the Postfix \
            host: a check without the necessary permissions is `unknown`, a check that does not apply to this host is \
            `skip`. The command changes nothing. Without postconf it reads main.cf and master.cf, for example in a \
            container that mounts them.
            Exit code 0 if all checks are ok, 1 with warnings, 2 if a policy is not applied or mail is delayed (fail), 3 \
            if nothing is wrong but a check could not run.
              sudo sts-bridge doctor
              sts-bridge doctor --postfix-config /mnt/postfix
            """)

    @Option(
        help: ArgumentHelp(
            "The directory of main.cf and master.cf.", discussion: "Default: MAIL_CONFIG, or Postfix's own.",
            valueName: "dir"))
    var postfixConfig: String?
    @Option(help: "A domain with a policy, for the checks of DNS and HTTPS.") var domain = "gmail.com"
    @Option(help: ArgumentHelp("A name with DNSSEC signatures.", valueName: "name")) var signedName = "org"
    @Option(help: ArgumentHelp("A name with invalid DNSSEC signatures.", valueName: "name"))
    var bogusName = "dnssec-failed.org"
    @Option(help: ArgumentHelp("A name without DNSSEC signatures.", valueName: "name")) var unsignedName = "google.com"
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let names = try names()
        let (configuration, readProblem) = readConfiguration()
        var problem = readProblem
        if problem == nil { problem = await DoctorClients.startProblem(configuration) }
        let clients = DoctorClients(configuration)
        var environment = clients.environment
        environment.configurationProblem = problem
        environment.daemon = await DaemonStatus.read(configuration)
        environment.configuredListeners = configuration.listeners
        environment.postfixDirectory = postfixConfig
        environment.postconf = Postconf.find(searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
        let doctor = DoctorRun(DaemonConfiguration(configuration), names: names, in: environment)
        let results = try await Progress { _ in "checking DNS, HTTPS and the daemon …" }.during {
            await doctor.results()
        }
        await clients.close()
        print(
            json
                ? try APIEncoding.text(DoctorReport(results), isIndented: true)
                : DoctorFormatter(terminal: .standardOutput).format(results))
        let code = results.worst.exitCode
        guard code == 0 else { throw ExitCode(code) }
    }

    private func names() throws(CommandError) -> ProbeNames {
        guard let domain = PolicyDomain(domain) else {
            throw CommandError(.usage, reason: "--domain: expected a domain such as gmail.com")
        }
        func question(_ name: String) -> DNSQuestion { DNSQuestion(name: name, type: .a) }
        return ProbeNames(
            domain: domain, signed: question(signedName), bogus: question(bogusName), unsigned: question(unsignedName))
    }

    /// If the configuration is invalid, one check reports that, and the others use the defaults.
    private func readConfiguration() -> (Configuration, problem: String?) {
        do {
            return (try options.read(), nil)
        } catch {
            return (Configuration(), "\(error). The other checks use the defaults")
        }
    }
}

extension Severity {
    fileprivate var exitCode: Int32 {
        switch self {
        case .ok, .skip: 0
        case .warn: 1
        case .fail: 2
        case .unknown: 3
        }
    }
}

/// The results in the form of their JSON. Later versions only add fields.
struct DoctorReport: Encodable {
    struct Entry: Encodable {
        struct Change: Encodable {
            /// `main.cf`, `master.cf`, `config.yaml` or `shell`.
            let place: String
            let line: String
        }

        let check: String
        let severity: String
        let meaning: String
        /// Services of master.cf; empty: all, or none.
        let services: [String]
        /// The changes that solve the problem, in this order.
        let changes: [Change]
    }

    let worst: String
    /// The number of results of each severity.
    let counts: [String: Int]
    let results: [Entry]

    init(_ results: [CheckResult]) {
        worst = results.worst.rawValue
        counts = Dictionary(
            uniqueKeysWithValues: Severity.allCases.map { severity in
                (severity.rawValue, results.count { $0.severity == severity })
            })
        self.results = results.map {
            Entry(
                check: $0.check.rawValue, severity: $0.severity.rawValue, meaning: $0.meaning, services: $0.services,
                changes: $0.fixes.map { Entry.Change(place: $0.place.rawValue, line: $0.line) })
        }
    }
}
