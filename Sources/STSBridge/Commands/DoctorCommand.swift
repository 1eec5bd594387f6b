import ArgumentParser
import Discovery
import Doctor
import Foundation
import MTASTS
import PostfixSettings

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Checks this host: Postfix's settings, sockets and chroot, CA files, DNS, HTTPS, clock and cache.",
        discussion: """
            Says for each check what it means for mail and which line to change. Run it as root beside Postfix: what this \
            user may not see is `unknown`, not `ok`; what does not matter on this host is `skip`. It changes nothing. Without postconf it reads main.cf and master.cf \
            themselves, as in a container into which they are mounted.
            Exit code 0 when all is well, 1 with warnings, 2 when a policy is not applied or mail waits (fail), 3 when \
            nothing is wrong but something could not be checked.
              sudo sts-bridge doctor
              sts-bridge doctor --postfix-config /mnt/postfix
            """)

    @Option(
        help: ArgumentHelp(
            "The directory of main.cf and master.cf.", discussion: "Default: MAIL_CONFIG, or Postfix's own.",
            valueName: "dir"))
    var postfixConfig: String?
    @Option(help: "A domain with a policy, to try DNS and HTTPS with.") var domain = "gmail.com"
    @Option(help: ArgumentHelp("A name that is signed (DNSSEC).", valueName: "name")) var signedName = "org"
    @Option(help: ArgumentHelp("A name whose signatures are wrong.", valueName: "name"))
    var bogusName = "dnssec-failed.org"
    @Option(help: ArgumentHelp("A name that is not signed.", valueName: "name")) var unsignedName = "google.com"
    @OptionGroup var options: ConfigurationOption
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let names = try names()
        let (configuration, wrong) = readConfiguration()
        var problem = wrong
        if problem == nil { problem = await DoctorParts.startProblem(configuration) }
        let parts = DoctorParts(configuration)
        var surroundings = parts.surroundings
        surroundings.configurationProblem = problem
        surroundings.daemon = await DaemonStatus.asked(configuration)
        surroundings.configuredListeners = configuration.listeners
        surroundings.postfixDirectory = postfixConfig
        surroundings.postconf = Postconf.find(searchPath: ProcessInfo.processInfo.environment["PATH"] ?? "")
        let examination = Examination(BridgeSetup(configuration), names: names, in: surroundings)
        let findings = try await Progress { _ in "looking at DNS, HTTPS and the daemon …" }.during {
            await examination.findings()
        }
        await parts.close()
        print(
            json
                ? try JSONText.encode(DoctorReport(findings))
                : DoctorText(terminal: .standardOutput).render(findings))
        let code = findings.worst.exitCode
        guard code == 0 else { throw ExitCode(code) }
    }

    private func names() throws(CommandFailure) -> ProbeNames {
        guard let domain = PolicyDomain(domain) else {
            throw CommandFailure(.usage, "--domain: expected a domain such as gmail.com")
        }
        func question(_ name: String) -> DNSQuestion { DNSQuestion(name: name, type: .a) }
        return ProbeNames(
            domain: domain, signed: question(signedName), bogus: question(bogusName), unsigned: question(unsignedName))
    }

    /// A file that cannot be used is a finding; the rest goes by the defaults.
    private func readConfiguration() -> (Configuration, problem: String?) {
        do {
            return (try options.read(), nil)
        } catch {
            return (Configuration(), "\(error). The other checks go by the defaults")
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

/// The findings in the shape of their JSON, which does not change but by additions.
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
        /// Services of master.cf; empty: all, or it has nothing to do with them.
        let services: [String]
        /// All of them, in this order.
        let changes: [Change]
    }

    let worst: String
    /// How many of each severity.
    let counts: [String: Int]
    let findings: [Entry]

    init(_ findings: [Finding]) {
        worst = findings.worst.rawValue
        counts = Dictionary(
            uniqueKeysWithValues: Severity.allCases.map { severity in
                (severity.rawValue, findings.count { $0.severity == severity })
            })
        self.findings = findings.map {
            Entry(
                check: $0.check.rawValue, severity: $0.severity.rawValue, meaning: $0.meaning, services: $0.services,
                changes: $0.remedies.map { Entry.Change(place: $0.place.rawValue, line: $0.line) })
        }
    }
}
