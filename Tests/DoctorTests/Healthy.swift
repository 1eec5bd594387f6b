import Foundation
import PostfixConfig

@testable import Doctor

/// A healthy host, which each test changes in one point.
enum Healthy {
    static let queue = "/var/spool/postfix"
    static let table = "socketmap:inet:127.0.0.1:8461:postfix"
    static let postfix = Account(name: "postfix", user: 102, primaryGroup: 105, groups: [105])

    static let listener = DaemonConfiguration.Listener(.socketmap, address: .inet(host: "127.0.0.1", port: 8461))
    static let setup = DaemonConfiguration(listeners: [listener], cachePath: "/var/lib/sts-bridge/policies.sqlite")

    static let parameters = [
        "compatibility_level": "3.6", "config_directory": "/etc/postfix", "mail_owner": "postfix",
        "mail_version": "3.7.11", "queue_directory": queue, "smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt",
        "smtp_tls_policy_maps": table, "smtp_tls_security_level": "may",
    ]

    static func configuration(
        _ changes: [String: String] = [:], services: [MasterCF]? = nil,
        source: PostfixConfiguration.Source = .postconf("/usr/sbin/postconf")
    ) -> PostfixConfiguration {
        PostfixConfiguration(
            source: source, directory: "/etc/postfix",
            parameters: PostfixParameters(parameters.merging(changes) { _, new in new }.filter { $0.value != "-" }),
            services: services ?? [service("smtp")])
    }

    static func service(
        _ name: String, chroot: MasterCF.Chroot = .no, overrides: [String: String] = [:]
    ) -> MasterCF {
        MasterCF(name: name, type: "unix", chroot: chroot, program: "smtp", overrides: overrides)
    }

    static let route = BridgeRoute(.inet, outcome: .answered("NOTFOUND "))

    /// One client for each service of the configuration, all with these tables and CAs.
    static func facts(
        _ configuration: PostfixConfiguration = configuration(),
        tables: [TableInspection] = [TableInspection(PolicyTable(table), role: .bridge(route))],
        owner: Account? = postfix, file: CertificateStore? = .certificates(140), directory: CertificateStore? = nil
    ) -> PostfixInspection {
        PostfixInspection(
            configuration: configuration, owner: owner,
            clients: configuration.clients.map {
                ClientInspection(client: $0, tables: tables, authorityFile: file, authorityDirectory: directory)
            })
    }

    /// The results of `check`.
    static func results(
        _ check: Check, in facts: PostfixInspection, setup: DaemonConfiguration = setup, isRoot: Bool = true
    ) -> [CheckResult] {
        PostfixChecks(facts, beside: setup, isRoot: isRoot).results.filter { $0.check == check }
    }

    static func results(_ check: Check, changes: [String: String], setup: DaemonConfiguration = setup)
        -> [CheckResult]
    {
        results(check, in: facts(configuration(changes)), setup: setup)
    }
}

extension CheckResult {
    /// The first line to change.
    var fix: Fix? { fixes.first }
}

extension [CheckResult] {
    var severities: [Severity] { map(\.severity) }
    /// All results as one text.
    var text: String {
        map { "\($0.meaning) \($0.fixes.map(\.line).joined(separator: " "))" }.joined(separator: "\n")
    }
}

/// A directory that exists while the body runs.
func inDirectory(_ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "sts-doctor-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
}
