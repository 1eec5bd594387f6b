import Testing

@testable import LocalSystem

@Suite struct ProgramCodeTests {
    @Test func `only code of files that cannot be written is released`() {
        let maps = """
            55d0a0000000-55d0a0002000 r--p 00000000 fe:00 1044                       /usr/bin/sts-bridge
            55d0a0002000-55d0a0005000 r-xp 00002000 fe:00 1044                       /usr/bin/sts-bridge
            55d0a0005000-55d0a0006000 rw-p 00005000 fe:00 1044                       /usr/bin/sts-bridge
            7f2a00000000-7f2a00001000 rwxp 00000000 fe:00 1045                       /usr/lib/a library.so
            7f2a10000000-7f2a10003000 r-xp 00001000 fe:00 1046                       /usr/lib/a library.so
            7f2a20000000-7f2a20001000 r-xp 00000000 00:00 0
            7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
            nonsense
            """
        #expect(
            ProgramCode.ranges(maps: Array(maps.utf8)) == [
                0x55D0_A000_2000..<0x55D0_A000_5000, 0x7F2A_1000_0000..<0x7F2A_1000_3000,
            ])
    }

    @Test func `code runs after its pages are released`() throws {
        let maps = try SmallFile.read("/proc/self/maps", limit: 1 << 20)
        #expect(!ProgramCode.ranges(maps: maps).isEmpty)
        ProgramCode.releasePages()
        #expect(["b", "a"].sorted() == ["a", "b"])
    }
}
