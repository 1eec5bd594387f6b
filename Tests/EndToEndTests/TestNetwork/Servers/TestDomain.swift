import Foundation

/// A domain of the test network: its DNS records and its policy host.
struct TestDomain: Sendable {
    let name: String
    var mx: [String] = [MXHost.good.name]
    /// The TXT records at `_mta-sts`, each as its character-strings.
    var txt: [[String]] = [["v=STSv1; id=1;"]]
    /// More lines for the zone file: "owner type data", all names absolute.
    var records: [String] = []
    var timeToLive = 300
    /// `nil` if there is no host `mta-sts.`.
    var policyHost: PolicyHost? = PolicyHost()

    init(_ name: String) {
        self.name = name
    }

    /// A correct domain (RFC 8461) with this policy.
    init(_ name: String, mx: [MXHost] = [.good], policy: String) {
        self.name = name
        self.mx = mx.map(\.name)
        self.policyHost = PolicyHost(body: policy)
    }

    /// A domain without MTA-STS.
    static func plain(_ name: String, mx: [MXHost] = [.good]) -> TestDomain {
        var domain = TestDomain(name)
        domain.mx = mx.map(\.name)
        domain.txt = []
        domain.policyHost = nil
        return domain
    }

    func with(_ change: (inout TestDomain) -> Void) -> TestDomain {
        var domain = self
        change(&domain)
        return domain
    }

    var policyHostName: String { "mta-sts.\(name)" }

    /// The lines of the zone file.
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

    /// The lines of the domains below a top-level domain.
    static func zoneLines(of domains: some Collection<TestDomain>, below parent: String) -> [String] {
        domains.filter { $0.name.hasSuffix(".\(parent)") }.sorted { $0.name < $1.name }.flatMap(\.zoneLines)
    }

    /// A character-string in zone-file syntax; octets that are not printable ASCII become `\DDD`.
    static func quoted(_ string: String) -> String {
        let plain = UInt8(ascii: " ")...UInt8(ascii: "~")
        let body = string.utf8.map { octet in
            plain.contains(octet) && octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "\\")
                ? String(UnicodeScalar(octet)) : "\\" + String(format: "%03d", Int(octet))
        }
        return "\"" + body.joined() + "\""
    }
}

/// The web server at `https://mta-sts.DOMAIN/`.
struct PolicyHost: Sendable {
    /// The addresses of nginx: HTTP/1.1 and h2 · HTTP/1.1 only · TLS 1.1 at most · IPv6.
    static let usual = "127.0.2.1"
    static let withoutHTTP2 = "127.0.2.2"
    static let oldTLS = "127.0.2.3"
    static let overIPv6 = "fd00:2::1"
    static let listening = [usual, withoutHTTP2, oldTLS, overIPv6]
    /// Addresses without a listener: connections are refused at once.
    static let refusing = "127.0.2.99"
    static let refusingIPv6 = "fd00:2::dead"

    /// The target of a CNAME at the name of the policy host. It has the addresses.
    var alias: String?
    var addresses = [usual]
    /// `nil` for a valid certificate for the policy host.
    var certificate: Certificate?
    var body = Data(Policy.enforce().utf8)
    /// nginx directives in the location of the policy.
    var location = "default_type text/plain;"
    /// nginx directives in the server.
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
        text(mode: "enforce", mx: mx.isEmpty ? [MXHost.good.name] : mx, maxAge: maxAge)
    }

    static func testing(_ mx: String...) -> String {
        text(mode: "testing", mx: mx.isEmpty ? [MXHost.good.name] : mx)
    }

    static func none() -> String {
        text(mode: "none", mx: [])
    }

    private static func text(mode: String, mx: [String], maxAge: String = "604800") -> String {
        let lines = ["version: STSv1", "mode: \(mode)"] + mx.map { "mx: \($0)" } + ["max_age: \(maxAge)"]
        return lines.map { $0 + "\r\n" }.joined()
    }
}
