import Foundation
import TestSupport

/// The Message-ID that a test gave its message, by which all logs know it.
struct MessageID: Sendable {
    let text = UUID().uuidString.lowercased() + "@sender.example"
}

/// How one delivery attempt ended.
struct Verdict: Sendable {
    /// `sent`, `deferred` or `bounced`.
    let status: String
    let dsn: String
    /// `good.mx.example[127.0.3.1]:25`, or `none`.
    let relay: String
    /// The text in brackets at the end of the log line.
    let reason: String
    /// All that the sender logged from the submission or retry to the end of the attempt.
    let lines: [String]

    /// What Postfix says of the session with that host: `Verified`, `Trusted`, `Untrusted`; nil if there was no TLS.
    func session(with host: MXHost) -> String? {
        let end = " TLS connection established to \(host.name)[\(host.address)]:\(host.port):"
        guard let line = lines.last(where: { $0.contains(end) }), let range = line.range(of: end) else { return nil }
        return line[..<range.lowerBound].split(separator: " ").last.map(String.init)
    }
}

/// How a message leaves the sender: each way is a sender address of its own.
enum Route: String, CaseIterable, Sendable {
    case socketmap, tcp, jail
    case relay = "via-relay"
    case badRelay = "via-bad-relay"
    case bareRelay = "via-bare-relay"

    var address: String { "\(rawValue)@sender.example" }
}

/// The Postfix under test's nose: it sends real mail and asks the bridge before it does.
struct PostfixSender: Sendable {
    /// The unix socket as Postfix and chrooted smtp(8) name it, relative to the queue directory.
    static let jailSocket = "run/sts-bridge/socketmap.sock"

    let instance: PostfixInstance

    /// - Parameters:
    ///   - programs: of this host or of another Debian release.
    ///   - port: where it finds the bridge's socketmap.
    ///   - map: the name of the socketmap, which chooses the dialect.
    ///   - level: its own `smtp_tls_security_level`.
    ///   - dnssec: the validating resolver that it asks, for DANE of its own; nil: it knows nothing of DNSSEC.
    ///   - onlySocketmap: whether `Route.socketmap` is the only way, as on an ordinary host.
    ///   - settings: more lines of main.cf.
    init(
        in directory: String, programs: PostfixPrograms = .host, authority: CertificateAuthority,
        port: UInt16 = BridgeProcess.port, map: String = "postfix", level: String = "may", dnssec: String? = nil,
        onlySocketmap: Bool = false, settings: [String] = []
    ) async throws {
        let transports = "inline:{{\(Route.tcp.address) = smtp-tcp:}, {\(Route.jail.address) = smtp-jail:}}"
        let relays = [
            (Route.relay, MXHost.relay), (Route.badRelay, MXHost.badRelay), (Route.bareRelay, MXHost.bareRelay),
        ].map { "{\($0.0.address) = \($0.1.asRelayhost)}" }
        let main = [
            "myhostname = sender.example", "inet_interfaces = 127.0.0.1",
            "smtp_tls_security_level = \(level)", "smtp_tls_CAfile = \(authority.root)", "smtp_tls_loglevel = 1",
            "smtp_tls_session_cache_database =",
            "smtp_tls_policy_maps = socketmap:inet:127.0.0.1:\(port):\(map)",
            "default_destination_concurrency_failed_cohort_limit = 0",
            "smtp_dns_support_level = \(dnssec == nil ? "enabled" : "dnssec")",
        ]
        let routes = [
            "sender_dependent_default_transport_maps = \(transports)",
            "sender_dependent_relayhost_maps = inline:{\(relays.joined(separator: ", "))}",
        ]
        let jailed = "-o smtp_tls_policy_maps=socketmap:unix:\(Self.jailSocket):postfix -o syslog_name=postfix/jail"
        let overTCP = "-o smtp_tls_policy_maps=tcp:127.0.0.1:\(BridgeProcess.tcpTablePort) -o syslog_name=postfix/tcp"
        let others = ["smtp-tcp  unix - - n - - smtp \(overTCP)", "smtp-jail unix - - y - - smtp \(jailed)"]
        let master = ["smtp      unix - - n - - smtp"] + (onlySocketmap ? [] : others)
        instance = try await PostfixInstance(
            in: directory, programs: programs, main: main + (onlySocketmap ? [] : routes) + settings, master: master,
            resolver: dnssec)
        // Debian's start-up script copies these into the jail; a chrooted smtp(8) cannot resolve names without.
        for file in ["resolv.conf", "nsswitch.conf", "hosts", "services", "host.conf"] {
            guard let content = FileManager.default.contents(atPath: "/etc/\(file)") else { continue }
            try FileManager.default.createDirectory(
                atPath: instance.queue + "/etc", withIntermediateDirectories: true)
            try content.write(to: URL(filePath: "\(instance.queue)/etc/\(file)"))
        }
        try FileManager.default.createDirectory(
            atPath: instance.queue + "/run/sts-bridge", withIntermediateDirectories: true)
    }

    /// Submits a message and waits for the end of the first attempt to deliver it.
    func send(to recipient: String, by route: Route = .socketmap) async throws -> Delivery {
        let message = MessageID()
        let offset = instance.log.end
        let text = "Message-ID: <\(message.text)>\nFrom: <\(route.address)>\nSubject: test\n\nHello.\n"
        let sendmail = ["-C", instance.configuration, "-f", route.address, recipient]
        try await ChildProcess.must(
            instance.programs.command("/usr/sbin/sendmail", sendmail), input: Data(text.utf8))
        let mark = ": message-id=<\(message.text)>"
        let identifier = try await eventually("the message gets a queue id") { [log = instance.log] in
            log.lines(from: offset).first { $0.contains(mark) }?
                .components(separatedBy: mark)[0].split(separator: " ").last.map(String.init)
        }
        let first = try await verdict(of: identifier, from: offset)
        return Delivery(queueID: identifier, message: message, first: first)
    }

    /// Tries a deferred message again, now.
    func retry(_ delivery: Delivery) async throws -> Verdict {
        let offset = instance.log.end
        let postqueue = ["-c", instance.configuration, "-i", delivery.queueID]
        try await ChildProcess.must(instance.programs.command("/usr/sbin/postqueue", postqueue))
        return try await verdict(of: delivery.queueID, from: offset)
    }

    /// `postmap -q`, as an administrator tries a table: the value, or nil when the table says not found.
    func query(_ key: String, _ table: String) async throws -> String? {
        let (status, output) = try await ChildProcess.run(
            "/usr/sbin/postmap", ["-c", instance.configuration, "-q", key, table])
        guard !output.contains("warning") && !output.contains("fatal") else { throw LabFailure(output) }
        guard status == 0 else { return nil }
        let value = output.trimmingCharacters(in: .newlines)
        let faults = TLSPolicyEntryGrammar(.postfix3_7).violations(of: value)
        guard faults.isEmpty else { throw LabFailure("Postfix would not take \(value): \(faults)") }
        return value
    }

    private func verdict(of queueID: String, from offset: Int) async throws -> Verdict {
        try await eventually("an end for \(queueID)", within: .seconds(60)) { [log = instance.log] in
            let lines = log.lines(from: offset)
            let isEnd = { (line: String) in line.contains(" \(queueID): to=<") && line.contains("status=") }
            guard let end = lines.firstIndex(where: isEnd) else { return nil }
            return Verdict(lines: Array(lines[...end]))
        }
    }
}

/// A message on its way.
struct Delivery: Sendable {
    let queueID: String
    let message: MessageID
    let first: Verdict
}

extension Verdict {
    /// From log lines of which the last one tells the end.
    init(lines: [String]) {
        let end = lines.last ?? ""
        func field(_ name: String) -> String {
            end.components(separatedBy: "\(name)=").dropFirst().first?
                .prefix { $0 != "," && $0 != " " }.description ?? ""
        }
        self.init(
            status: field("status"), dsn: field("dsn"), relay: field("relay"),
            reason: end.components(separatedBy: "status=").last?.drop { $0 != "(" }.description ?? "", lines: lines)
    }
}
