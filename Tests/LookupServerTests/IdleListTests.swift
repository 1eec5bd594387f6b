import Testing

@testable import LookupServer

@Suite struct IdleListTests {
    @Test func `the first of those that are left is the one that was inserted first`() {
        var list = IdleList<Int>()
        #expect(list.first == nil)
        let places = (0..<5).map { list.append($0) }
        list.remove(at: places[2])
        list.remove(at: places[0])
        #expect(list.first == 1)
        list.remove(at: places[1])
        #expect(list.first == 3)
        list.remove(at: places[4])
        #expect(list.first == 3)
        list.remove(at: places[3])
        #expect(list.first == nil)
    }

    @Test func `an element that is inserted again comes last, and free places are used again`() {
        var list = IdleList<Int>()
        var place = list.append(0)
        let second = list.append(1)
        for _ in 0..<1_000 {
            list.remove(at: place)
            place = list.append(0)
        }
        #expect(list.first == 1)
        list.remove(at: second)
        #expect(list.first == 0)
    }

    @Test func `it behaves as an array does`() {
        var numbers = SystemRandomNumberGenerator()
        var list = IdleList<Int>()
        var model: [(element: Int, place: IdleList<Int>.Place)] = []
        for element in 0..<5_000 {
            if model.isEmpty || Bool.random(using: &numbers) {
                model.append((element, list.append(element)))
            } else {
                let removed = model.remove(at: .random(in: 0..<model.count, using: &numbers))
                list.remove(at: removed.place)
            }
            guard list.first == model.first?.element else {
                Issue.record("\(String(describing: list.first)) instead of \(String(describing: model.first?.element))")
                return
            }
        }
    }
}
