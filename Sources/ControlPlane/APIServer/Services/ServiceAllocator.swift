public import KubeAPI
internal import JSONTree
internal import Synchronization

/// Which addresses and ports Services are given.
public struct ServiceRanges: Sendable {
    public var addresses: AddressRange
    public var nodePorts: ClosedRange<Int>

    public init(addresses: AddressRange, nodePorts: ClosedRange<Int>) {
        self.addresses = addresses
        self.nodePorts = nodePorts
    }

    /// 10.96.0.0/16 and 30000-32767.
    public static let standard = ServiceRanges(addresses: AddressRange("10.96.0.0/16") ?? .everything, nodePorts: 30000...32767)

    /// The lower part of a range is left to those who ask for a certain value, as long as there are others (KEP-3070).
    static func staticBand(size: Int, divisor: Int, maximum: Int) -> Int {
        size < 16 ? 0 : min(max(16, size / divisor), maximum)
    }
}

/// Gives out cluster IPs and node ports, each to one Service at a time.
///
/// There is no record beside the Services themselves: what a stored Service holds is taken, so the write of the Service is the
/// allocation, its deletion the release, and a crash can lose neither. What a write under way is about to hold is reserved in
/// memory until the write has succeeded (then the stored Service holds it) or failed. One server owns a storage, so its memory
/// sees every write.
final class ServiceAllocator: Sendable {
    private struct State {
        var addresses: [[UInt8]: ObjectKey] = [:]
        var ports: [Int: ObjectKey] = [:]
        var holdings: [ObjectKey: Holding] = [:]
        var reservedAddresses: Set<[UInt8]> = []
        var reservedPorts: Set<Int> = []
    }

    /// What one Service has.
    struct Holding: Sendable, Hashable {
        var addresses: Set<[UInt8]> = []
        var ports: Set<Int> = []

        init() {}

        init(_ service: JSON) {
            let spec = service["spec"]
            addresses = Set((spec?["clusterIPs"]?.array ?? []).compactMap { AddressRange.bytes(of: $0.string ?? "") })
            ports = Set((spec?["ports"]?.array ?? []).compactMap { $0["nodePort"]?.int.map(Int.init) }.filter { $0 != 0 })
            if let port = spec?["healthCheckNodePort"]?.int, port != 0 { ports.insert(Int(port)) }
        }
    }

    private let ranges: ServiceRanges
    private let random: @Sendable (Int) -> Int
    private let state = Mutex(State())

    /// - Parameter random: a number from zero up to but without the argument.
    init(_ ranges: ServiceRanges, random: @escaping @Sendable (Int) -> Int) {
        self.ranges = ranges
        self.random = random
    }

    // MARK: what is stored

    /// Told of every stored Service, and of its end (nil), on the thread that commits.
    func observe(_ key: ObjectKey, _ service: JSON?) {
        state.withLock { state in
            if let old = state.holdings.removeValue(forKey: key) {
                for address in old.addresses where state.addresses[address] == key { state.addresses[address] = nil }
                for port in old.ports where state.ports[port] == key { state.ports[port] = nil }
            }
            guard let service else { return }
            let holding = Holding(service)
            state.holdings[key] = holding
            for address in holding.addresses where state.addresses[address] == nil { state.addresses[address] = key }
            for port in holding.ports where state.ports[port] == nil { state.ports[port] = key }
        }
    }

    // MARK: giving out

    /// Gives a Service what it needs and does not have, and takes hold of what it asks for.
    /// - Returns: what to release when the write is over, however it ended.
    /// - Throws: what is wrong with what was asked for.
    func reserve(_ service: inout JSON, old: JSON?, key: ObjectKey) throws(AllocationFailure) -> Holding {
        // Only what the stored Service has is its own; the object that a client read may be older.
        try state.withLock { state throws(AllocationFailure) in
            let held = old.map(Holding.init) ?? Holding()
            var taken = Holding()
            do throws(AllocationFailure) {
                try assignAddresses(&service, held, &taken, &state)
                try assignPorts(&service, held, &taken, &state)
            } catch {
                Self.drop(taken, &state)
                throw error
            }
            return taken
        }
    }

    func release(_ holding: Holding) { state.withLock { Self.drop(holding, &$0) } }

    private static func drop(_ holding: Holding, _ state: inout State) {
        state.reservedAddresses.subtract(holding.addresses)
        state.reservedPorts.subtract(holding.ports)
    }

    // MARK: addresses

    private func assignAddresses(
        _ service: inout JSON, _ held: Holding, _ taken: inout Holding, _ state: inout State
    ) throws(AllocationFailure) {
        let spec = service["spec"]
        let isHeadless = spec?["clusterIP"] == "None"
        guard spec?["type"] != "ExternalName", !isHeadless else { return }
        try checkFamilies(spec)
        let path = FieldPath.spec.child("clusterIPs")
        let stated = spec?["clusterIPs"]?.array ?? []
        guard !stated.isEmpty else {
            guard let address = freeAddress(state) else { throw .exhausted("failed to allocate a serviceIP: range is full") }
            state.reservedAddresses.insert(address)
            taken.addresses.insert(address)
            let text = AddressRange.text(of: address)
            service["spec"]?["clusterIP"] = .string(text)
            service["spec"]?["clusterIPs"] = [.string(text)]
            return
        }
        for item in stated {
            guard let text = item.string, let address = AddressRange.bytes(of: text), !held.addresses.contains(address) else { continue }
            func wrong(_ why: String) -> AllocationFailure { .invalid(.invalid(path, .array(stated), "failed to allocate IP \(text): \(why)")) }
            guard isAssignable(address) else {
                throw wrong("the provided IP (\(text)) is not in the valid range. The range of valid IPs is \(ranges.addresses)")
            }
            guard state.addresses[address] == nil, state.reservedAddresses.insert(address).inserted else {
                throw wrong("provided IP is already allocated")
            }
            taken.addresses.insert(address)
        }
    }

    private func checkFamilies(_ spec: JSON?) throws(AllocationFailure) {
        if spec?["ipFamilyPolicy"] == "RequireDualStack" {
            throw .invalid(.invalid(
                FieldPath.spec.child("ipFamilyPolicy"), "RequireDualStack", "this cluster is not configured for dual-stack services"))
        }
        let own = ranges.addresses.isIPv4 ? "IPv4" : "IPv6"
        for (index, family) in (spec?["ipFamilies"]?.array ?? []).enumerated() where family.string != own {
            throw .invalid(.invalid(FieldPath.spec.child("ipFamilies").index(index), family, "not configured on this cluster"))
        }
    }

    /// Neither the range's first address nor, of IPv4, its last: those name the network and everyone in it.
    private func isAssignable(_ address: [UInt8]) -> Bool {
        guard let offset = ranges.addresses.offset(of: address) else { return false }
        return offset > 0 && (!ranges.addresses.isIPv4 || offset < ranges.addresses.count - 1)
    }

    private func freeAddress(_ state: State) -> [UInt8]? {
        let last = ranges.addresses.count - (ranges.addresses.isIPv4 ? 1 : 0)
        let band = ServiceRanges.staticBand(size: ranges.addresses.count, divisor: 16, maximum: 256)
        let found = free(in: max(band, 1)..<last, below: 1) { offset in
            let address = ranges.addresses.address(at: offset)
            return state.addresses[address] == nil && !state.reservedAddresses.contains(address)
        }
        return found.map { ranges.addresses.address(at: $0) }
    }

    // MARK: ports

    private func assignPorts(_ service: inout JSON, _ held: Holding, _ taken: inout Holding, _ state: inout State) throws(AllocationFailure) {
        let spec = service["spec"]
        guard spec?["type"] == "NodePort" || (spec?["type"] == "LoadBalancer" && spec?["allocateLoadBalancerNodePorts"] != false) else { return }
        var ports = spec?["ports"]?.array ?? []
        for (index, port) in ports.enumerated() {
            guard let node = port["nodePort"]?.int.map(Int.init), node != 0 else { continue }
            try takePort(node, held, &taken, &state, at: FieldPath.spec.child("ports").index(index).child("nodePort"))
        }
        // A port that is served over two protocols has one node port.
        var byPort: [JSON: JSON] = [:]
        for port in ports { if let node = port["nodePort"], node != 0, let number = port["port"] { byPort[number] = node } }
        for index in ports.indices where ports[index]["nodePort"]?.int ?? 0 == 0 {
            let number = ports[index]["port"] ?? 0
            if let same = byPort[number] {
                ports[index]["nodePort"] = same
                continue
            }
            let node = try newPort(&taken, &state)
            ports[index]["nodePort"] = JSON(node)
            byPort[number] = JSON(node)
        }
        service["spec"]?["ports"] = .array(ports)
        guard spec?["type"] == "LoadBalancer", spec?["externalTrafficPolicy"] == "Local" else { return }
        if let node = spec?["healthCheckNodePort"]?.int.map(Int.init), node != 0 {
            try takePort(node, held, &taken, &state, at: FieldPath.spec.child("healthCheckNodePort"))
        } else {
            service["spec"]?["healthCheckNodePort"] = JSON(try newPort(&taken, &state))
        }
    }

    private func takePort(
        _ port: Int, _ held: Holding, _ taken: inout Holding, _ state: inout State, at path: FieldPath
    ) throws(AllocationFailure) {
        if held.ports.contains(port) || taken.ports.contains(port) { return }
        guard ranges.nodePorts.contains(port) else {
            let range = "\(ranges.nodePorts.lowerBound)-\(ranges.nodePorts.upperBound)"
            throw .invalid(.invalid(path, JSON(port), "provided port is not in the valid range. The range of valid ports is \(range)"))
        }
        guard state.ports[port] == nil, state.reservedPorts.insert(port).inserted else {
            throw .invalid(.invalid(path, JSON(port), "provided port is already allocated"))
        }
        taken.ports.insert(port)
    }

    private func newPort(_ taken: inout Holding, _ state: inout State) throws(AllocationFailure) -> Int {
        let band = ServiceRanges.staticBand(size: ranges.nodePorts.count, divisor: 32, maximum: 128)
        let first = ranges.nodePorts.lowerBound
        let found = free(in: first + band..<first + ranges.nodePorts.count, below: first) { port in
            state.ports[port] == nil && !state.reservedPorts.contains(port)
        }
        guard let found else { throw .exhausted("failed to allocate a nodePort: range is full") }
        state.reservedPorts.insert(found)
        taken.ports.insert(found)
        return found
    }

    // MARK: searching

    /// A free value of a range, beginning anywhere; then one of what is below it.
    private func free(in range: Range<Int>, below first: Int, _ isFree: (Int) -> Bool) -> Int? {
        if !range.isEmpty {
            let start = random(range.count)
            for step in 0..<range.count {
                let value = range.lowerBound + (start + step) % range.count
                if isFree(value) { return value }
            }
        }
        return (first..<max(first, range.lowerBound)).first(where: isFree)
    }
}

/// Why a Service did not get what it asked for.
enum AllocationFailure: Error, Sendable {
    case invalid(FieldError)
    /// Nothing is left to give.
    case exhausted(String)
}
