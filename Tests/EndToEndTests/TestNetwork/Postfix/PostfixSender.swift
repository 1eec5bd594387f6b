import Foundation
import TestSupport

/// The Message-ID of a test message. All logs have it.
struct MessageID: Sendable {
    let text = UUID().uuidString.lowercased() + "@sender.example"
}

/// The result of one delivery attempt.
struct Verdict: Sendable {
    /// `sent`, `deferred` or `bounced`.
    let status: String
    let dsn: String
    /// `good.mx.example[127.0.3.1]:25`, or `none`.
    let relay: String
    /// The text in brackets at the end of the log line.
    let reason: String
    /// The log of the sender from the submission or retry to the end of the attempt.
    let lines: [String]

    /// The TLS status that Postfix logs for the session with a host: `Verified`, `Trusted`, `Untrusted`; `nil` without TLS.
    func session(with host: MXHost) -> String? {
        let end = " TLS connection established to \(host.name)[\(host.address)]:\(host.port):"
        guard let line = lines.last(where: { $0.contains(end) }), let range = line.range(of: end) else { return nil }
        return line[..<range.lowerBound].split(separator: " ").last.map(String.init)
    }
}

/// How a message leaves the sender. Each route has a sender address of its own.
enum Route: String, CaseIterable, Sendable {
    case socketmap, tcp, chroot
    case relay = "via-relay"
    case badRelay = "via-bad-relay"
    case bareRelay = "via-bare-relay"

    var address: String { "\(rawValue)@sender.example" }
}

/// The Postfix that sends the test mail and looks up the bridge before.
struct PostfixSender: Sendable {
    /// The unix socket for a chrooted smtp(8), relative to the queue directory.
    static let chrootSocket = "run/sts-bridge/socketmap.sock"

    let instance: PostfixInstance

    /// - Parameters:
    ///   - programs: those of this host or of another Debian release.
    ///   - port: the port of the bridge's socketmap.
    ///   - map: the map name, which selects the dialect.
    ///   - level: the `smtp_tls_security_level`.
    ///   - dnssec: the address of a validating resolver, for Postfix's own DANE; `nil` for no DNSSEC.
    ///   - onlySocketmap: whether `Route.socketmap` is the only route, as on an ordinary host.
    ///   - settings: more lines of main.cf.
    init(
        in directory: String, programs: PostfixPrograms = .host, authority: CertificateAuthority,
        port: UInt16 = BridgeProcess.port, map: String = "postfix", level: String = "may", dnssec: String? = nil,
        onlySocketmap: Bool = false, settings: [String] = []
    ) async throws {
        let transports = "inline:{{\(Route.tcp.address) = smtp-tcp:}, {\(Route.chroot.address) = smtp-chroot:}}"
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
        let chrooted =
            "-o smtp_tls_policy_maps=socketmap:unix:\(Self.chrootSocket):postfix -o syslog_name=postfix/chroot"
        let overTCP = "-o smtp_tls_policy_maps=tcp:127.0.0.1:\(BridgeProcess.tcpTablePort) -o syslog_name=postfix/tcp"
        let others = ["smtp-tcp  unix - - n - - smtp \(overTCP)", "smtp-chroot unix - - y - - smtp \(chrooted)"]
        let master = ["smtp      unix - - n - - smtp"] + (onlySocketmap ? [] : others)
        instance = try await PostfixInstance(
            in: directory, programs: programs, main: main + (onlySocketmap ? [] : routes) + settings, master: master,
            resolver: dnssec)
        // Debian's start-up script copies these into the chroot. A chrooted smtp(8) cannot resolve names without them.
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
            instance.programs.command("/usr/sbin/sendmail", arguments: sendmail), input: Data(text.utf8))
        let mark = ": message-id=<\(message.text)>"
        let identifier = try await eventually("the message gets a queue id") { [log = instance.log] in
            log.lines(from: offset).first { $0.contains(mark) }?
                .components(separatedBy: mark)[0].split(separator: " ").last.map(String.init)
        }
        let first = try await verdict(of: identifier, from: offset)
        return Delivery(queueID: identifier, message: message, first: first)
    }

    /// Tries to deliver a deferred message again.
    func retry(_ delivery: Delivery) async throws -> Verdict {
        let offset = instance.log.end
        let postqueue = ["-c", instance.configuration, "-i", delivery.queueID]
        try await ChildProcess.must(instance.programs.command("/usr/sbin/postqueue", arguments: postqueue))
        return try await verdict(of: delivery.queueID, from: offset)
    }

    /// Runs `postmap -q` and returns the value, or `nil` for "not found".
    func query(_ key: String, table: String) async throws -> String? {
        let (status, output) = try await ChildProcess.run(
            "/usr/sbin/postmap", arguments: ["-c", instance.configuration, "-q", key, table])
        guard !output.contains("warning") && !output.contains("fatal") else { throw TestNetworkError(output) }
        guard status == 0 else { return nil }
        let value = output.trimmingCharacters(in: .newlines)
        let faults = TLSPolicyEntryGrammar(.postfix3_7).violations(of: value)
        guard faults.isEmpty else { throw TestNetworkError("Postfix would not take \(value): \(faults)") }
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
    /// - Parameter lines: the last one has the result.
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
