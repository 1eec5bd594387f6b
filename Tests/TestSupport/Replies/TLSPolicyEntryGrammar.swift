/// Postfix's side of an entry of smtp_tls_policy_maps: reads it as smtp_tls_policy_site does, and says what is wrong.
///
/// Facts: what Postfix 3.7.11 and 3.12 did with 56 replies, and their sources; `TLSPolicyEntryGrammarTests` has the table.
/// Shares nothing with the writer, so that a mistake of one is not a mistake of both. One octet more than Postfix takes
/// and all mail to a destination stays in the queue.
package struct TLSPolicyEntryGrammar: Sendable {
    /// Where the grammar changed.
    package enum Generation: Int, CaseIterable, Comparable, Sendable {
        /// Before 3.4: no `servername`.
        case postfix3_3
        case postfix3_7
        /// `enable_rpk`.
        case postfix3_9
        /// Braces and the policy's own words; 3.10.0 to 3.10.5 crash when some of them are missing.
        case postfix3_10
        /// 3.10.6 and later: as 3.10, and MX host names are compared with `mx_host_pattern`.
        case postfix3_12

        package static func < (left: Generation, right: Generation) -> Bool { left.rawValue < right.rawValue }
    }

    package enum Violation: Hashable, Sendable {
        // What Postfix defers all mail for.
        case emptyEntry
        case unknownLevel(String)
        /// No `name=value`, or braces that are unbalanced or not followed by white space.
        case malformedAttribute(String)
        case unknownAttribute(String)
        case notAtLevel(String, level: String)
        case emptyValue(String)
        case repeated(String)
        case badValue(String, String)
        case withoutPolicyType(String)
        /// `fingerprint` without `match`.
        case missing(String)
        case notUTF8
        case containsNUL
        // What Postfix takes, and we never say.
        case matchesNothing(String, String)
        case ownStrategy(String)
        case unsuitable(String)
    }

    package struct Entry: Equatable, Sendable {
        /// Lower-case.
        package var level: String
        /// Names are lower-case; values as Postfix stores them.
        package var attributes: [(name: String, value: String)]

        package init(level: String = "", attributes: [(name: String, value: String)] = []) {
            self.level = level
            self.attributes = attributes
        }

        package func values(of name: String) -> [String] {
            attributes.filter { $0.name == name }.map(\.value)
        }

        package static func == (left: Entry, right: Entry) -> Bool {
            left.level == right.level && left.attributes.elementsEqual(right.attributes, by: ==)
        }
    }

    package let generation: Generation

    package init(_ generation: Generation) {
        self.generation = generation
    }

    /// Why this Postfix would defer the mail; empty: it takes the entry.
    package func errors(of entry: some Collection<UInt8>) -> [Violation] {
        read(Array(entry)).errors
    }

    package func errors(of entry: String) -> [Violation] { errors(of: entry.utf8) }

    /// All of `errors(of:)`, and what Postfix takes but means no good.
    package func violations(of entry: some Collection<UInt8>) -> [Violation] {
        let octets = Array(entry)
        let (entry, errors) = read(octets)
        return errors + ReplyRules(generation: generation).violations(of: entry, octets)
    }

    package func violations(of entry: String) -> [Violation] { violations(of: entry.utf8) }

    /// The entry as far as Postfix reads it.
    package func entry(_ octets: some Collection<UInt8>) -> Entry { read(Array(octets)).entry }

    // MARK: As in smtp_tls_policy.c

    private func read(_ octets: [UInt8]) -> (entry: Entry, errors: [Violation]) {
        if octets.contains(0) { return (Entry(), [.containsNUL]) }
        guard String(validating: octets, as: UTF8.self) != nil else { return (Entry(), [.notUTF8]) }
        var rest = octets[...]
        guard let word = Self.takeWord(&rest, bracesProtect: false) else { return (Entry(), [.emptyEntry]) }
        var entry = Entry(level: Self.text(word).lowercased())
        guard Self.levels.contains(entry.level) else { return (entry, [.unknownLevel(entry.level)]) }
        // With TLS off attributes only draw warnings.
        guard entry.level != "none" else { return (entry, []) }
        var errors: [Violation] = []
        while let token = Self.takeWord(&rest, bracesProtect: generation >= .postfix3_10) {
            guard let (name, value) = split(token) else {
                errors.append(.malformedAttribute(Self.text(token)))
                break
            }
            errors += check(name, value: value, in: entry)
            entry.attributes.append((name, value))
        }
        return (entry, errors + checkWhole(entry))
    }

    private static let levels: Set<String> = [
        "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure",
    ]

    /// `CHARS_COMMA_SP`
    private static func isSeparator(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): true
        default: false
        }
    }

    /// `mystrtok`, and `mystrtokq` where braces protect separators.
    private static func takeWord(_ rest: inout ArraySlice<UInt8>, bracesProtect: Bool) -> ArraySlice<UInt8>? {
        guard let start = rest.firstIndex(where: { !isSeparator($0) }) else { return nil }
        var depth = 0
        var end = start
        while end < rest.endIndex {
            let octet = rest[end]
            if bracesProtect, octet == UInt8(ascii: "{") {
                depth += 1
            } else if depth > 0, octet == UInt8(ascii: "}") {
                depth -= 1
            } else if depth == 0, isSeparator(octet) {
                break
            }
            end += 1
        }
        defer { rest = rest[end...] }
        return rest[start..<end]
    }

    /// `extpar` and `split_nameval`.
    private func split(_ token: ArraySlice<UInt8>) -> (name: String, value: String)? {
        var pair = token
        if generation >= .postfix3_10, token.first == UInt8(ascii: "{") {
            guard Self.closingBrace(of: token) == token.endIndex - 1 else { return nil }
            pair = Self.trimmed(token.dropFirst().dropLast())
        }
        guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let name = Self.trimmed(pair[..<equals])
        // A blank within the name: no `=` after the first word.
        guard !name.isEmpty, !name.contains(where: Self.isSpace) else { return nil }
        return (Self.text(name).lowercased(), Self.text(Self.trimmed(pair[(equals + 1)...])))
    }

    private static func closingBrace(of token: ArraySlice<UInt8>) -> Int? {
        var depth = 0
        for index in token.indices {
            if token[index] == UInt8(ascii: "{") { depth += 1 }
            if token[index] == UInt8(ascii: "}") { depth -= 1 }
            if depth == 0 { return index }
        }
        return nil
    }

    private func check(_ name: String, value: String, in entry: Entry) -> [Violation] {
        guard let since = Self.attributes[name], generation >= since else { return [.unknownAttribute(name)] }
        var found: [Violation] = []
        if !Self.repeatable.contains(name), entry.attributes.contains(where: { $0.name == name }) {
            found.append(.repeated(name))
        }
        if value.isEmpty, !Self.mayBeEmpty.contains(name) { return found + [.emptyValue(name)] }
        switch name {
        case "match":
            if !["fingerprint", "verify", "secure"].contains(entry.level) {
                found.append(.notAtLevel(name, level: entry.level))
            }
            if value == "." { found.append(.badValue(name, value)) }
        case "tafile":
            if !["verify", "secure"].contains(entry.level) { found.append(.notAtLevel(name, level: entry.level)) }
        case "servername":
            if !Self.isHostName(value) { found.append(.badValue(name, value)) }
        case "connection_reuse", "enable_rpk":
            if !["yes", "no"].contains(value.lowercased()) { found.append(.badValue(name, value)) }
        case "policy_type":
            if !["sts", "no-policy-found"].contains(value.lowercased()) { found.append(.badValue(name, value)) }
        case "policy_domain":
            if !Self.isHostName(value) { found.append(.badValue(name, value)) }
        case "policy_ttl":
            if !value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) { found.append(.badValue(name, value)) }
        case "policy_failure":
            if !Self.failures.contains(value.lowercased()) { found.append(.badValue(name, value)) }
        default: break
        }
        return found
    }

    private func checkWhole(_ entry: Entry) -> [Violation] {
        let names = Set(entry.attributes.map(\.name))
        if entry.level == "fingerprint", !names.contains("match") { return [.missing("match")] }
        if names.contains("policy_type") { return [] }
        return Self.ofPolicy.filter(names.contains).map { .withoutPolicyType($0) }
    }

    /// By the first generation that has them.
    private static let attributes: [String: Generation] = [
        "ciphers": .postfix3_3, "protocols": .postfix3_3, "match": .postfix3_3, "exclude": .postfix3_3,
        "tafile": .postfix3_3, "servername": .postfix3_7, "connection_reuse": .postfix3_7, "enable_rpk": .postfix3_9,
        "policy_type": .postfix3_10, "policy_domain": .postfix3_10, "policy_ttl": .postfix3_10,
        "policy_string": .postfix3_10, "mx_host_pattern": .postfix3_10, "policy_failure": .postfix3_10,
    ]
    private static let ofPolicy = ["policy_domain", "policy_failure", "policy_string", "policy_ttl", "mx_host_pattern"]
    private static let repeatable: Set<String> = [
        "match", "tafile", "connection_reuse", "policy_string", "mx_host_pattern",
    ]
    private static let mayBeEmpty: Set<String> = ["protocols", "exclude"]
    private static let failures: Set<String> = [
        "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid", "validation-failure",
    ]

    /// `valid_hostname`: labels of letters, digits, hyphens and underscores; not all digits; ASCII, so no U-label.
    static func isHostName(_ text: String) -> Bool {
        let octets = Array(text.utf8)
        guard (1...255).contains(octets.count), octets.contains(where: { !(0x30...0x39).contains($0) && $0 != 0x2E })
        else { return false }
        return octets.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { octet in
                    switch octet {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
                    default: false
                    }
                }
        }
    }

    private static func isSpace(_ octet: UInt8) -> Bool { octet == 0x20 || (0x09...0x0D).contains(octet) }

    private static func trimmed(_ octets: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var slice = octets.drop(while: isSpace)
        while let last = slice.last, isSpace(last) { slice = slice.dropLast() }
        return slice
    }

    private static func text(_ octets: ArraySlice<UInt8>) -> String { String(decoding: octets, as: UTF8.self) }
}
