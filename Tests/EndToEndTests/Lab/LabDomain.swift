import Foundation

/// A domain of the laboratory: what DNS says about it, and what its policy host does.
struct LabDomain: Sendable {
    let name: String
    var mx: [String] = [MXHost.good.name]
    /// The TXT records at `_mta-sts`, each as its character-strings.
    var txt: [[String]] = [["v=STSv1; id=1;"]]
    /// Zone-file lines besides: "owner TTL? type data", all names absolute.
    var records: [String] = []
    var timeToLive = 300
    /// Nil: there is no host `mta-sts.` at all.
    var policyHost: PolicyHost? = PolicyHost()

    init(_ name: String) {
        self.name = name
    }

    /// A domain that does what RFC 8461 asks, with this policy.
    init(_ name: String, mx: [MXHost] = [.good], policy: String) {
        self.name = name
        self.mx = mx.map(\.name)
        self.policyHost = PolicyHost(body: policy)
    }

    /// A domain that never heard of MTA-STS.
    static func plain(_ name: String, mx: [MXHost] = [.good]) -> LabDomain {
        var domain = LabDomain(name)
        domain.mx = mx.map(\.name)
        domain.txt = []
        domain.policyHost = nil
        return domain
    }

    func with(_ change: (inout LabDomain) -> Void) -> LabDomain {
        var domain = self
        change(&domain)
        return domain
    }

    var policyHostName: String { "mta-sts.\(name)" }

    /// What the zone file says of it.
    var zoneLines: [String] {
        var lines = mx.enumerated().map { "\(name). MX \(($0.offset + 1) * 10) \($0.element)." }
        lines += txt.map { "_mta-sts.\(name). TXT " + $0.map(Self.quoted).joined(separator: " ") }
        if let policyHost {
            let owner = policyHost.alias ?? policyHostName
            if let alias = policyHost.alias { lines.append("\(policyHostName). CNAME \(alias).") }
            lines += policyHost.addresses.map { "\(owner). \($0.contains(":") ? "AAAA" : "A") \($0)" }
        }
        return (lines + records).map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return "\(parts[0]) \(timeToLive) \(parts[1])"
        }
    }

    /// What the zone files of these say, as far as they are below a top-level domain.
    static func zoneLines(of domains: some Collection<LabDomain>, below parent: String) -> [String] {
        domains.filter { $0.name.hasSuffix(".\(parent)") }.sorted { $0.name < $1.name }.flatMap(\.zoneLines)
    }

    /// A character-string in zone-file syntax; every octet that is not plain becomes `\DDD`.
    static func quoted(_ string: String) -> String {
        let plain = UInt8(ascii: " ")...UInt8(ascii: "~")
        let body = string.utf8.map { octet in
            plain.contains(octet) && octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "\\")
                ? String(UnicodeScalar(octet)) : "\\" + String(format: "%03d", Int(octet))
        }
        return "\"" + body.joined() + "\""
    }
}

/// What answers at `https://mta-sts.DOMAIN/`.
struct PolicyHost: Sendable {
    /// nginx listens here: HTTP/1.1 and h2 · HTTP/1.1 only · TLS 1.1 at most · IPv6.
    static let usual = "127.0.2.1"
    static let withoutHTTP2 = "127.0.2.2"
    static let oldTLS = "127.0.2.3"
    static let overIPv6 = "fd00:2::1"
    static let listening = [usual, withoutHTTP2, oldTLS, overIPv6]
    /// Nobody listens here: connections are refused at once.
    static let refusing = "127.0.2.99"
    static let refusingIPv6 = "fd00:2::dead"

    /// The host's name is a CNAME for this one, which has the addresses.
    var alias: String?
    var addresses = [usual]
    /// Nil: a good certificate for the policy host.
    var certificate: Certificate?
    var body = Data(Policy.enforce().utf8)
    /// nginx directives inside the location of the policy.
    var location = "default_type text/plain;"
    /// nginx directives inside the server.
    var server = ""
    /// Other files: path → content.
    var files: [String: String] = [:]
}

extension PolicyHost {
    init(body: String) {
        self.init()
        self.body = Data(body.utf8)
    }
}

/// Policy texts.
enum Policy {
    static func enforce(_ mx: String..., maxAge: String = "604800") -> String {
        text("enforce", mx.isEmpty ? [MXHost.good.name] : mx, maxAge)
    }

    static func testing(_ mx: String...) -> String {
        text("testing", mx.isEmpty ? [MXHost.good.name] : mx, "604800")
    }

    static func none() -> String {
        text("none", [], "604800")
    }

    private static func text(_ mode: String, _ mx: [String], _ maxAge: String) -> String {
        let lines = ["version: STSv1", "mode: \(mode)"] + mx.map { "mx: \($0)" } + ["max_age: \(maxAge)"]
        return lines.map { $0 + "\r\n" }.joined()
    }
}
