import Glibc
import PostfixConfig

/// `smtp_tls_CAfile` and `smtp_tls_CApath`: without them Postfix authenticates no host.
extension PostfixChecks {
    func authorities(_ client: ClientInspection) -> CheckResult {
        let file = shown(client.client.parameters.text("smtp_tls_CAfile"))
        let line = fix(client, name: "smtp_tls_CAfile", value: authorityFile)
        switch client.authorityFile {
        case .certificates(let count) where count > 0:
            return CheckResult(
                .authorities, severity: .ok,
                meaning: "smtp_tls_CAfile \(file) contains \(Self.authorities(count)).\(directoryNote(client))")
        case .certificates:
            return CheckResult(
                .authorities, severity: .fail,
                meaning: "smtp_tls_CAfile \(file) contains no certificate. \(Self.noTLS)", fixes: line)
        case .missing:
            return CheckResult(
                .authorities, severity: severity(of: .fail),
                meaning: configuration.isOfThisHost
                    ? "smtp_tls_CAfile \(file) does not exist. \(Self.noTLS)"
                    : "smtp_tls_CAfile \(file) does not exist on this host; it belongs to Postfix's host.",
                fixes: configuration.isOfThisHost ? line : nil)
        case .unreadable(let code):
            let reason = String(cString: strerror(code))
            guard isRoot else {
                return CheckResult(
                    .authorities, severity: .unknown,
                    meaning: "This user cannot read smtp_tls_CAfile \(file): \(reason).")
            }
            return CheckResult(
                .authorities, severity: .fail, meaning: "Cannot read smtp_tls_CAfile \(file): \(reason). \(Self.noTLS)",
                fixes: line)
        case nil:
            return directory(client, fix: line)
        }
    }

    /// Postfix's behaviour with a CAfile that it cannot load.
    private static let noTLS =
        "Postfix then uses no TLS at all: mail to enforced domains is deferred, all other mail is sent in plaintext."

    private static func authorities(_ count: Int) -> String { count == 1 ? "one CA" : "\(count) CAs" }

    private func directoryNote(_ client: ClientInspection) -> String {
        switch client.authorityDirectory {
        case nil: return ""
        case .certificates(let count) where count > 0: return ""
        case .certificates, .missing, .unreadable: return " smtp_tls_CApath adds no CA at the path that smtp(8) reads."
        }
    }

    /// The result if no file is set.
    private func directory(_ client: ClientInspection, fix line: Fix) -> CheckResult {
        let path = client.client.parameters.text("smtp_tls_CApath")
        let place = shown((client.client.isChrooted == true ? configuration.queueDirectory : "") + path)
        switch client.authorityDirectory {
        case .certificates(let count) where count > 0:
            return CheckResult(
                .authorities, severity: .ok,
                meaning:
                    "smtp_tls_CApath contains \(Self.authorities(count)) at the path that smtp(8) reads (\(place)). smtp(8) sees no change "
                    + "until Postfix restarts; with a CAfile it does.")
        case .certificates:
            return CheckResult(
                .authorities, severity: .fail,
                meaning:
                    "\(place) contains no CA with a hashed name (openssl rehash): every enforced domain fails with \"untrusted "
                    + "issuer\", and its mail is deferred.", fixes: line)
        case .missing:
            let isChrooted = client.client.isChrooted == true
            return CheckResult(
                .authorities, severity: severity(of: .fail),
                meaning: "smtp_tls_CApath is \(place), which does not exist"
                    + (isChrooted ? " (smtp(8) runs in a chroot)" : "")
                    + ": every enforced domain fails with \"untrusted issuer\", and its mail is deferred. smtp(8) reads a CAfile "
                    + "before it enters the chroot.", fixes: line)
        case .unreadable(let code):
            return CheckResult(
                .authorities, severity: isRoot ? .fail : .unknown,
                meaning: "Cannot read smtp_tls_CApath \(place): \(String(cString: strerror(code))).", fixes: line)
        case nil where client.client.parameters["tls_append_default_CA"] == "yes":
            return CheckResult(
                .authorities, severity: .warn,
                meaning: "Postfix uses only OpenSSL's default CAs (tls_append_default_CA), and smtp(8) in a "
                    + "chroot may not find them.", fixes: line)
        case nil:
            return CheckResult(
                .authorities, severity: .fail,
                meaning:
                    "Neither smtp_tls_CAfile nor smtp_tls_CApath is set: Postfix can authenticate no host, and mail to "
                    + "every enforced domain is deferred.", fixes: line)
        }
    }
}
