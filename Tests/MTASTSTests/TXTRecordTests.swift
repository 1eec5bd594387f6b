import MTASTS
import Testing

@Suite struct TXTRecordTests {
    @Test func `character-strings are joined with nothing between (STS-3.1-p)`() {
        #expect(TXTRecord(rdata: [2, 0x61, 0x62, 0, 1, 0x63])?.octets == octets("abc"))
    }

    @Test func `an empty string is a record without text`() {
        #expect(TXTRecord(rdata: [0])?.octets == [])
    }

    @Test func `a string of 255 octets is whole`() {
        let text = [UInt8](repeating: 0x61, count: 255)
        #expect(TXTRecord(rdata: [255] + text)?.octets == text)
    }

    @Test(arguments: [[], [1], [2, 0x61], [255], [1, 0x61, 5], [0, 0, 1]] as [[UInt8]])
    func `data that ends within a string, or has none, is malformed`(rdata: [UInt8]) {
        #expect(TXTRecord(rdata: rdata) == nil)
    }

    @Test func `the longest record data there is`() {
        let text = [UInt8](repeating: 0x61, count: 65_279)
        #expect(TXTRecord(rdata: rdata([text]))?.octets == text)
    }
}
