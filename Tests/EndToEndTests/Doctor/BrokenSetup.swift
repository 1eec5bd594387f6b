import Foundation
import Testing

/// One error in the setup, and the result that the doctor must report.
struct BrokenSetup: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let check: String
    let severity: String
    /// Part of the fix; nil: there is none.
    let change: String?
    /// Services of master.cf; empty: all.
    let services: [String]
    let harm: @Sendable (inout DoctorFixture) -> Void

    init(
        _ description: String, check: String, severity: String, change: String?, services: [String] = [],
        _ harm: @escaping @Sendable (inout DoctorFixture) -> Void
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
    private static let inet = "socketmap:inet:127.0.0.1:\(DoctorFixture.socketmap)"

    static let all = ofMaps + ofSockets + ofLevels + ofBridge

    private static let ofMaps = [
        BrokenSetup("no table", check: "policy-maps", severity: "fail", change: "\(maps) = \(inet):postfix") {
            $0.main[maps] = ""
        },
        BrokenSetup("only another table", check: "policy-maps", severity: "fail", change: "\(inet):postfix") {
            $0.main[maps] = "socketmap:inet:127.0.0.1:9999:postfix"
        },
        BrokenSetup("a map without a name", check: "policy-maps", severity: "fail", change: "\(inet):postfix") {
            $0.main[maps] = inet
        },
        BrokenSetup(
            "one service without a table", check: "policy-maps", severity: "fail", change: "-o { \(maps) = ",
            services: ["relay"]
        ) {
            $0.master["relay"]? += " -o \(maps)="
        },
        BrokenSetup("everybody is answered in front", check: "map-order", severity: "fail", change: nil) {
            $0.main[maps] = "static:may \(bridge)"
        },
        BrokenSetup("everybody is answered behind", check: "map-order", severity: "warn", change: nil) {
            $0.main[maps] = "\(bridge), static:encrypt"
        },
        BrokenSetup("a table that was never made", check: "map-order", severity: "fail", change: nil) {
            $0.main[maps] = "hash:\($0.directory)/none \(bridge)"
        },
        BrokenSetup("by proxymap", check: "map-order", severity: "warn", change: "\(maps) = \(inet):postfix") {
            $0.main[maps] = "proxy:\(bridge)"
        },
        BrokenSetup("a relay for all mail", check: "relayhost", severity: "warn", change: nil) {
            $0.main["relayhost"] = "[relay.example]:587"
        },
        BrokenSetup("a transport for all mail", check: "transport-maps", severity: "warn", change: nil) {
            $0.main["transport_maps"] = "inline:{ { * = smtp:[relay.example] } }"
        },
        BrokenSetup("a transport table that was never made", check: "transport-maps", severity: "fail", change: nil) {
            $0.main["transport_maps"] = "hash:\($0.directory)/none"
        },
        BrokenSetup("words that 3.7 refuses", check: "map-name", severity: "fail", change: "\(inet):postfix") {
            $0.main[maps] = "\(inet):sts"
        },
        BrokenSetup("old words for a new Postfix", check: "map-name", severity: "warn", change: "\(inet):sts") {
            $0.main["mail_version"] = "3.12.1"
        },
    ]

    private static let ofSockets = [
        BrokenSetup(
            "the socket's full path in a chroot", check: "map-socket", severity: "fail",
            change: "\(maps) = \(inet):postfix",
            services: ["smtp"]
        ) { $0.main[maps] = "socketmap:unix:\($0.socket):postfix" },
        BrokenSetup("a directory that is closed", check: "map-socket", severity: "fail", change: "chmod o+x") {
            $0.damage = { try $0.chmod(0o700, path: ($0.socket as NSString).deletingLastPathComponent) }
        },
        BrokenSetup("a socket for root alone", check: "map-socket", severity: "fail", change: "socket-mode: \"0660\"") {
            $0.bridge["listen"] = $0.bridge["listen"]?.replacing("0660", with: "0600")
        },
        BrokenSetup("a socket that is gone", check: "map-socket", severity: "fail", change: "systemctl start") {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.socket) }
        },
        BrokenSetup(
            "a host name without hosts", check: "map-socket", severity: "fail", change: "cp /etc/hosts ",
            services: ["smtp"]
        ) {
            $0.main[maps] = "socketmap:inet:localhost:\(DoctorFixture.socketmap):postfix"
            $0.damage = { try FileManager.default.removeItem(atPath: $0.queue + "/etc/hosts") }
        },
        BrokenSetup("a socket for everybody", check: "socket-mode", severity: "warn", change: "socket-mode: \"0660\"") {
            $0.bridge["listen"] = $0.bridge["listen"]?.replacing("0660", with: "0666")
        },
        BrokenSetup("an admin socket for everybody", check: "admin-socket", severity: "fail", change: "chmod 0660 ") {
            $0.damage = { try $0.chmod(0o666, path: $0.adminSocket) }
        },
        BrokenSetup(
            "no resolv.conf in the chroot", check: "postfix-resolver", severity: "fail", change: "cp /etc/resolv.conf "
        ) {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.queue + "/etc/resolv.conf") }
        },
        BrokenSetup(
            "another resolv.conf in the chroot", check: "postfix-resolver", severity: "warn",
            change: "cp /etc/resolv.conf "
        ) {
            $0.damage = {
                try "nameserver 192.0.2.53\n".write(
                    toFile: $0.queue + "/etc/resolv.conf", atomically: false, encoding: .utf8)
            }
        },
    ]

    private static let ofLevels = [
        BrokenSetup("no CA", check: "ca", severity: "fail", change: "smtp_tls_CAfile = ") {
            $0.main["smtp_tls_CAfile"] = ""
        },
        BrokenSetup("an empty CA file", check: "ca", severity: "fail", change: "smtp_tls_CAfile = ") {
            $0.main["smtp_tls_CAfile"] = "/dev/null"
        },
        BrokenSetup("a CA file that is not there", check: "ca", severity: "fail", change: "smtp_tls_CAfile = ") {
            $0.main["smtp_tls_CAfile"] = "/nonexistent.pem"
        },
        BrokenSetup(
            "a CA directory outside of the chroot", check: "ca", severity: "fail", change: "smtp_tls_CAfile = ",
            services: ["smtp"]
        ) {
            $0.main["smtp_tls_CAfile"] = ""
            $0.main["smtp_tls_CApath"] = "/etc/ssl/certs"
        },
        BrokenSetup(
            "plaintext for the rest", check: "security-level", severity: "warn", change: "smtp_tls_security_level = may"
        ) {
            $0.main["smtp_tls_security_level"] = "none"
        },
        BrokenSetup(
            "DANE without DNSSEC", check: "dns-support", severity: "fail", change: "smtp_dns_support_level = dnssec"
        ) {
            $0.main["smtp_tls_security_level"] = "dane"
        },
        BrokenSetup(
            "DANE on Postfix's side alone", check: "dns-support", severity: "warn", change: "dns: { dnssec: auto }"
        ) {
            $0.main["smtp_dns_support_level"] = "dnssec"
        },
        BrokenSetup("a fallback relay", check: "fallback-relay", severity: "warn", change: "smtp_fallback_relay = ") {
            $0.main["smtp_fallback_relay"] = "[relay.example]"
        },
        BrokenSetup("no main.cf", check: "postfix", severity: "fail", change: nil) {
            $0.damage = { try FileManager.default.removeItem(atPath: $0.configuration + "/main.cf") }
        },
    ]

    private static let ofBridge = [
        BrokenSetup("no daemon", check: "daemon", severity: "fail", change: "systemctl start sts-bridge") {
            $0.isRunning = false
        },
        BrokenSetup(
            "a configuration with a wrong key", check: "configuration", severity: "fail",
            change: "sts-bridge config check"
        ) {
            $0.isRunning = false
            $0.bridge["listenn"] = "{}"
        },
        BrokenSetup(
            "a version that is not there", check: "configuration", severity: "fail",
            change: "postfix: { version: auto }"
        ) {
            $0.isRunning = false
            $0.bridge["postfix"] = "{version: \"3.12\"}"
        },
        BrokenSetup("nothing is kept", check: "cache", severity: "warn", change: "cache: { store: sqlite }") {
            $0.bridge["cache"] = "{store: memory}"
        },
        BrokenSetup("a cache for everybody", check: "cache", severity: "warn", change: "chmod 0640 ") {
            $0.damage = { try $0.chmod(0o644, path: $0.cache) }
        },
        BrokenSetup("a DNS server that is dead", check: "name-servers", severity: "warn", change: nil) {
            $0.bridge["dns"] = $0.bridge["dns"]?.replacing(
                KnotServer.address, with: "\(KnotServer.address), \(SilentAddresses.closed)")
        },
        BrokenSetup(
            "DANE, and a resolver of Postfix's that does not validate", check: "postfix-resolver", severity: "fail",
            change: nil
        ) {
            $0.dane()
        },
        BrokenSetup("DANE, and DNS servers that strip DNSSEC", check: "dnssec-signed", severity: "warn", change: nil) {
            $0.dane()
        },
        BrokenSetup(
            "a policy host that is not dialled", check: "policy-fetch", severity: "warn", change: "allow-networks"
        ) {
            $0.bridge["fetch"] = $0.bridge["fetch"]?.replacing("127.0.0.0/8", with: "192.0.2.0/24")
        },
        BrokenSetup("CAs that authenticate no host", check: "policy-fetch", severity: "warn", change: nil) {
            $0.bridge["fetch"] = $0.bridge["fetch"]?.replacing("/ca.pem", with: "/other.pem")
        },
    ]
}

extension DoctorFixture {
    /// DANE in Postfix and the bridge, on a network without signed names.
    fileprivate mutating func dane() {
        main["smtp_dns_support_level"] = "dnssec"
        bridge["dns"] = bridge["dns"]?.replacing("dnssec: \"off\"", with: "dnssec: auto")
        arguments += ["--signed-name", Self.domain, "--unsigned-name", Self.domain, "--bogus-name", "x.broken.example"]
    }

    fileprivate func chmod(_ mode: Int, path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
}
