import Foundation
import PostfixSettings

@testable import Doctor

/// A host on which all is well, to be changed in one point.
enum Healthy {
    static let queue = "/var/spool/postfix"
    static let table = "socketmap:inet:127.0.0.1:8461:postfix"
    static let postfix = Account(name: "postfix", user: 102, primaryGroup: 105, groups: [105])

    static let listener = BridgeSetup.Listener(.socketmap, .inet(host: "127.0.0.1", port: 8461))
    static let setup = BridgeSetup(listeners: [listener], cachePath: "/var/lib/sts-bridge/policies.sqlite")

    static let parameters = [
        "compatibility_level": "3.6", "config_directory": "/etc/postfix", "mail_owner": "postfix",
        "mail_version": "3.7.11", "queue_directory": queue, "smtp_tls_CAfile": "/etc/ssl/certs/ca-certificates.crt",
        "smtp_tls_policy_maps": table, "smtp_tls_security_level": "may",
    ]

    static func survey(
        _ changes: [String: String] = [:], services: [MasterService]? = nil,
        source: PostfixSurvey.Source = .postconf("/usr/sbin/postconf")
    ) -> PostfixSurvey {
        PostfixSurvey(
            source: source, directory: "/etc/postfix",
            parameters: PostfixParameters(parameters.merging(changes) { _, new in new }.filter { $0.value != "-" }),
            services: services ?? [service("smtp")])
    }

    static func service(
        _ name: String, chroot: MasterService.Chroot = .no, _ overrides: [String: String] = [:]
    ) -> MasterService {
        MasterService(name: name, type: "unix", chroot: chroot, program: "smtp", overrides: overrides)
    }

    static let way = BridgeWay(.inet, .answered("NOTFOUND "))

    /// One client for each service of the survey, all with these tables and CAs.
    static func facts(
        _ survey: PostfixSurvey = survey(), tables: [TableFacts] = [TableFacts(PolicyTable(table), .bridge(way))],
        owner: Account? = postfix, file: CertificateStore? = .certificates(140), directory: CertificateStore? = nil
    ) -> PostfixFacts {
        PostfixFacts(
            survey: survey, owner: owner,
            clients: survey.clients.map {
                ClientFacts(client: $0, tables: tables, authorityFile: file, authorityDirectory: directory)
            })
    }

    /// What is said of `check`.
    static func findings(
        _ check: Check, _ facts: PostfixFacts, _ setup: BridgeSetup = setup, isRoot: Bool = true
    ) -> [Finding] {
        PostfixCheckup(facts, beside: setup, isRoot: isRoot).findings.filter { $0.check == check }
    }

    static func findings(_ check: Check, _ changes: [String: String], _ setup: BridgeSetup = setup) -> [Finding] {
        findings(check, facts(survey(changes)), setup)
    }
}

extension Finding {
    /// The first line to change.
    var remedy: Remedy? { remedies.first }
}

extension [Finding] {
    var severities: [Severity] { map(\.severity) }
    /// All of it as one text.
    var text: String {
        map { "\($0.meaning) \($0.remedies.map(\.line).joined(separator: " "))" }.joined(separator: "\n")
    }
}

/// A directory that is there while the body runs.
func inDirectory(_ body: (String) throws -> Void) throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "sts-doctor-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
}
