import LinuxSystem
import ShimProtocol
import Testing

/// Root file systems from layers.
@Suite(.privileged, .serialized) struct ShimLayerTests {
    @Test func layersAreStacked() throws {
        let node = try ShimHarness()
        try Files.makeDirectories("\(node.path)/top/etc")
        try Files.write(Array("top".utf8), to: "\(node.path)/top/etc/passwd", mode: 0o644)
        let output = try node.shell("layers", "cat /etc/passwd; echo changed > /etc/passwd; rm /bin/env") { plan in
            plan.root.lower = ["top", "lower"]
        }
        #expect(output == "top")
        #expect(try Files.readString("\(node.path)/top/etc/passwd") == "top")
        #expect(try Files.readString("\(node.path)/layers/upper/etc/passwd") == "changed\n")
        #expect(Files.exists("\(node.lower)/bin/env"))
    }

    /// Debian 12's kernel takes the options of an overlay in one page alone.
    @Test(arguments: [false, true]) func aHundredAndThirtyLayersFit(userNamespace: Bool) throws {
        let node = try ShimHarness { if userNamespace { ShimPodTests.userNamespace(&$0) } }
        let names = (0..<130).map { "layer-\(1000 + $0)-\(String(repeating: "x", count: 10))" }
        for (index, name) in names.enumerated() {
            try Files.makeDirectories("\(node.path)/\(name)/from")
            try Files.write([], to: "\(node.path)/\(name)/from/\(index)", mode: 0o644)
            try Files.write(Array("\(index)".utf8), to: "\(node.path)/\(name)/uppermost", mode: 0o644)
        }
        #expect(names.map { "\(node.path)/\($0)" }.joined(separator: ":").utf8.count > 4096, "absolute paths would not fit")
        let output = try node.shell("many", "ls /from | wc -l; cat /uppermost; echo; touch /from/new && echo writable; cat /proc/self/mountinfo") {
            $0.root.lower = names + ["lower"]
        }
        #expect(output.hasPrefix("130\n0\nwritable\n"), "\(output)")
        #expect(!output.contains(node.path), "the container sees where its layers lie")
        #expect(Files.exists("\(node.path)/many/upper/from/new"))
    }

    @Test func optionsThatExceedAPageAreRefused() throws {
        let node = try ShimHarness()
        var plan = node.plan("long", ["true"])
        plan.root.lower = (0..<20).map { "\($0)" + String(repeating: "x", count: 200) }
        let error = #expect(throws: ShimError.self) { try node.connection.call(.create(plan)) }
        #expect(error?.failure?.step == "mount overlay of 20 layers (its options exceed a page)", "\(String(describing: error))")
    }

    /// What an agent before protocol version 2 sends.
    @Test(arguments: [false, true]) func absolutePathsAreTaken(userNamespace: Bool) throws {
        let node = try ShimHarness { if userNamespace { ShimPodTests.userNamespace(&$0) } }
        try Files.makeDirectories("\(node.path)/top/etc")
        try Files.write(Array("top".utf8), to: "\(node.path)/top/etc/passwd", mode: 0o644)
        let output = try node.shell("old", "cat /etc/passwd; touch /new") {
            $0.root = RootPlan(lower: ["\(node.path)/top", node.lower], writable: "\(node.path)/old")
        }
        #expect(output == "top")
        #expect(Files.exists("\(node.path)/old/upper/new"))
    }

    /// The kernel refuses a second volatile mount of the same work directory.
    @Test(arguments: [false, true]) func aVolatileRootIsMountedAgain(userNamespace: Bool) throws {
        let node = try ShimHarness { if userNamespace { ShimPodTests.userNamespace(&$0) } }
        func run(_ id: String, _ script: String) throws -> String {
            try node.shell(id, script) { $0.root = RootPlan(layersDirectory: node.path, lower: ["lower"], writable: "\(node.path)/shared", isVolatile: true) }
        }
        try Files.makeDirectory("\(node.path)/shared")
        #expect(try run("one", "echo kept > /file; sync; grep -c volatile /proc/self/mountinfo") == "1\n")
        #expect(try run("two", "cat /file") == "kept\n")
    }

    @Test(arguments: [false, true]) func aPlainDirectoryCanBeTheRoot(userNamespace: Bool) throws {
        let node = try ShimHarness { if userNamespace { ShimPodTests.userNamespace(&$0) } }
        let output = try node.shell("plain", "stat -c %u /etc/passwd; touch /new && echo writable") { $0.root = RootPlan(directory: node.lower) }
        #expect(output == "0\nwritable\n")
        #expect(Files.exists("\(node.lower)/new"))
    }

    @Test func withoutAWritableDirectoryTheRootIsReadOnly() throws {
        let node = try ShimHarness()
        for folder in ["proc", "sys", "dev"] { try Files.makeDirectories("\(node.path)/top/\(folder)") }
        let output = try node.shell("fixed", "touch /new 2>&1; cat /etc/passwd | wc -l") { $0.root = RootPlan(layersDirectory: node.path, lower: ["top", "lower"], writable: "") }
        #expect(output == "touch: /new: Read-only file system\n1\n")
    }
}
