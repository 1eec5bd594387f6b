/// Replies that Postfix accepts, but sts-bridge never sends: each rule has cost an operator mail, security
/// or a true report.
struct ReplyRules {
    let generation: TLSPolicyEntryGrammar.Generation

    typealias Entry = TLSPolicyEntryGrammar.Entry
    typealias Violation = TLSPolicyEntryGrammar.Violation

    func violations(of entry: Entry, _ octets: [UInt8]) -> [Violation] {
        var found = layout(octets)
        guard entry.level == "secure" else {
            if !["none", "may", "encrypt", "dane", "dane-only"].contains(entry.level) {
                found.append(.unsuitable("level \(entry.level)"))
            }
            // policy_type on may counts success for certificates that Postfix did not check.
            if octets.count != entry.level.utf8.count { found.append(.unsuitable("attributes at \(entry.level)")) }
            return found
        }
        let known: Set<String> = [
            "match", "servername", "policy_type", "policy_domain", "policy_string", "mx_host_pattern",
        ]
        found += entry.attributes.filter { !known.contains($0.name) }.map { .unsuitable($0.name) }
        let match = entry.values(of: "match")
        if match.count != 1 { found.append(.unsuitable("\(match.count) match")) }
        let patterns = match.flatMap { $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init) }
        for pattern in patterns { found += matchFaults(pattern) }
        if Set(patterns).count != patterns.count { found.append(.unsuitable("a pattern twice")) }
        if entry.values(of: "servername").contains(where: { $0 != "hostname" }) {
            found.append(.unsuitable("servername"))
        }
        return found + policyFaults(entry, match: patterns)
    }

    /// Single spaces, no other separator, and braces around policy_string alone.
    private func layout(_ octets: [UInt8]) -> [Violation] {
        var hasSpace = true
        var isClean = true
        var hasControl = false
        for octet in octets {
            let isSpace = octet == 0x20
            if isSpace, hasSpace { isClean = false }
            if octet < 0x20 || octet == 0x7F { hasControl = true }
            hasSpace = isSpace
        }
        var found: [Violation] = []
        if !isClean || hasSpace { found.append(.unsuitable("white space")) }
        if hasControl { found.append(.unsuitable("control character")) }
        return found
    }

    private func matchFaults(_ pattern: String) -> [Violation] {
        if ["hostname", "nexthop", "dot-nexthop"].contains(pattern.lowercased()) { return [.ownStrategy(pattern)] }
        // Postfix would look for a certificate that literally says `*.d`; a final dot is never in one.
        if pattern.hasPrefix("*.") || pattern.hasSuffix(".") { return [.matchesNothing("match", pattern)] }
        let name = pattern.hasPrefix(".") ? String(pattern.dropFirst()) : pattern
        if !pattern.hasPrefix("."), !name.contains(".") { return [.ownStrategy(pattern)] }
        return nameFaults("match", name: name)
    }

    private func mxFaults(_ pattern: String) -> [Violation] {
        let name = pattern.hasPrefix("*.") ? String(pattern.dropFirst(2)) : pattern
        // Enforced since 3.10.5: all mail to outlook.com stood still.
        if name.hasPrefix(".") || name.hasSuffix(".") || name.contains("*") || name.contains(":") || name.contains(",")
        {
            return [.matchesNothing("mx_host_pattern", pattern)]
        }
        if name == pattern, !name.contains(".") { return [.matchesNothing("mx_host_pattern", pattern)] }
        return nameFaults("mx_host_pattern", name: name)
    }

    private func nameFaults(_ attribute: String, name: String) -> [Violation] {
        let lastLabel = name.split(separator: ".", omittingEmptySubsequences: false).last ?? ""
        let isAddress = lastLabel.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let isLowerCase = !name.utf8.contains { (0x41...0x5A).contains($0) || $0 == UInt8(ascii: "_") }
        let isGood = !isAddress && isLowerCase && TLSPolicyEntryGrammar.isHostName(name)
        return isGood ? [] : [.badValue(attribute, name)]
    }

    private func policyFaults(_ entry: Entry, match: [String]) -> [Violation] {
        let type = entry.values(of: "policy_type")
        let strings = entry.values(of: "policy_string")
        let patterns = entry.values(of: "mx_host_pattern")
        guard !type.isEmpty else { return [] }
        var found: [Violation] = []
        if type != ["sts"] { found.append(.badValue("policy_type", "\(type)")) }
        let domain = entry.values(of: "policy_domain")
        if domain.count != 1 { found.append(.missing("policy_domain")) }
        for domain in domain { found += nameFaults("policy_domain", name: domain) }
        // smtp(8) of 3.10.0 to 3.10.5 crashes with TLS reports on.
        if strings.isEmpty { found.append(.missing("policy_string")) }
        if patterns.isEmpty { found.append(.missing("mx_host_pattern")) }
        for string in strings where string.isEmpty || !string.unicodeScalars.allSatisfy(Self.isPrintable) {
            found.append(.badValue("policy_string", string))
        }
        for pattern in patterns { found += mxFaults(pattern) }
        // Either list is enforced, depending on version and setting: they have to say the same.
        if patterns.map({ $0.hasPrefix("*.") ? String($0.dropFirst()) : $0 }) != match {
            found.append(.unsuitable("match and mx_host_pattern differ"))
        }
        return found
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x00..<0x20, 0x7F..<0xA0, 0x7B, 0x7D: false
        default: true
        }
    }
}
