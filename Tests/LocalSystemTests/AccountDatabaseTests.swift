import LocalSystem
import Testing

@Suite struct AccountDatabaseTests {
    @Test func `root is found by name and by id`() throws {
        let root = try #require(AccountDatabase.user(named: "root"))
        #expect(root == AccountDatabase.user(id: 0))
        #expect(root.name == "root")
        #expect(root.id == 0)
        #expect(root.group == 0)
    }

    @Test func `an unknown user or group is not found`() {
        #expect(AccountDatabase.user(named: "no-such-user-here") == nil)
        #expect(AccountDatabase.user(id: 4_000_000_123) == nil)
        #expect(AccountDatabase.groupName(id: 4_000_000_123) == nil)
        #expect(throws: GroupLookupError.noSuchGroup) { try AccountDatabase.groupID(named: "no-such-group-here") }
    }

    @Test func `a group is found by name and by id`() throws {
        let name = try #require(AccountDatabase.groupName(id: 0))
        #expect(try AccountDatabase.groupID(named: name) == 0)
    }
}
