import Foundation
import PostfixConfig
import PostfixTable
import Testing

@Suite struct ServiceTableTests {
    @Test
    func `DANE-2.2.3-a the services of this host come from its file, and well-known ones are always there`() {
        let table = ServiceTable.system()
        #expect(table["smtp"] == 25)
        #expect(table["submissions"] == 465)
        #expect(table["no-such-service"] == nil)
        // If the host has a file of services, its names and aliases are found.
        let text = (try? String(contentsOfFile: "/etc/services", encoding: .utf8)) ?? ""
        let lines = text.split(separator: "\n").map { $0.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace) }
        for fields in lines where fields.count > 1 && fields[1].hasSuffix("/tcp") {
            for name in [fields[0]] + fields.dropFirst(2) { #expect(table[String(name)] != nil, "\(name)") }
        }
    }

    @Test func `a table's own ports come before another table's`() {
        let table = ServiceTable(["smtp": 2_525]).merged(with: .wellKnown)
        #expect(table["smtp"] == 2_525)
        #expect(table["submission"] == 587)
    }
}
