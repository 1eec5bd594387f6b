import Foundation
import Testing

/// One way to break a patient, and what the doctor must find.
struct Ailment: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let check: String
    let severity: String
    /// Part of the line to change; nil: there is no such line.
    let change: String?
    /// Services of master.cf; empty: all.
    let services: [String]
    let harm: @Sendable (inout Patient) -> Void

    init(
        _ description: String, _ check: String, _ severity: String, change: String?, services: [String] = [],
        _ harm: @escaping @Sendable (inout Patient) -> Void
    ) {
        testDescription = description
        self.check = check
        self.severity = severity
        self.change = change
        self.services = services
        self.harm = harm
    }

    private static let maps = "smtp_tls_policy_maps"
    private static let bridge = "socketmap:unix:run/sts-bridge/socket:postfix"
    private static let inet = "socketmap:inet:127.0.0.1:\(Patient.socketmap)"

    static let all = ofMaps + ofSockets + ofLevels + ofBridge

    private static let ofMaps = [
        Ailment("nobody is asked", "policy-maps", "fail", change: "\(maps) = \(inet):postfix") { $0.main[maps] = "" },
        Ailment("somebody else is asked", "policy-maps", "fail", change: "\(inet):postfix") {
            $0.main[maps] = "socketmap:inet:127.0.0.1:9999:postfix"
        },
        Ailment("a map without a name", "policy-maps", "fail", change: "\(inet):postfix") { $0.main[maps] = inet },
        Ailment("one service asks nobody", "policy-maps", "fail", change: "-o { \(maps) = ", services: ["relay"]) {
            $0.master["relay"]? += " -o \(maps)="
        },
        Ailment("everybody is answered in front", "map-order", "fail", change: nil) {
            $0.main[maps] = "static:may \(bridge)"
        },
        Ailment("everybody is answered behind", "map-order", "warn", change: nil) {
            $0.main[maps] = "\(bridge), static:encrypt"
        },
        Ailment("a table that was never made", "map-order", "fail", change: nil) {
            $0.main[maps] = "hash:\($0.directory)/none \(bridge)"
        },
        Ailment("by proxymap", "map-order", "warn", change: "\(maps) = \(inet):postfix") {
            $0.main[maps] = "proxy:\(bridge)"
        },
        Ailment("a relay for all mail", "relayhost", "warn", change: nil) {
            $0.main["relayhost"] = "[relay.example]:587"
        },
        Ailment("a transport for all mail", "transport-maps", "warn", change: nil) {
            $0.main["transport_maps"] = "inline:{ { * = smtp:[relay.example] } }"
        },
        Ailment("a transport table that was never made", "transport-maps", "fail", change: nil) {
            $0.main["transport_maps"] = "hash:\($0.directory)/none"
        },
        Ailment("words that 3.7 refuses", "map-name", "fail", change: "\(inet):postfix") {
            $0.main[maps] = "\(inet):sts"
        },
        Ailment("old words for a new Postfix", "map-name", "warn", change: "\(inet):sts") {
            $0.main["mail_version"] = "3.12.1"
        },
    ]

    private static let ofSockets = [
        Ailment(
            "the socket's full path in a chroot", "map-socket", "fail", change: "\(maps) = \(inet):postfix",
            services: ["smtp"]
        ) { $0.main[maps] = "socketmap:unix:\($0.socket):postfix" },
        Ailment("a directory that is closed", "map-socket", "fail", change: "chmod o+x") {
            $0.damage = { try $0.chmod(0o700, ($0.socket as NSString).deletingLastPathComponent) }
        },
        Ailment("a socket for root alone", "map-socket", "fail", change: "socket-mode: \"0660\"") {
            $0.bridge["listen"] = $0.bridge["listen"]?.replacing("0660", with: "0600")
        },
        Ailment("a socket that is gone", "map-socket", "fail", change: "systemctl start") {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.socket) }
        },
        Ailment("a host name without hosts", "map-socket", "fail", change: "cp /etc/hosts ", services: ["smtp"]) {
            $0.main[maps] = "socketmap:inet:localhost:\(Patient.socketmap):postfix"
            $0.damage = { try FileManager.default.removeItem(atPath: $0.queue + "/etc/hosts") }
        },
        Ailment("a socket for everybody", "socket-mode", "warn", change: "socket-mode: \"0660\"") {
            $0.bridge["listen"] = $0.bridge["listen"]?.replacing("0660", with: "0666")
        },
        Ailment("an admin socket for everybody", "admin-socket", "fail", change: "chmod 0660 ") {
            $0.damage = { try $0.chmod(0o666, $0.adminSocket) }
        },
        Ailment("no resolv.conf in the chroot", "postfix-resolver", "fail", change: "cp /etc/resolv.conf ") {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.queue + "/etc/resolv.conf") }
        },
        Ailment("another resolv.conf in the chroot", "postfix-resolver", "warn", change: "cp /etc/resolv.conf ") {
            $0.damage = {
                try "nameserver 192.0.2.53\n".write(
                    toFile: $0.queue + "/etc/resolv.conf", atomically: false, encoding: .utf8)
            }
        },
    ]

    private static let ofLevels = [
        Ailment("no CA", "ca", "fail", change: "smtp_tls_CAfile = ") { $0.main["smtp_tls_CAfile"] = "" },
        Ailment("an empty CA file", "ca", "fail", change: "smtp_tls_CAfile = ") {
            $0.main["smtp_tls_CAfile"] = "/dev/null"
        },
        Ailment("a CA file that is not there", "ca", "fail", change: "smtp_tls_CAfile = ") {
            $0.main["smtp_tls_CAfile"] = "/nonexistent.pem"
        },
        Ailment("a CA directory outside of the chroot", "ca", "fail", change: "smtp_tls_CAfile = ", services: ["smtp"])
        {
            $0.main["smtp_tls_CAfile"] = ""
            $0.main["smtp_tls_CApath"] = "/etc/ssl/certs"
        },
        Ailment("plaintext for the rest", "security-level", "warn", change: "smtp_tls_security_level = may") {
            $0.main["smtp_tls_security_level"] = "none"
        },
        Ailment("DANE without DNSSEC", "dns-support", "fail", change: "smtp_dns_support_level = dnssec") {
            $0.main["smtp_tls_security_level"] = "dane"
        },
        Ailment("DANE on Postfix's side alone", "dns-support", "warn", change: "dns: { dnssec: auto }") {
            $0.main["smtp_dns_support_level"] = "dnssec"
        },
        Ailment("a fallback relay", "fallback-relay", "warn", change: "smtp_fallback_relay = ") {
            $0.main["smtp_fallback_relay"] = "[relay.example]"
        },
        Ailment("no main.cf", "postfix", "fail", change: nil) {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.configuration + "/main.cf") }
        },
    ]

    private static let ofBridge = [
        Ailment("no daemon", "daemon", "fail", change: "systemctl start sts-bridge") { $0.isRunning = false },
        Ailment("a configuration with a wrong key", "configuration", "fail", change: "sts-bridge config check") {
            $0.isRunning = false
            $0.bridge["listenn"] = "{}"
        },
        Ailment("a version that is not there", "configuration", "fail", change: "postfix: { version: auto }") {
            $0.isRunning = false
            $0.bridge["postfix"] = "{version: \"3.12\"}"
        },
        Ailment("nothing is kept", "cache", "warn", change: "cache: { store: sqlite }") {
            $0.bridge["cache"] = "{store: memory}"
        },
        Ailment("a cache for everybody", "cache", "warn", change: "chmod 0640 ") {
            $0.damage = { try $0.chmod(0o644, $0.cache) }
        },
        Ailment("a DNS server that is dead", "name-servers", "warn", change: nil) {
            $0.bridge["dns"] = $0.bridge["dns"]?.replacing(
                KnotServer.address, with: "\(KnotServer.address), \(Silence.nobody)")
        },
        Ailment("DANE, and a resolver of Postfix's that does not validate", "postfix-resolver", "fail", change: nil) {
            $0.dane()
        },
        Ailment("DANE, and DNS servers that strip DNSSEC", "dnssec-signed", "warn", change: nil) { $0.dane() },
        Ailment("a policy host that is not dialled", "policy-fetch", "warn", change: "allow-networks") {
            $0.bridge["fetch"] = $0.bridge["fetch"]?.replacing("127.0.0.0/8", with: "192.0.2.0/24")
        },
        Ailment("CAs that vouch for nobody", "policy-fetch", "warn", change: nil) {
            $0.bridge["fetch"] = $0.bridge["fetch"]?.replacing("/ca.pem", with: "/stranger.pem")
        },
    ]
}

extension Patient {
    /// DANE on both sides, in a world where nothing is signed.
    fileprivate mutating func dane() {
        main["smtp_dns_support_level"] = "dnssec"
        bridge["dns"] = bridge["dns"]?.replacing("dnssec: \"off\"", with: "dnssec: auto")
        arguments += ["--signed-name", Self.domain, "--unsigned-name", Self.domain, "--bogus-name", "x.broken.example"]
    }

    fileprivate func chmod(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
}
