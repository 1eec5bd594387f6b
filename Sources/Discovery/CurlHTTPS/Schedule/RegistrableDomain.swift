/// An approximation of the registered domain, whose names all have one owner.
///
/// There is no public suffix list. The value is the last two labels. It is the last three if the last two look like a
/// registry's suffix: a usual category (`co`, `com`, `org`, …) below a country code. So `*.evil.example` is one domain, and
/// `a.co.uk` and `b.co.uk` are two. A suffix that this rule does not know counts as one domain, and its owners share the
/// limits of one domain.
struct RegistrableDomain: Hashable, Sendable {
    let name: String

    /// - Parameter domain: A host name in lower case as A-labels, without the final dot.
    init(containing domain: String) {
        let labels = domain.split(separator: ".").suffix(3)
        let isBelowCategory =
            labels.last?.utf8.count == 2 && labels.dropLast().last.map { Self.categories.contains(String($0)) } ?? false
        name = labels.suffix(isBelowCategory ? 3 : 2).joined(separator: ".")
    }

    /// Second-level labels below which country registries sell names.
    private static let categories: Set<String> = [
        "ac", "asn", "co", "com", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "govt", "id", "in", "ind", "info",
        "ltd", "me", "mil", "muni", "name", "ne", "net", "nhs", "nom", "or", "org", "plc", "police", "pro", "re", "sch",
        "school", "web",
    ]
}
