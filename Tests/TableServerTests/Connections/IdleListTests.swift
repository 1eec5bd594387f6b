import Testing

@testable import TableServer

@Suite struct IdleListTests {
    @Test func `the first element is the oldest of the remaining ones`() {
        var list = IdleList<Int>()
        #expect(list.first == nil)
        let slots = (0..<5).map { list.append($0) }
        list.remove(at: slots[2])
        list.remove(at: slots[0])
        #expect(list.first == 1)
        list.remove(at: slots[1])
        #expect(list.first == 3)
        list.remove(at: slots[4])
        #expect(list.first == 3)
        list.remove(at: slots[3])
        #expect(list.first == nil)
    }

    @Test func `an element that is inserted again comes last, and free slots are used again`() {
        var list = IdleList<Int>()
        var slot = list.append(0)
        let second = list.append(1)
        for _ in 0..<1_000 {
            list.remove(at: slot)
            slot = list.append(0)
        }
        #expect(list.first == 1)
        list.remove(at: second)
        #expect(list.first == 0)
    }

    @Test func `it behaves as an array does`() {
        var numbers = SystemRandomNumberGenerator()
        var list = IdleList<Int>()
        var model: [(element: Int, slot: IdleList<Int>.Slot)] = []
        for element in 0..<5_000 {
            if model.isEmpty || Bool.random(using: &numbers) {
                model.append((element, list.append(element)))
            } else {
                let removed = model.remove(at: .random(in: 0..<model.count, using: &numbers))
                list.remove(at: removed.slot)
            }
            guard list.first == model.first?.element else {
                Issue.record("\(String(describing: list.first)) instead of \(String(describing: model.first?.element))")
                return
            }
        }
    }
}
