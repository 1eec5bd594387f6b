import DANE
import Testing

@Suite struct TLSARecordSetTests {
    let usable = [3, 1, 1] + TLSARecordTests.sha256
    let pkix = [1, 1, 1] + TLSARecordTests.sha256

    @Test func `DANE-5-a one usable record makes the set usable, whatever stands beside it`() {
        let set = TLSARecordSet(rdata: [pkix, [3], usable, []])
        #expect(set.isUsable)
        #expect(set.usable == 1)
        #expect(set.total == 4)
    }

    @Test func `DANE-2.2-b DANE-2.2.3-c a set of unusable records is unusable`() {
        #expect(!TLSARecordSet(rdata: [pkix]).isUsable)
        #expect(!TLSARecordSet(rdata: [pkix, [3, 1, 1] + TLSARecordTests.sha512]).isUsable)
    }

    @Test func `DANE-6698-4.1-a malformed record data is an unusable record, not an error`() {
        let set = TLSARecordSet(rdata: [[3, 1]])
        #expect(!set.isUsable)
        #expect(set.total == 1)
    }

    @Test func `DANE-5-a two digests of one key are one usable set`() {
        #expect(TLSARecordSet(rdata: [usable, [3, 1, 2] + TLSARecordTests.sha512]).isUsable)
    }

    @Test func `64 KiB of records are judged`() {
        let certificates = [FullDataTests.certificate, [UInt8](repeating: 0x30, count: 60_000)]
        let many = [[UInt8]](repeating: pkix, count: 1_800) + certificates.map { [2, 0, 0] + $0 }
        #expect(TLSARecordSet(rdata: many) == TLSARecordSet(rdata: many.reversed()))
        #expect(TLSARecordSet(rdata: many).usable == 1)
    }
}
