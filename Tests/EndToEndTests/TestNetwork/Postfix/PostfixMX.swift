import Foundation

/// A mail host of the test network.
struct MXHost: Sendable {
    let name: String
    let address: String
    var port: UInt16 = 25
    /// `nil` if it offers no STARTTLS.
    let certificate: Certificate?
    /// The certificate for clients that send its name as SNI; `nil` for the same one.
    var sniCertificate: Certificate?
    /// Its TLSA record at `_25._tcp.`
    var tlsa = TLSA.absent

    enum TLSA: Sendable {
        case absent
        /// `3 1 1` of the key of all hosts.
        case right
        /// `3 1 1` of a key that no host has.
        case wrong
        /// `1 1 1`, which is no use for SMTP (RFC 7672 §3.1.3).
        case unusable
        /// The DNS server answers SERVFAIL.
        case failing
    }

    /// A correct host.
    static let good = MXHost(
        name: "good.mx.example", address: "127.0.3.1", certificate: .naming(["good.mx.example"]))
    static let second = MXHost(
        name: "second.mx.example", address: "127.0.3.2", certificate: .naming(["second.mx.example"]))
    /// Its certificate has another name.
    static let wrongName = MXHost(
        name: "wrong-name.mx.example", address: "127.0.3.3", certificate: .naming(["other-name.example"]))
    static let expired = MXHost(
        name: "expired.mx.example", address: "127.0.3.4", certificate: .expired(["expired.mx.example"]))
    static let selfSigned = MXHost(
        name: "self-signed.mx.example", address: "127.0.3.5", certificate: .selfSigned(["self-signed.mx.example"]))
    static let plaintext = MXHost(name: "plaintext.mx.example", address: "127.0.3.6", certificate: nil)
    /// A good host that no policy lists.
    static let unlisted = MXHost(
        name: "unlisted.other.example", address: "127.0.3.7", certificate: .naming(["unlisted.other.example"]))
    /// A host that no policy lists, with the certificate of a host that is listed.
    static let impostor = MXHost(
        name: "impostor.other.example", address: "127.0.3.8", certificate: .naming([good.name]))
    /// Its certificate has its name only if the client sends it as SNI.
    static let needsSNI = MXHost(
        name: "needs-sni.mx.example", address: "127.0.3.9", certificate: .naming(["other-name.example"]),
        sniCertificate: .naming(["needs-sni.mx.example"]))
    /// Smart hosts, on a port of their own.
    static let relay = MXHost(
        name: "relay.example", address: "127.0.3.11", port: 2525, certificate: .naming(["relay.example"]))
    static let badRelay = MXHost(
        name: "bad-relay.example", address: "127.0.3.12", port: 2525, certificate: .selfSigned(["bad-relay.example"]))
    static let bareRelay = MXHost(
        name: "bare-relay.example", address: "127.0.3.13", port: 2525,
        certificate: .selfSigned(["bare-relay.example"]))

    static let all = [
        good, second, wrongName, expired, selfSigned, plaintext, unlisted, impostor, needsSNI, relay, badRelay,
        bareRelay,
    ]

    /// Hosts of the signed Internet (`SignedInternet`).
    static let signed = MXHost(
        name: "good.mx.signed", address: "127.0.3.21", certificate: .naming(["good.mx.signed"]), tlsa: .right)
    static let signedSelfSigned = MXHost(
        name: "self-signed.mx.signed", address: "127.0.3.22", certificate: .selfSigned(["self-signed.mx.signed"]),
        tlsa: .right)
    /// Correct for a client without DANE.
    static let wrongTLSA = MXHost(
        name: "wrong-tlsa.mx.signed", address: "127.0.3.23", certificate: .naming(["wrong-tlsa.mx.signed"]),
        tlsa: .wrong)
    static let withoutTLSA = MXHost(
        name: "without-tlsa.mx.signed", address: "127.0.3.24", certificate: .naming(["without-tlsa.mx.signed"]))
    static let failingTLSA = MXHost(
        name: "failing-tlsa.mx.signed", address: "127.0.3.25", certificate: .naming(["failing-tlsa.mx.signed"]),
        tlsa: .failing)
    static let unusableTLSA = MXHost(
        name: "unusable-tlsa.mx.signed", address: "127.0.3.26", certificate: .selfSigned(["unusable-tlsa.mx.signed"]),
        tlsa: .unusable)

    static let onSignedInternet = [
        signed, signedSelfSigned, wrongTLSA, withoutTLSA, failingTLSA, unusableTLSA,
    ]

    /// - Parameter key: SHA-256 of the hosts' public key, in hexadecimal.
    func zoneLines(key: String = "") -> [String] {
        let owner = "_25._tcp.\(name)."
        let record: [String] =
            switch tlsa {
            case .absent: []
            case .right: ["\(owner) 300 TLSA 3 1 1 \(key)"]
            case .wrong: ["\(owner) 300 TLSA 3 1 1 \(String(repeating: "5a", count: 32))"]
            case .unusable: ["\(owner) 300 TLSA 1 1 1 \(key)"]
            case .failing: ["_tcp.\(name). 300 NS ns.signed."]
            }
        return ["\(name). 300 A \(address)"] + record
    }
    /// `[host]:port`, as a relayhost is written.
    var asRelayhost: String { "[\(name)]:\(port)" }
}

/// All mail hosts of the test network: one Postfix with a listener for each host. It accepts all mail, discards it and logs
/// it.
struct PostfixMX: Sendable {
    let instance: PostfixInstance

    init(in directory: String, authority: CertificateAuthority) async throws {
        let hosts = MXHost.all + MXHost.onSignedInternet
        let main = [
            "myhostname = mx.example",
            // The addresses are on lo, but on no interface by name. Postfix calls such addresses proxied.
            "inet_interfaces = 127.0.0.1",
            "proxy_interfaces = \(hosts.map(\.address).joined(separator: ", "))",
            "virtual_mailbox_domains = static:all", "virtual_transport = discard:",
            "local_transport = discard:", "local_recipient_maps =",
            "smtpd_tls_loglevel = 1", "smtpd_tls_session_cache_database =",
            "smtpd_peername_lookup = no",
        ]
        var master: [String] = []
        for host in hosts {
            var options = ["-o syslog_name=mx/\(host.name)"]
            if let certificate = host.certificate {
                let path = try await authority.issue(certificate, as: "mx-\(host.name)")
                options.append("-o smtpd_tls_security_level=may")
                options.append("-o smtpd_tls_chain_files=\(authority.key),\(path)")
            }
            if let certificate = host.sniCertificate {
                let path = try await authority.issue(certificate, as: "mx-sni-\(host.name)")
                let map = "inline:{{\(host.name) = \(authority.key),\(path)}}"
                options.append("-o { tls_server_sni_maps = \(map) }")
            }
            master.append("\(host.address):\(host.port) inet n - n - - smtpd \(options.joined(separator: " "))")
        }
        instance = try await PostfixInstance(in: directory, main: main, master: master)
    }

    /// Whether the message was ever accepted here.
    func hasReceived(_ message: MessageID) -> Bool {
        instance.log.lines().contains { $0.contains("message-id=<\(message.text)>") }
    }
}
