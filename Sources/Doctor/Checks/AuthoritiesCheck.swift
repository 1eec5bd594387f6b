import Glibc
import PostfixSettings

/// `smtp_tls_CAfile` and `smtp_tls_CApath`: without them Postfix authenticates nobody.
extension PostfixCheckup {
    func authorities(_ client: ClientFacts) -> Finding {
        let file = shown(client.client.parameters.text("smtp_tls_CAfile"))
        let line = remedy(client, "smtp_tls_CAfile", authorityFile)
        switch client.authorityFile {
        case .certificates(let count) where count > 0:
            return Finding(
                .authorities, .ok,
                "smtp_tls_CAfile \(file) holds \(Self.authorities(count)).\(directoryNote(client))")
        case .certificates:
            return Finding(
                .authorities, .fail, "smtp_tls_CAfile \(file) has no certificate in it. \(Self.noTLS)", line)
        case .missing:
            return Finding(
                .authorities, severity(of: .fail),
                survey.isOfThisHost
                    ? "smtp_tls_CAfile \(file) is not there. \(Self.noTLS)"
                    : "smtp_tls_CAfile \(file) is not there, nor need it be: it belongs to Postfix's host.",
                survey.isOfThisHost ? line : nil)
        case .unreadable(let code):
            let words = String(cString: strerror(code))
            guard isRoot else {
                return Finding(.authorities, .unknown, "smtp_tls_CAfile \(file) cannot be read by this user: \(words).")
            }
            return Finding(.authorities, .fail, "smtp_tls_CAfile \(file): \(words). \(Self.noTLS)", line)
        case nil:
            return directory(client, line)
        }
    }

    /// What Postfix does with a CAfile that it cannot load.
    private static let noTLS =
        "Postfix then has no TLS at all: mail to enforced domains waits, all other goes in plaintext."

    private static func authorities(_ count: Int) -> String { count == 1 ? "one CA" : "\(count) CAs" }

    private func directoryNote(_ client: ClientFacts) -> String {
        switch client.authorityDirectory {
        case nil: return ""
        case .certificates(let count) where count > 0: return ""
        case .certificates, .missing, .unreadable: return " smtp_tls_CApath adds none where smtp(8) looks."
        }
    }

    /// Without a file.
    private func directory(_ client: ClientFacts, _ line: Remedy) -> Finding {
        let path = client.client.parameters.text("smtp_tls_CApath")
        let place = shown((client.client.isChrooted == true ? survey.queueDirectory : "") + path)
        switch client.authorityDirectory {
        case .certificates(let count) where count > 0:
            return Finding(
                .authorities, .ok,
                "smtp_tls_CApath holds \(Self.authorities(count)) where smtp(8) looks (\(place)). It follows no change "
                    + "until Postfix starts again; a CAfile does.")
        case .certificates:
            return Finding(
                .authorities, .fail,
                "\(place) has no CA under a hashed name (openssl rehash): every enforced domain fails with \"untrusted "
                    + "issuer\", and its mail waits.", line)
        case .missing:
            let isChrooted = client.client.isChrooted == true
            return Finding(
                .authorities, severity(of: .fail),
                "smtp_tls_CApath leads to \(place), which is not there"
                    + (isChrooted ? " (smtp(8) looks from inside its chroot)" : "")
                    + ": every enforced domain fails with \"untrusted issuer\", and its mail waits. A CAfile is read "
                    + "before the chroot.", line)
        case .unreadable(let code):
            return Finding(
                .authorities, isRoot ? .fail : .unknown,
                "smtp_tls_CApath \(place): \(String(cString: strerror(code))).", line)
        case nil where client.client.parameters["tls_append_default_CA"] == "yes":
            return Finding(
                .authorities, .warn,
                "Only OpenSSL's own default CAs are used (tls_append_default_CA): whether smtp(8) finds them from its "
                    + "chroot is chance.", line)
        case nil:
            return Finding(
                .authorities, .fail,
                "Neither smtp_tls_CAfile nor smtp_tls_CApath is set: Postfix can authenticate nobody, and mail to "
                    + "every enforced domain waits.", line)
        }
    }
}
